from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_target import LogTarget

from penchant.collect.datasets import open_dataset
from penchant.collect.importer import CollectReport, collect
from penchant.collect.mapping import Reading
from penchant.collect.quarantine import Quarantine
from penchant.collect.sources import weblog
from penchant.collect.sources.contract import Chunk, Place, SourceFile
from penchant.collect.sources.weblog import COLUMNS, WebLogReader
from penchant.errors import ConfigError, NotInstalledError, SourceError

KEY = "a key that is long enough"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
quick = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def user_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENCHANT_USER_KEY", KEY)


def line(
    path: str = "/tea/oolong",
    at: str = "17/May/2015:10:05:03 +0000",
    user: str = "-",
    status: int = 200,
    agent: str = FIREFOX,
    host: str = "10.0.0.1",
    method: str = "GET",
    more: str = "",
) -> str:
    return f'{host} - {user} [{at}] "{method} {path} HTTP/1.1" {status} 17 "http://a.example/" "{agent}"{more}\n'


def write(path: Path, *lines: str) -> Path:
    path.write_bytes("".join(lines).encode())
    return path


def load(path: Path, target: LogTarget, kept: Path | None = None, **options: Any) -> CollectReport:
    with Quarantine(kept) as quarantine:
        report = collect(open_dataset("weblog", path, options=options), target, quarantine)
    assert report.read == report.accepted + report.duplicates + report.refused + report.skipped
    assert sum(report.reasons.values()) == report.refused + report.skipped
    return report


def reader(path: Path, **options: Any) -> WebLogReader:
    return WebLogReader(SourceFile(path), Reading(format="weblog", options=options), COLUMNS)


def told(path: Path, **options: Any) -> list[dict[str, Any]]:
    return [row for chunk in reader(path, **options).chunks(Place()) for row in chunk.frame.to_dicts()]


def test_the_real_log_is_read_and_every_line_accounted_for(data: Path, tmp_path: Path, target: LogTarget) -> None:
    file = data / "weblogs" / "apache_combined.log.gz"
    report = load(file, target, tmp_path / "q.jsonl")
    assert (report.read, report.refused) == (10_000, 1)
    assert report.reasons["not a line of a combined log"] == 1
    assert {"asset", "bot", "error or redirect", "method"} <= set(report.reasons)
    assert report.accepted > 2_000
    (bad,) = [json.loads(text) for text in (tmp_path / "q.jsonl").read_text().splitlines()]
    assert bad["line"] == 8899
    rows = target.rows()
    assert rows["event_id"].is_unique().all()
    assert rows["at_us"].min() > 1_431_800_000_000_000
    # No address is kept, and no other way leads back to one.
    with gzip.open(file, "rt") as lines:
        hosts = {text.split(" ", 1)[0] for text in lines}
    assert not hosts & set(rows["user_id"])
    assert not any(host in (text or "") for host in list(hosts)[:50] for text in rows["payload"])
    again = load(file, target)
    assert again.read == 0


def test_a_request_is_an_event(tmp_path: Path) -> None:
    path = write(tmp_path / "access.log", line(at="17/May/2015:12:05:03 +0200"))
    (row,) = told(path, hide=False)
    assert row["at"] == datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC)
    assert (row["type"], row["item_id"], row["topics"], row["dropped"]) == ("view", "/tea/oolong", ["tea"], None)
    assert (row["user_id"], row["referrer"]) == (f"10.0.0.1 {FIREFOX}", "http://a.example/")


@pytest.mark.parametrize(
    ("given_line", "reason"),
    [
        (line(agent=GOOGLE), "bot"),
        (line(agent="-"), "bot"),
        (line("/logo.PNG?v=3"), "asset"),
        (line("/feed.xml"), "asset"),
        (line(status=404), "error or redirect"),
        (line(status=301), "error or redirect"),
        (line(status=304), None),
        (line(status=206), None),
        (line(method="HEAD"), "method"),
        (line(method="POST"), "method"),
        (line().replace("GET /tea/oolong HTTP/1.1", "\\x16\\x03\\x01"), "not a request"),
        (line().replace("GET /tea/oolong HTTP/1.1", "-"), "not a request"),
    ],
)
def test_what_is_no_page_view_is_left_out_with_a_reason(tmp_path: Path, given_line: str, reason: str | None) -> None:
    (row,) = told(write(tmp_path / "access.log", given_line))
    assert row["dropped"] == reason


def test_formats_of_lines(tmp_path: Path) -> None:
    common = '10.0.0.1 - ann [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.0" 200 -\n'
    path = write(
        tmp_path / "access.log",
        common,
        "www.example:443 " + common,
        line(user="ann b"),
        line(agent='odd \\"agent\\" \\\\'),
        line("/caf%C3%A9/x"),
        line("http://www.example/a/b?c"),
        line().replace("\n", "\r\n"),
        "\n",
        "2001:db8::1" + line()[8:],
    )
    rows = told(path, hide=False)
    assert [row["item_id"] for row in rows] == [
        "/a", "/a", "/tea/oolong", "/tea/oolong", "/café/x", "/a/b", "/tea/oolong", "/tea/oolong",
    ]  # fmt: skip
    assert [row["user_id"] for row in rows][:3] == ["ann", "ann", "ann b"]
    assert all(row["dropped"] is None for row in rows)


def test_lines_that_are_none_are_put_aside(tmp_path: Path, target: LogTarget) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(
        line().encode() + b"what\n" + b'\xff\xfe "\n' + line(at="99/May/2015:10:05:03 +0000").encode()
        + line("/b").encode() + line().encode()[:60]
    )  # fmt: skip
    (chunk,) = reader(path).chunks(Place())
    assert chunk.lines.to_list() == [1, 5]
    assert [(bad.line, bad.reason) for bad in chunk.bad] == [
        (2, "not a line of a combined log"),
        (3, "bytes that are not utf-8"),
        (4, "the time cannot be read"),
        (6, "not a line of a combined log"),
    ]
    report = load(path, target)
    assert (report.read, report.accepted, report.refused) == (6, 2, 4)


def test_a_clock_that_runs_ahead_is_refused(tmp_path: Path, target: LogTarget) -> None:
    report = load(write(tmp_path / "access.log", line(at="17/May/2035:10:05:03 +0000"), line()), target)
    assert (report.accepted, report.reasons) == (1, {"at is in the future": 1})


def test_latin_1_is_read_when_told(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(line("/caf\xe9/x").encode("latin-1"))
    how = Reading(format="weblog", encoding="latin-1")
    (chunk,) = WebLogReader(SourceFile(path), how, COLUMNS).chunks(Place())
    assert chunk.frame["item_id"].to_list() == ["/caf\xe9/x"]


def test_a_packed_log_that_was_cut_off_says_so_and_keeps_what_came_before(tmp_path: Path, target: LogTarget) -> None:
    path = tmp_path / "access.log.gz"
    whole = gzip.compress("".join(line(f"/a/{i}", host=f"10.0.{i % 250}.{i // 250}") for i in range(5_000)).encode())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="cannot be read to its end"):
        load(path, target)
    path.write_bytes(whole)
    load(path, target)
    assert target.log.count() == 5_000


def test_the_same_line_counts_once_however_it_comes(tmp_path: Path, target: LogTarget) -> None:
    lines = [line(f"/a/{i}") for i in range(20)]
    load(write(tmp_path / "access.log", *lines, *lines[:5]), target)
    (tmp_path / "access.log.1.gz").write_bytes(gzip.compress("".join(lines).encode()))
    report = load(tmp_path / "access.log.1.gz", target)
    assert (report.read, report.accepted, report.duplicates) == (20, 0, 20)
    assert target.log.count() == 20


# -- users


def test_users_are_hidden_by_a_key_and_stay_the_same_under_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "access.log", line("/a"), line("/b"), line("/c", host="10.0.0.2"), line("/d", user="ann"))
    one = [row["user_id"] for row in told(path)]
    assert one[0] == one[1]
    assert len(set(one)) == 3
    assert all(len(user) == 24 and int(user, 16) >= 0 for user in one)
    assert [row["user_id"] for row in told(path)] == one
    monkeypatch.setenv("OTHER_KEY", "another key, long enough")
    other = [row["user_id"] for row in told(path, key_from="OTHER_KEY")]
    assert not set(other) & set(one)


@pytest.mark.parametrize("key", [None, "short"])
def test_without_a_good_key_nothing_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    monkeypatch.delenv("PENCHANT_USER_KEY") if key is None else monkeypatch.setenv("PENCHANT_USER_KEY", key)
    with pytest.raises(ConfigError, match=r"PENCHANT_USER_KEY (is not set|has 5 bytes)") as caught:
        reader(write(tmp_path / "access.log", line()))
    assert "short" not in str(caught.value)


def test_users_by_cookie_and_header(tmp_path: Path) -> None:
    path = write(
        tmp_path / "access.log",
        line("/a", more=' "theme=dark; sid=s1" "u1"'),
        line("/b", more=' "sid=s2" "-"'),
        line("/c", more=' "xsid=no" "-"'),
    )
    rows = told(path, hide=False, extra=("cookie", "x-user"), user=("header:x-user", "cookie:sid"))
    assert [(row["user_id"], row["dropped"]) for row in rows] == [("u1", None), ("s2", None), (None, "no user")]


# -- JSON


def test_json_logs_of_nginx_and_caddy(tmp_path: Path) -> None:
    nginx = {
        "time_iso8601": "2015-05-17T12:05:03+02:00", "remote_addr": "10.0.0.1", "request": "GET /a/b HTTP/1.1",
        "status": "200", "http_user_agent": FIREFOX, "cookie_sid": "s1",
    }  # fmt: skip
    caddy = {
        "ts": 1431857103.5, "status": 200,
        "request": {
            "remote_ip": "10.0.0.1", "method": "GET", "uri": "/a/c?x=1",
            "headers": {"User-Agent": [FIREFOX], "Cookie": ["sid=s2"]},
        },
    }  # fmt: skip
    path = write(
        tmp_path / "access.json",
        *(json.dumps(one) + "\n" for one in (nginx, caddy, [1], {"status": 200}, {"time": "2015-05-17T10:00:00Z"})),
        "{\n",
    )
    options = {
        "style": "json", "hide": False, "user": ("cookie:sid", "header:Cookie"),
        "fields": {"agent": "http_user_agent"}, "bots": "keep",
    }  # fmt: skip
    (chunk,) = reader(path, **options).chunks(Place())
    rows = chunk.frame.to_dicts()
    assert [(row["item_id"], row["user_id"]) for row in rows] == [("/a/b", "s1"), ("/a/c", "sid=s2")]
    assert rows[1]["at"] == datetime(2015, 5, 17, 10, 5, 3, 500_000, tzinfo=UTC)
    assert [(bad.line, bad.reason) for bad in chunk.bad] == [
        (3, "not a JSON object"), (4, "the time cannot be read"), (5, "no request in it"), (6, "not JSON"),
    ]  # fmt: skip


# -- rules


RULES = [
    {"path": r"^/p/(?P<item>\w+)$", "topics": ["shop"]},
    {"path": r"^/p/(?P<item>\w+)/buy$", "method": "POST", "type": "purchase"},
    {"path": "^/search$", "query": "q", "type": "search", "text": "{query}"},
    {"path": "^/admin", "type": "drop"},
    {"path": r"^/(?P<lang>\w\w)/(?P<name>.+)", "item": "{name}-{lang}"},
]


@pytest.mark.parametrize(
    ("given_line", "event"),
    [
        (line("/p/17?ref=mail"), ("view", "17", None, ["shop"], None)),
        (line("/p/17/buy", method="POST"), ("purchase", "17", None, None, None)),
        (line("/p/17/buy"), (None, None, None, None, "no rule")),
        (line("/search?q=green%20tea&q=2"), ("search", None, "green tea", None, None)),
        (line("/search?p=1"), (None, None, None, None, "no rule")),
        (line("/admin/users"), (None, None, None, None, "a rule drops it")),
        (line("/de/tee/gr%C3%BCn"), ("view", "tee/grün-de", None, None, None)),
        (line("/de/tee?flav=rss"), (None, None, None, None, "ignored")),
    ],
)
def test_rules_say_what_a_request_is(tmp_path: Path, given_line: str, event: tuple[Any, ...]) -> None:
    (row,) = told(write(tmp_path / "access.log", given_line), rules=RULES, ignore=["flav="])
    assert tuple(row[name] for name in ("type", "item_id", "text", "topics", "dropped")) == event


def test_own_robots(tmp_path: Path) -> None:
    rows = told(write(tmp_path / "access.log", line(), line(agent="Our Monitor/1")), agents=["^Our Monitor"])
    assert [row["dropped"] for row in rows] == [None, "bot"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"rules": [{"path": "("}]}, "not a regular expression"),
        ({"rules": [{"path": "^/a", "type": "veiw"}]}, "unknown type 'veiw'; known: drop, view"),
        ({"rules": [{"path": "^/a"}]}, "view needs an item"),
        ({"rules": [{"path": "^/a", "item": "{name}"}]}, "{name} is nothing that path or query names"),
        ({"user": ["ip"]}, "pattern"),
        ({"colour": 1}, "known options: hide, key_from, rules"),
        ({"agents": ["("]}, "not a regular expression"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, options: dict[str, Any], problem: str) -> None:
    path = write(tmp_path / "access.log", line())
    with pytest.raises(ConfigError, match=r"read.options") as caught:
        reader(path, **options)
    assert problem in str(caught.value)


def test_options_come_from_a_file(tmp_path: Path, target: LogTarget) -> None:
    toml = write(tmp_path / "shop.toml", "hide = false\n[[rules]]\npath = '^/p/(?P<item>\\w+)'\n")
    path = write(tmp_path / "access.log", line("/p/17"), line("/q"))
    with Quarantine() as quarantine:
        report = collect(open_dataset("weblog", path, options=toml), target, quarantine)
    assert (report.accepted, report.reasons) == (1, {"no rule": 1})
    with pytest.raises(ConfigError, match="is not TOML"):
        open_dataset("weblog", path, options=write(tmp_path / "bad.toml", "a ="))
    with pytest.raises(SourceError, match="cannot read options"):
        open_dataset("weblog", path, options=tmp_path / "none.toml")


def test_robots_need_their_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "crawleruseragents", None)
    path = write(tmp_path / "access.log", line())
    with pytest.raises(NotInstalledError, match=r"pip install 'penchant\[weblogs\]'"):
        told(path)
    assert len(told(path, bots="keep")) == 1


# -- chunks and noise


def chunks_of(path: Path, start: Place | None = None) -> list[Chunk]:
    return list(reader(path).chunks(start or Place()))


def test_reading_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weblog, "CHUNK_ROWS", 7)
    monkeypatch.setattr("penchant.collect.sources.lines._BLOCK", 300)
    path = write(tmp_path / "access.log", *(line(f"/a/{i}") if i % 5 else "what\n" for i in range(100)))
    chunks = chunks_of(path)
    assert len(chunks) > 5
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    whole = [row for chunk in chunks for row in zip(chunk.lines, chunk.frame["item_id"], strict=True)]
    assert whole == [(i + 1, f"/a/{i}") for i in range(100) if i % 5]
    for cut, chunk in enumerate(chunks):
        rest = [row for one in chunks_of(path, chunk.next) for row in zip(one.lines, one.frame["item_id"], strict=True)]
        assert rest == [row for one in chunks[cut + 1 :] for row in zip(one.lines, one.frame["item_id"], strict=True)]


@quick
@given(noise=st.binary(max_size=400), cut=st.integers(0, 120))
def test_no_bytes_break_the_reader_and_none_are_lost(tmp_path: Path, noise: bytes, cut: int) -> None:
    path = tmp_path / "noise.log"
    path.write_bytes(line().encode() + noise + b"\n" + line("/b").encode()[:cut])
    chunks = chunks_of(path)
    lines = sum(1 for text in path.read_bytes().split(b"\n") if text.strip(b" \t\r\x0b\x0c"))
    read = sum(chunk.frame.height + len(chunk.bad) for chunk in chunks)
    assert read == chunks[-1].next.row
    assert 1 <= read <= lines
    assert chunks[-1].next.byte == path.stat().st_size


@quick
@given(target_text=st.text(max_size=60), agent=st.text(max_size=40), user=st.text(max_size=20))
def test_no_request_breaks_the_reader(tmp_path: Path, target_text: str, agent: str, user: str) -> None:
    path = tmp_path / "noise.log"
    text = line("/" + target_text, agent=agent, user=user) + json.dumps({"request": target_text, "ts": user}) + "\n"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    for options in ({"rules": RULES}, {"style": "json"}, {}):
        chunks = list(reader(path, **options).chunks(Place()))
        assert chunks[-1].next.byte == path.stat().st_size


def test_it_is_in_the_loop(tmp_path: Path, clock_engine: Callable[[], Any]) -> None:
    engine = clock_engine()
    path = write(tmp_path / "access.log", *(line(f"/tea/{i}", user="ann") for i in range(5)))
    with Quarantine() as quarantine:
        collect(open_dataset("weblog", path, options={"hide": False}), engine, quarantine)
    assert [one.topic for one in engine.interests("ann")] == ["tea"]
