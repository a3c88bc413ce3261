"""``penchant mcp`` as a process of its own, asked with the official client; and what it refuses to do."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading

import pytest
from mcp import Client, StdioServerParameters
from typer.testing import CliRunner

from penchant import Engine
from penchant.app.cli import app
from penchant.errors import ConfigError, NotInstalledError

WAIT_S = 30
COMMAND = [sys.executable, "-c", "from penchant.app.cli import main; main()", "mcp"]
EVERYWHERE = "0.0.0.0"  # noqa: S104 - it must be refused
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def call(number, tool, **arguments):
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


@pytest.fixture
def started(sqlite_url, tmp_path):
    """Starts the command with pipes; ends it after the test."""
    running = []

    def start(*options):
        pipe = subprocess.PIPE
        words = [*COMMAND, "--db", sqlite_url, *options]
        process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=tmp_path)  # noqa: S603
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait(WAIT_S)
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


def test_the_official_client_over_standard_input_and_output(sqlite_url, tmp_path):
    parameters = StdioServerParameters(command=COMMAND[0], args=[*COMMAND[1:], "--db", sqlite_url], cwd=tmp_path)

    async def talk():
        async with Client(parameters) as client:
            like = {"user_id": "ann", "type": "like", "item_id": "t1", "topics": ["tea"]}
            assert (await client.call_tool("record_event", like)).structured_content["recorded"]
            said = await client.call_tool("record_statement", {"user_id": "ann", "topic": "coffee", "value": -1})
            assert said.structured_content["recorded"]
            summary = await client.call_tool("profile_summary", {"user_id": "ann", "language": "zh"})
            assert '"coffee"' in summary.structured_content["text"]
            wrong = await client.call_tool("recommend", {"user_id": "ann", "strategy": "magic"})
            assert wrong.is_error
            assert "no strategy named 'magic'" in wrong.content[0].text
            (content,) = (await client.read_resource("penchant://users/ann/interests")).contents
            return json.loads(content.text)

    found = asyncio.run(talk())
    assert found["interests"][0]["topic"] == "tea"
    with Engine.open(sqlite_url) as engine:  # let go of, with everything in it
        assert engine.log.count() == 2
        assert engine.interests("ann")[0].topic == "tea"


def test_nothing_but_the_protocol_on_standard_output(started):
    process = started()
    asked = [
        HELLO,
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        call(2, "interests", user_id="my-secret"),
        call(3, "recommend", user_id="my-secret", strategy="magic"),
        call(4, "cast_spell"),
        {"jsonrpc": "2.0", "id": 5, "method": "no/such/method"},
    ]
    lines = [json.dumps(one) for one in asked]
    process.stdin.write("\n".join([*lines[:2], "no json at all", *lines[2:]]) + "\n")
    process.stdin.flush()
    answers = [json.loads(process.stdout.readline()) for _ in range(5)]
    process.stdin.close()
    assert process.wait(WAIT_S) == 0
    assert process.stdout.read() == ""
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)
    assert {answer["id"] for answer in answers} == {1, 2, 3, 4, 5}
    by_id = {answer["id"]: answer for answer in answers}
    assert by_id[3]["result"]["isError"]
    assert by_id[5]["error"]["code"] == -32601
    said = process.stderr.read()
    assert "my-secret" not in said
    assert "Traceback" not in said


def test_told_to_stop_it_closes_the_log(started, sqlite_url):
    process = started()
    event = call(2, "record_event", user_id="ann", type="like", item_id="t1", topics=["tea"])
    for one in (HELLO, {"jsonrpc": "2.0", "method": "notifications/initialized"}, event):
        process.stdin.write(json.dumps(one) + "\n")
    process.stdin.flush()
    answers = [json.loads(process.stdout.readline()) for _ in range(2)]
    assert answers[1]["result"]["structuredContent"]["recorded"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == 0
    with Engine.open(sqlite_url) as engine:
        assert engine.log.count() == 1


def test_over_http_with_the_official_client(started):
    process = started("--http", "--port", "0")
    address = re.search(r"http://\S+/mcp", process.stderr.readline())[0]
    threading.Thread(target=process.stderr.read, daemon=True).start()

    async def talk():
        async with Client(address) as client:
            like = {"user_id": "ann", "type": "like", "item_id": "t1", "topics": ["tea"]}
            assert (await client.call_tool("record_event", like)).structured_content["recorded"]
            found = (await client.call_tool("interests", {"user_id": "ann"})).structured_content
            assert found["interests"][0]["topic"] == "tea"

    asyncio.run(talk())
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == 0


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(NotInstalledError, match=r"pip install 'penchant\[mcp\]'"):
        CliRunner().invoke(app, ["mcp"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--role", "king"], 1, "no role 'king'; known: ingest, read, recommend, admin"),
        (["--http", "--user", "ann"], 2, "penchant serve key add"),
        (["--http", "--host", EVERYWHERE], 1, "has no key; make one: penchant serve key add"),
    ],
)
def test_what_it_refuses(tmp_path, monkeypatch, options, code, said):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["mcp", *options])
    text = result.output + str(result.exception)
    assert said in re.sub(r"[\s│]+", " ", text)
    assert isinstance(result.exception, ConfigError) if code == 1 else result.exit_code == code
