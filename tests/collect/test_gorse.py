from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_target import LogTarget
from typer.testing import CliRunner

from penchant.app.cli import app
from penchant.collect.datasets import open_dataset
from penchant.collect.gorse_walk import TRIES, walk
from penchant.collect.importer import CollectReport, collect
from penchant.collect.quarantine import Quarantine
from penchant.errors import ConfigError, SourceError

ZERO = "0001-01-01T00:00:00Z"
USERS = [
    {"UserId": "ann", "Labels": {"city": "Graz", "age": 31}, "Subscribe": ["tea"], "Comment": "first"},
    {"UserId": "bob", "Labels": ["a", "b"], "Subscribe": None, "Comment": ""},
    {"UserId": "cid", "Labels": None, "Subscribe": [], "Comment": ""},
]
ITEMS = [
    {
        "ItemId": "t1", "IsHidden": False, "Categories": ["tea"], "Timestamp": "2024-01-01T10:00:00+02:00",
        "Labels": {"brand": "x"}, "Comment": "Oolong",
    },
    {"ItemId": "t2", "IsHidden": True, "Categories": [], "Timestamp": ZERO, "Labels": ["tea", "green"], "Comment": ""},
    {
        "ItemId": "c1", "IsHidden": False, "Categories": None, "Timestamp": "2024-01-02T00:00:00Z",
        "Labels": {"genres": ["coffee"]}, "Comment": "",
    },
]  # fmt: skip
FEEDBACK = [
    {
        "FeedbackType": "star", "UserId": "ann", "ItemId": "t1", "Value": 0, "Timestamp": "2024-02-01T00:00:00Z",
        "Updated": "2024-02-03T00:00:00Z", "Comment": "so good",
    },
    {
        "FeedbackType": "read", "UserId": "ann", "ItemId": "c1", "Value": 2.5, "Timestamp": "2024-02-02T00:00:00.5Z",
        "Updated": ZERO, "Comment": "",
    },
    {
        "FeedbackType": "purchase", "UserId": "bob", "ItemId": "t2", "Value": 1, "Timestamp": ZERO, "Updated": ZERO,
        "Comment": "",
    },
    {"FeedbackType": "pondered", "UserId": "bob", "ItemId": "t2", "Value": 1, "Timestamp": "2024-02-02T00:00:00Z"},
]  # fmt: skip
ALL = {"users": USERS, "items": ITEMS, "feedback": FEEDBACK}


def files(folder: Path, rows: dict[str, list[Any]] = ALL) -> Path:
    folder.mkdir(exist_ok=True)
    for name, objects in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in objects))
    return folder


def load(folder: Path, target: Any, **options: Any) -> CollectReport:
    with Quarantine() as quarantine:
        report = collect(open_dataset(folder, options=options), target, quarantine)
    assert report.read == report.accepted + report.duplicates + report.refused + report.skipped
    return report


def test_bulk_files_keep_labels_and_updated(tmp_path: Path, clock_engine: Callable[[], Any]) -> None:
    engine = clock_engine()
    report = load(files(tmp_path / "dump"), engine)
    assert (report.source, report.accepted, report.refused) == ("gorse", 9, 1)
    assert "unknown type 'pondered'" in next(iter(report.reasons))
    facts = {name: fact.value for name, fact in engine.profile("ann").facts.items()}
    assert facts == {"city": "Graz", "age": 31, "subscribe": ["tea"], "comment": "first"}
    assert engine.profile("bob").facts["labels"].value == ["a", "b"]
    assert engine.item("t1").title == "Oolong"
    assert dict(engine.item("t1").attributes) == {"brand": "x", "categories": ["tea"]}
    assert (engine.item("t2").topics, engine.item("c1").topics) == (("tea", "green"), ("coffee",))
    assert engine.item("t2").attributes["hidden"] is True
    star, read = sorted((e for e in engine.export("ann").events if e.item_id), key=lambda e: e.at)
    assert (star.type, star.value, star.payload["text"]) == ("like", None, "so good")
    assert star.payload["context"] == {"source": "gorse", "feedback_type": "star", "updated": "2024-02-03T00:00:00Z"}
    assert (read.type, read.value, read.at.microsecond) == ("view", 2.5, 500_000)
    assert load(tmp_path / "dump", engine).read == 0


def test_feedback_types_of_ones_own(tmp_path: Path, target: LogTarget) -> None:
    report = load(files(tmp_path / "dump"), target, types={"pondered": "view", "star": "rating", "read": "view"})
    assert report.reasons == {"a rating needs a value": 1}
    with pytest.raises(ConfigError, match="'read' becomes 'look', which is no event type"):
        load(files(tmp_path / "dump"), target, types={"read": "look"})


NAMES = ["FeedbackType", "UserId", "ItemId", "Labels", "Categories", "Timestamp", "Value", "Updated", "Comment"]
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
nested = st.lists(st.text(max_size=4), max_size=2) | st.dictionaries(st.text(max_size=4), st.integers(), max_size=2)
objects = st.dictionaries(st.sampled_from(NAMES), plain | nested)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(objects, min_size=1, max_size=4))
def test_every_object_is_taken_or_refused(tmp_path: Path, rows: list[Any]) -> None:
    folder = files(tmp_path / "dump", {"users": rows, "items": rows, "feedback": rows})
    assert load(folder, LogTarget()).read == 3 * len(rows)


# -- over REST


class Gorse(ThreadingHTTPServer):
    """What Gorse's server does with GET /api/users, /api/items and /api/feedback, and what may go wrong on the way."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.trouble: list[str] = []
        """What the next requests meet with."""
        self.asked: list[tuple[str, str]] = []
        self.hang = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Gorse

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        given = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        name = parts.path.removeprefix("/api/")
        self.server.asked.append((name, given["cursor"]))
        trouble = self.server.trouble.pop(0) if self.server.trouble else ""
        if self.headers["X-API-Key"] != "secret":
            return self.answer(401, b"unauthorized")
        if trouble.isdigit():
            return self.answer(int(trouble), b"no", {"Retry-After": "7"} if trouble == "429" else {})
        if trouble == "hang":
            self.server.hang.wait(5)
            return None
        start, n = int(given["cursor"] or 0), int(given["n"])
        rows = ALL[name][start : start + n]
        more = str(start + n) if start + n < len(ALL[name]) else ""
        data = json.dumps({"Cursor": more, name.capitalize(): rows or None}).encode()
        if trouble == "not json":
            data = b"<html>"
        return self.answer(200, data, cut=len(data) // 2 if trouble == "half" else None)

    def answer(self, code: int, data: bytes, headers: dict[str, str] | None = None, cut: int | None = None) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:cut])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def gorse() -> Iterator[Gorse]:
    with Gorse() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.hang.set()
        server.shutdown()
        thread.join()


def rows_in(folder: Path) -> dict[str, list[Any]]:
    return {name: [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()] for name in ALL}


def test_a_server_is_walked_page_by_page(gorse: Gorse, tmp_path: Path, target: LogTarget) -> None:
    assert walk(gorse.url, tmp_path / "spool", "secret", n=2) == {"users": 3, "items": 3, "feedback": 4}
    assert rows_in(tmp_path / "spool") == ALL
    assert gorse.asked == [(name, cursor) for name in ALL for cursor in ("", "2")]
    assert load(tmp_path / "spool", target).accepted == 9
    # A finished walk begins anew, and what was taken before counts once.
    walk(gorse.url, tmp_path / "spool", "secret", n=2)
    assert rows_in(tmp_path / "spool") == ALL
    assert load(tmp_path / "spool", target).accepted == 0


def test_what_fails_for_a_while_is_tried_again(gorse: Gorse, tmp_path: Path) -> None:
    gorse.trouble = ["500", "429", "half", "not json", "503", "", "hang", "half"]
    waits: list[float] = []
    walk(gorse.url, tmp_path, "secret", n=2, timeout_s=0.3, sleep=waits.append)
    assert rows_in(tmp_path) == ALL
    assert waits == [1.0, 7.0, 4.0, 8.0, 16.0, 1.0, 2.0]


def test_a_walk_goes_on_where_it_was_broken_off(gorse: Gorse, tmp_path: Path) -> None:
    gorse.trouble = ["", "", "", *["500"] * TRIES]
    with pytest.raises(SourceError, match=r"/api/items fails: 500 .*; tried 6 times"):
        walk(gorse.url, tmp_path, "secret", n=2, sleep=lambda _: None)
    with (tmp_path / "items.jsonl").open("a") as file:
        file.write('{"ItemId": "half a')  # as if killed while it wrote
    gorse.asked.clear()
    walk(gorse.url, tmp_path, "secret", n=2, sleep=lambda _: None)
    assert rows_in(tmp_path) == ALL
    assert gorse.asked[0] == ("items", "2")


def test_a_server_that_refuses_or_is_not_there(gorse: Gorse, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="answers 401 Unauthorized; check the key") as caught:
        walk(gorse.url, tmp_path, "wrong", sleep=lambda _: None)
    assert "wrong" not in str(caught.value)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SourceError, match=r"fails: .*refused"):
        walk(f"http://127.0.0.1:{port}", tmp_path, "secret", sleep=lambda _: None)
    for wrong in ("ftp://x", "file:///etc/passwd", "localhost:8087"):
        with pytest.raises(ConfigError, match="a Gorse server is at"):
            walk(wrong, tmp_path)
    (tmp_path / "walk.json").write_text("{")
    with pytest.raises(SourceError, match="damaged"):
        walk(gorse.url, tmp_path, "secret")


def test_from_the_command_line(gorse: Gorse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GORSE_API_KEY", "secret")
    monkeypatch.chdir(tmp_path)
    run = CliRunner()
    words = ["collect", "--data", "gorse", "--from", gorse.url, "--db", f"sqlite:///{tmp_path}/log.db", "--json"]
    done = run.invoke(app, [*words, "--folder", str(tmp_path / "spool")])
    assert done.exit_code == 1, (done.output, done.exception)  # one feedback type is none of ours
    assert json.loads(done.stdout)["accepted"] == 9, (done.output, done.exception)
    assert run.invoke(app, words).exit_code == 2
