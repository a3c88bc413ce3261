"""The server as a process of its own: two commands to an answer, killed while it takes events, stopped in peace."""

from __future__ import annotations

import json
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from live_server import live
from penchant import Engine
from penchant.app.server.app import create_app
from penchant.app.server.config import ServerConfig
from penchant.app.server.run import run
from penchant.client import Client, ServerError
from penchant.errors import ConfigError

WAIT_S = 30
SERVE = [sys.executable, "-c", "from penchant.app.cli import main; main()", "serve"]
EVERYWHERE = "0.0.0.0"  # noqa: S104 - it must be refused


@contextmanager
def serving(url, tmp_path, *options):
    """Yield ``(address, process)`` of ``penchant serve``; what it says is read to its end."""
    process = subprocess.Popen(  # noqa: S603 - our own words
        [*SERVE, "--db", url, "--port", "0", "--keys", str(tmp_path / "keys.json"), *options],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    try:
        said = process.stderr.readline()
        yield re.search(r"http://\S+", said)[0], process
    finally:
        process.kill()
        process.stderr.close()
        process.wait(WAIT_S)


def ready(address):
    """Return a client of a server once it answers."""
    client = Client(address, retries=0)
    until = time.monotonic() + WAIT_S
    while True:
        try:
            client.status()
        except ServerError:
            assert time.monotonic() < until
            time.sleep(0.05)
        else:
            return client


def test_what_was_acknowledged_survives_kill_nine(sqlite_url, tmp_path):
    acknowledged, lock, chance = set(), threading.Lock(), random.Random(3)  # noqa: S311 - no secret

    def send(address, name, stop):
        number = 0
        with Client(address, retries=0) as client:
            while not stop.is_set():
                ids = [f"{name}-{number + i}" for i in range(chance.choice([1, 1, 20]))]
                number += len(ids)
                events = [
                    {
                        "event_id": one,
                        "type": "like",
                        "user_id": f"u{hash(one) % 50}",
                        "item_id": "t",
                        "topics": ["tea"],
                    }
                    for one in ids
                ]
                try:
                    receipt = client.ingest(events)
                except ServerError:
                    return
                assert receipt.accepted == len(ids)
                with lock:
                    acknowledged.update(ids)

    for life in range(2):
        with serving(sqlite_url, tmp_path) as (address, process):
            ready(address).close()
            stop = threading.Event()
            senders = [threading.Thread(target=send, args=(address, f"{life}-{i}", stop)) for i in range(4)]
            for one in senders:
                one.start()
            until = time.monotonic() + WAIT_S
            while len(acknowledged) < 60 * (life + 1) and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(chance.uniform(0.0, 0.2))
            process.send_signal(signal.SIGKILL)
            for one in senders:
                one.join(WAIT_S)
        assert len(acknowledged) >= 60 * (life + 1)
    with Engine.open(sqlite_url) as engine:
        kept = engine.ledger.events()["event_id"].to_list()
        assert len(kept) == len(set(kept))
        assert acknowledged <= set(kept)
        states = engine.ledger.states.as_bytes()
        engine.rebuild()
        assert engine.ledger.states.as_bytes() == states


def test_told_to_stop_it_ends_what_was_begun(sqlite_url, tmp_path):
    with serving(sqlite_url, tmp_path, "--log", "all") as (address, process):
        with ready(address) as client:
            client.ingest({"type": "like", "user_id": "ann", "item_id": "t", "topics": ["tea"]})
            assert [one.topic for one in client.interests("ann")] == ["tea"]
        host, _, port = address.removeprefix("http://").partition(":")
        body = json.dumps({"type": "like", "user_id": "bob", "item_id": "t", "event_id": "slow"}).encode()
        head = f"POST /v1/events HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((host, int(port))) as slow:
            slow.sendall(head.encode() + body[:10])
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            slow.sendall(body[10:])
            assert slow.recv(1000).startswith(b"HTTP/1.1 200")
        said = process.stderr.read()
        assert process.wait(WAIT_S) == 0
    lines = [json.loads(line) for line in said.splitlines()]
    assert {line["message"] for line in lines} == {"request"}
    with Engine.open(sqlite_url) as engine:
        assert engine.users() == ["ann", "bob"]


def test_broken_clients_harm_nobody(engine, tmp_path):
    with live(create_app(engine, ServerConfig(keys=tmp_path / "keys.json", warm_up=False))) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        opened = [socket.create_connection((host, int(port))) for _ in range(20)]
        for one in opened[:10]:  # begins a request and says no more
            one.sendall(b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n")
        for one in opened[10:]:  # half-closed in the middle of a body
            one.sendall(b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n")
            one.sendall(b"Content-Length: 100\r\n\r\n{")
            one.shutdown(socket.SHUT_WR)
        with socket.create_connection((host, int(port))) as noise:
            noise.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10)
            assert b"400" in noise.recv(1000)
        with Client(address) as client:
            assert client.ingest({"type": "like", "user_id": "ann", "item_id": "t"}).accepted == 1
            assert client.status()["events"] == 1
        for one in opened:
            one.close()


def test_a_client_that_is_too_slow_is_told_so(engine, tmp_path):
    config = ServerConfig(keys=tmp_path / "keys.json", warm_up=False, body_timeout_s=0.2)
    with live(create_app(engine, config)) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as slow:
            slow.sendall(b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n")
            slow.sendall(b"Content-Length: 100\r\n\r\n{")
            assert slow.recv(1000).startswith(b"HTTP/1.1 408")
    assert engine.log.count() == 0


def test_two_servers_cannot_have_one_port(engine, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = ServerConfig(port=taken.getsockname()[1], keys=tmp_path / "keys.json")
        with pytest.raises(ConfigError, match=r"cannot listen on 127\.0\.0\.1:\d+"):
            run(engine, config)


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--host", EVERYWHERE], "penchant serve key add"), (["--gorse-type", "star=nothing"], "gorse_types.star")],
)
def test_what_it_refuses_to_start_with(tmp_path, monkeypatch, words, said):
    from typer.testing import CliRunner

    from penchant.app.cli import app

    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=said):
        CliRunner().invoke(app, ["serve", "--db", "memory", *words], catch_exceptions=False)
