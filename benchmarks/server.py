"""The figures of the HTTP API: events in, lists and profiles out, freshness; each as a ratio to a bare server's.

Run: ``python benchmarks/server.py [--json FILE] [--seconds 5] [--durability default]``. Everything is measured in one
run, over loopback, with a server process of its own; the load comes from this process, on the same cores. Times on a
shared machine vary: compare ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

BARE = """
import socket, sys, uvicorn
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})
listening = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listening.getsockname()[1]}", file=sys.stderr, flush=True)
uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")).run(sockets=[listening])
"""
SERVE = "from penchant.app.cli import main; main()"
USERS, ITEMS, TOPICS = 2000, 5000, 60


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", type=Path)
    options.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    options.add_argument("--durability", default="default", choices=("default", "full"))
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), given.seconds, given.durability)
    for name, value in figures.items():
        print(f"{name:58} {value}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(folder: Path, seconds: float, durability: str) -> dict[str, object]:
    from penchant.evaluate.report import current_commit

    figures: dict[str, object] = {
        "commit": current_commit(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load_1min": round(os.getloadavg()[0], 2),
    }
    say("filling a log")
    fill(f"sqlite:///{folder}/bench.db")
    with running([sys.executable, "-c", BARE], folder) as (address, process):
        figures |= bare_figures(address, process, seconds)
    environment = {"PENCHANT_DURABILITY": durability}
    command = [sys.executable, "-c", SERVE, "serve", "--db", f"sqlite:///{folder}/bench.db", "--port", "0"]
    with running(command, folder, environment) as (address, process):
        wait_until_ready(address)
        say("events")
        figures |= ingest_figures(address, process, seconds, figures)
        say("questions")
        figures |= read_figures(address, seconds)
        figures |= freshness(address)
        figures |= mixed_figures(address, seconds)
    return figures


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def fill(url: str) -> None:
    """A catalogue and a history to answer from, and fitted models."""
    from penchant import Engine
    from penchant.testing import toy_log

    toy = toy_log(n_users=USERS, n_items=ITEMS, n_topics=TOPICS, deeds_per_user=30)
    with Engine.open(url) as engine:
        engine.ingest(toy.events)
        engine.fit(["item_knn", "blend"])


@contextmanager
def running(command: list[str], folder: Path, environment: dict[str, str] | None = None):
    """Address of a server process; one thread for numeric libraries, so that they do not fight for the cores."""
    said = folder / "said.txt"
    with said.open("w") as told:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stderr=told,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **(environment or {})},
        )
    try:
        until = time.monotonic() + 60
        while not (found := re.search(r"http://\S+", said.read_text())):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.05)
        yield found[0], process.pid
    finally:
        process.terminate()
        process.wait(60)


def wait_until_ready(address: str) -> None:
    import httpx2

    until = time.monotonic() + 120
    while True:
        try:
            if httpx2.get(f"{address}/health/ready", timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
        assert time.monotonic() < until


# -- the load ----------------------------------------------------------------------------------------------------------


class Connection:
    """One kept-alive connection that costs the measuring process as little as it can."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, address: str) -> Connection:
        host, _, port = address.removeprefix("http://").partition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def ask(self, request: bytes) -> bytes:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(re.search(rb"content-length: (\d+)", head)[1])
        return await self._reader.readexactly(length)

    def close(self) -> None:
        self._writer.close()


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def post(path: str, value: object) -> bytes:
    body = json.dumps(value).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def closed_loop(address: str, connections: int, seconds: float, requests: Callable[[], bytes]) -> list[float]:
    """Every connection asks again as soon as it is answered; return how long each request took."""
    took: list[float] = []
    until = time.perf_counter() + seconds

    async def one() -> None:
        connection = await Connection.to(address)
        while time.perf_counter() < until:
            request = requests()
            began = time.perf_counter()
            await connection.ask(request)
            took.append(time.perf_counter() - began)
        connection.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return took


async def open_loop(address: str, rate: float, seconds: float, requests: Callable[[], bytes]) -> list[float]:
    """So many requests a second, whether the ones before are answered or not; time counts from when each was due."""
    took: list[float] = []
    idle = [await Connection.to(address) for _ in range(16)]
    began = time.perf_counter()

    async def one(due: float) -> None:
        connection = idle.pop() if idle else await Connection.to(address)
        await connection.ask(requests())
        took.append(time.perf_counter() - due)
        idle.append(connection)

    tasks = []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        pause = due - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    for connection in idle:
        connection.close()
    return took


def event(user: int) -> dict[str, object]:
    item = hash((user, time.perf_counter_ns())) % ITEMS
    return {"event_id": str(uuid.uuid4()), "type": "view", "user_id": f"user-{user % USERS}", "item_id": f"item-{item}"}


def counter() -> Callable[[], int]:
    state = [0]

    def following() -> int:
        state[0] += 1
        return state[0]

    return following


def ms(took: list[float], share: float) -> float:
    return round(1000 * sorted(took)[min(len(took) - 1, int(share * len(took)))], 2)


# -- the figures -------------------------------------------------------------------------------------------------------


def cpu_s(process: int) -> float:
    """CPU time that a process has used: steadier than the clock where others use the cores too."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pressed(address: str, process: int, seconds: float, requests: Callable[[], bytes]) -> tuple[list[float], float]:
    """How long each request took at 32 connections, and the server's CPU time a request, in microseconds."""
    asyncio.run(closed_loop(address, 32, 0.5, requests))
    before = cpu_s(process)
    took = asyncio.run(closed_loop(address, 32, seconds, requests))
    return took, 1e6 * (cpu_s(process) - before) / len(took)


def bare_figures(address: str, process: int, seconds: float) -> dict[str, object]:
    took, cpu = pressed(address, process, seconds, lambda: get("/"))
    return {"bare: requests/s, 32 connections": round(len(took) / seconds), "bare: CPU us a request": round(cpu, 1)}


def ingest_figures(address: str, process: int, seconds: float, bare: dict[str, object]) -> dict[str, object]:
    number, bare_rate = counter(), float(bare["bare: requests/s, 32 connections"])
    bare_cpu = float(bare["bare: CPU us a request"])
    figures: dict[str, object] = {}
    single = prepared(lambda: post("/v1/events", event(number())), 30_000)
    took, cpu = pressed(address, process, seconds, single)
    figures["POST of one event: requests/s, 32 connections"] = round(len(took) / seconds)
    figures["  of the bare server's"] = round(len(took) / seconds / bare_rate, 3)
    figures["  the bare server's CPU a request over ours"] = round(bare_cpu / cpu, 3)
    figures["  one event: p50 / p99, ms"] = f"{ms(took, 0.5)} / {ms(took, 0.99)}"
    took = asyncio.run(closed_loop(address, 1, 1.0, single))
    figures["POST of one event, 1 connection: p50 / p99, ms"] = f"{ms(took, 0.5)} / {ms(took, 0.99)}"
    batch = prepared(lambda: post("/v1/events", [event(number()) for _ in range(100)]), 3000)
    took, cpu = pressed(address, process, seconds, batch)
    figures["POST of 100 events: events/s, 32 connections"] = round(100 * len(took) / seconds)
    figures["  times the bare server's requests/s"] = round(100 * len(took) / seconds / bare_rate, 2)
    figures["  the bare server's CPU a request over ours an event"] = round(100 * bare_cpu / cpu, 2)
    figures["  100 events: p50 / p99, ms"] = f"{ms(took, 0.5)} / {ms(took, 0.99)}"
    return figures


def prepared(make: Callable[[], bytes], n: int) -> Callable[[], bytes]:
    """Requests made beforehand, so that making them is not measured."""
    made = iter([make() for _ in range(n)])
    return lambda: next(made, None) or make()


def read_figures(address: str, seconds: float) -> dict[str, object]:
    figures: dict[str, object] = {}
    number = counter()
    warm = [f"/v1/users/user-{i}/recommendations?n=10" for i in range(100)]

    def warm_list() -> bytes:
        return get(warm[number() % 100])

    asyncio.run(open_loop(address, 50, 2.5, warm_list))
    for name, requests in (
        ("GET recommendations n=10, kept a moment ago", warm_list),
        ("GET recommendations n=10, made anew", lambda: get(f"/v1/users/user-{number() % USERS}/recommendations?n=10")),
        ("GET profile", lambda: get(f"/v1/users/user-{number() % USERS}/profile")),
        ("GET interests", lambda: get(f"/v1/users/user-{number() % USERS}/interests")),
    ):
        took = asyncio.run(open_loop(address, 200, seconds, requests))
        figures[f"{name}, 200/s: p50 / p99, ms"] = f"{ms(took, 0.5)} / {ms(took, 0.99)}"
    return figures


def freshness(address: str) -> dict[str, object]:
    """From the moment an event is sent until a read has shown the change."""

    async def rounds() -> tuple[list[float], list[float]]:
        connection, profile, lists = await Connection.to(address), [], []
        for i in range(200):
            user, item = f"fresh-{i % 20}", f"item-{i}"
            await connection.ask(get(f"/v1/users/{user}/recommendations?n=10"))
            sent = {
                "type": "purchase",
                "user_id": user,
                "item_id": item,
                "topics": [f"own-{i}"],
                "event_id": f"f{i}-{sent_at()}",
            }
            began = time.perf_counter()
            await connection.ask(post("/v1/events", sent))
            shown = await connection.ask(get(f"/v1/users/{user}/interests?n=1000"))
            profile.append(time.perf_counter() - began)
            assert f"own-{i}".encode() in shown
            await connection.ask(get(f"/v1/users/{user}/recommendations?n=10"))
            lists.append(time.perf_counter() - began)
        connection.close()
        return profile, lists

    profile, lists = asyncio.run(rounds())
    return {
        "event sent -> changed profile read, p50 / p99, ms": f"{ms(profile, 0.5)} / {ms(profile, 0.99)}",
        "event sent -> changed profile and list read, p50 / p99, ms": f"{ms(lists, 0.5)} / {ms(lists, 0.99)}",
    }


def sent_at() -> int:
    return time.perf_counter_ns()


def mixed_figures(address: str, seconds: float) -> dict[str, object]:
    """Lists at 100 a second while 1,000 events a second come in."""
    number = counter()

    async def both() -> tuple[list[float], list[float]]:
        events = open_loop(address, 50, seconds, lambda: post("/v1/events", [event(number()) for _ in range(20)]))
        lists = open_loop(address, 100, seconds, lambda: get(f"/v1/users/user-{number() % USERS}/recommendations?n=10"))
        first, second = await asyncio.gather(events, lists)
        return first, second

    events, lists = asyncio.run(both())
    return {
        "1,000 events/s beside 100 lists/s: lists p50 / p99, ms": f"{ms(lists, 0.5)} / {ms(lists, 0.99)}",
        "  events (batches of 20) p50 / p99, ms": f"{ms(events, 0.5)} / {ms(events, 0.99)}",
        "  median of all": round(1000 * statistics.median([*events, *lists]), 2),
    }


if __name__ == "__main__":
    main()
