from __future__ import annotations

import contextlib
import gzip
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_target import LogTarget

from penchant.clock import to_us
from penchant.collect import READERS
from penchant.collect.datasets import open_dataset
from penchant.collect.importer import CollectReport, collect
from penchant.collect.mapping import Reading
from penchant.collect.pages import COLUMNS, Pages, PagesConfig
from penchant.collect.quarantine import Quarantine
from penchant.collect.sources import history, takeout
from penchant.collect.sources.contract import Place, Reader, SourceFile
from penchant.errors import ConfigError, SourceError

AT = to_us(datetime(2024, 5, 1, 12, tzinfo=UTC))
CHAIN = 0x30000000
quick = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])

CHROME = """
CREATE TABLE meta(key LONGVARCHAR NOT NULL UNIQUE PRIMARY KEY, value LONGVARCHAR);
CREATE TABLE urls(id INTEGER PRIMARY KEY AUTOINCREMENT, url LONGVARCHAR, title LONGVARCHAR,
    visit_count INTEGER DEFAULT 0 NOT NULL, typed_count INTEGER DEFAULT 0 NOT NULL, last_visit_time INTEGER NOT NULL,
    hidden INTEGER DEFAULT 0 NOT NULL);
CREATE TABLE visits(id INTEGER PRIMARY KEY AUTOINCREMENT, url INTEGER NOT NULL, visit_time INTEGER NOT NULL,
    from_visit INTEGER, external_referrer_url TEXT, transition INTEGER DEFAULT 0 NOT NULL, segment_id INTEGER,
    visit_duration INTEGER DEFAULT 0 NOT NULL, incremented_omnibox_typed_score BOOLEAN DEFAULT FALSE NOT NULL,
    opener_visit INTEGER, originator_cache_guid TEXT, originator_visit_id INTEGER, originator_from_visit INTEGER,
    originator_opener_visit INTEGER, is_known_to_sync BOOLEAN DEFAULT FALSE NOT NULL,
    consider_for_ntp_most_visited BOOLEAN DEFAULT FALSE NOT NULL, visited_link_id INTEGER DEFAULT 0 NOT NULL,
    app_id TEXT);
"""
FIREFOX = """
CREATE TABLE moz_origins (id INTEGER PRIMARY KEY, prefix TEXT NOT NULL, host TEXT NOT NULL, frecency INTEGER NOT NULL,
    UNIQUE (prefix, host));
CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url LONGVARCHAR, title LONGVARCHAR, rev_host LONGVARCHAR,
    visit_count INTEGER DEFAULT 0, hidden INTEGER DEFAULT 0 NOT NULL, typed INTEGER DEFAULT 0 NOT NULL,
    frecency INTEGER DEFAULT -1 NOT NULL, last_visit_date INTEGER, guid TEXT, foreign_count INTEGER DEFAULT 0 NOT NULL,
    url_hash INTEGER DEFAULT 0 NOT NULL, description TEXT, preview_image_url TEXT, site_name TEXT,
    origin_id INTEGER REFERENCES moz_origins(id), recalc_frecency INTEGER NOT NULL DEFAULT 0);
CREATE TABLE moz_historyvisits (id INTEGER PRIMARY KEY, from_visit INTEGER, place_id INTEGER, visit_date INTEGER,
    visit_type INTEGER, session INTEGER, source INTEGER DEFAULT 0 NOT NULL, triggeringPlaceId INTEGER);
"""
Visit = tuple[Any, ...]


def chrome(path: Path, *visits: Visit) -> Path:
    """Write a history of Chrome; a visit is (url, title, moment in µs, seconds stayed, transition)."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(CHROME)
        ids: dict[Any, int] = {}
        for url, title, at, stayed, transition in visits:
            if url not in ids:
                row = connection.execute(
                    "INSERT INTO urls (url, title, last_visit_time) VALUES (?, ?, 0)", (url, title)
                )
                ids[url] = int(row.lastrowid or 0)
            webkit = at + 11_644_473_600_000_000 if isinstance(at, int) else at
            connection.execute(
                "INSERT INTO visits (url, visit_time, transition, visit_duration) VALUES (?, ?, ?, ?)",
                (ids[url], webkit, transition, int(stayed * 1e6)),
            )
    return path


def firefox(path: Path, *visits: Visit) -> Path:
    """Write a history of Firefox; a visit is (url, title, moment in µs, type of visit, hidden)."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(FIREFOX)
        for i, (url, title, at, kind, hidden) in enumerate(visits, 1):
            connection.execute(
                "INSERT INTO moz_places (id, url, title, hidden) VALUES (?, ?, ?, ?)", (i, url, title, hidden)
            )
            connection.execute(
                "INSERT INTO moz_historyvisits (place_id, visit_date, visit_type) VALUES (?, ?, ?)", (i, at, kind)
            )
    return path


def google(path: Path, *visits: Visit) -> Path:
    """Write a Takeout; a visit is (url, title, moment in µs, transition)."""
    rows = [
        {
            "favicon_url": "https://x/f.ico",
            "page_transition": how,
            "title": title,
            "url": url,
            "client_id": 'a{b"',
            "time_usec": at,
        }
        for url, title, at, how in visits
    ]
    path.write_text(
        json.dumps({"Typed Url": [{"url": "[{"}], "Browser History": rows, "Session": []}, ensure_ascii=False)
    )
    return path


def reader(path: Path, form: str, **options: Any) -> Reader:
    made: Reader = READERS[form](SourceFile(path), Reading(format=form, options=options), COLUMNS)
    return made


def told(path: Path, form: str, **options: Any) -> list[dict[str, Any]]:
    return [row for chunk in reader(path, form, **options).chunks(Place()) for row in chunk.frame.to_dicts()]


def load(name: str, path: Path, target: Any, **options: Any) -> CollectReport:
    with Quarantine() as quarantine:
        report = collect(open_dataset(name, path, options=options), target, quarantine)
    assert report.read == report.accepted + report.duplicates + report.refused + report.skipped
    return report


# -- what a visit tells


@pytest.mark.parametrize(
    ("url", "title", "page"),
    [
        ("https://www.tea.example/oolong/?utm=1#top", "Oolong", (None, "tea.example/oolong", None, "tea.example")),
        ("https://m.tea.example/", "", (None, "m.tea.example", None, "tea")),
        ("https://youtube.com/watch?t=3&v=abc", "A cup of green tea", (None, "youtube.com/watch?v=abc", None, "drinks")),
        ("https://a.example/x", "Chess, steadily", (None, "a.example/x", None, "chess")),
        ("https://a.example/x", "chessboard", (None, "a.example/x", None, "a.example")),
        ("https://www.google.co.uk/search?q=green+tea+", "x", (None, None, "green tea", "drinks")),
        ("https://google.com/search?q=", "x", (None, "google.com/search", None, "google.com")),
        ("https://notgoogle.com/search?q=x", "x", (None, "notgoogle.com/search", None, "notgoogle.com")),
        ("http://localhost:8000/x", "x", ("a private address",)),
        ("http://192.168.1.1/", "x", ("a private address",)),
        ("http://[::1]/", "x", ("a private address",)),
        ("http://printer.local/", "x", ("a private address",)),
        ("chrome://settings", "x", ("not a web page",)),
        ("file:///etc/passwd", "x", ("not a web page",)),
        ("about:blank", "x", ("not a web page",)),
        ("http://[oh", "x", ("not an address",)),
        ("https://my.bank.example/account", "x", ("excluded",)),
    ],
)  # fmt: skip
def test_a_page_is_an_item_and_its_topics_come_from_host_and_title(url: str, title: str, page: tuple[Any, ...]) -> None:
    config = PagesConfig.model_validate(
        {
            "exclude": ["bank.example"],
            "hosts": {"m.tea.example": "tea"},
            "words": {"drinks": ["green tea"], "chess": []},
        }
    )
    assert tuple(Pages(config).told(url, title))[: len(page)] == page


def test_a_long_address_keeps_its_own_name() -> None:
    pages = Pages(PagesConfig())
    one, other = (pages.told(f"https://a.example/{'x' * 400}{i}", None).item_id for i in range(2))
    assert one != other
    assert one is not None
    assert len(one) == 256


# -- the three files


def test_chrome(tmp_path: Path) -> None:
    path = chrome(
        tmp_path / "History",
        ("https://a.example/1", "One", AT, 31.5, CHAIN),
        ("https://a.example/1", "One", AT + 1, 0, CHAIN | 8),
        ("https://a.example/2", None, AT + 2, 0, CHAIN | 1),
        ("https://a.example/f", "F", AT + 3, 0, CHAIN | 3),
        ("https://t.example/r", "R", AT + 4, 0, 0x10000000),
        ("https://a.example/bad", "Bad", 0, 0, CHAIN),
        ("https://a.example/neg", "Neg", -(2**62), 0, CHAIN),
        ("https://duckduckgo.com/?q=tea", "x", AT + 5, 9, CHAIN | 5),
    )
    rows = told(path, "chrome_history", user="ann")
    assert [(row["type"], row["item_id"], row["dropped"]) for row in rows] == [
        ("dwell", "a.example/1", None), ("view", None, "reload"), ("view", "a.example/2", None), ("view", None, "frame"),
        ("view", None, "redirect"), ("search", None, None),
    ]  # fmt: skip
    assert rows[0]["at"] == datetime(2024, 5, 1, 12, tzinfo=UTC)
    assert (rows[0]["value"], rows[0]["user_id"], rows[-1]["text"]) == (31.5, "ann", "tea")
    (chunk,) = reader(path, "chrome_history").chunks(Place())
    assert [bad.line for bad in chunk.bad] == [6, 7]


def test_firefox(tmp_path: Path) -> None:
    path = firefox(
        tmp_path / "places.sqlite",
        ("https://a.example/1", "One", AT, 1, 0),
        ("https://a.example/2", "Two", AT, 4, 0),
        ("https://a.example/3", "Three", AT, 9, 0),
        ("https://a.example/4", "Four", AT, 1, 1),
        ("https://a.example/5", "Five", AT, 7, 0),
        ("https://a.example/6", "Six", AT, 6, 0),
        (None, None, AT, 1, 0),
    )
    rows = told(path, "firefox_history")
    assert [row["dropped"] for row in rows] == [None, "frame", "reload", "redirect", "download", None]


def test_takeout(tmp_path: Path) -> None:
    path = google(
        tmp_path / "BrowserHistory.json",
        ("https://a.example/1", 'One [1] {2} "3"', AT, "LINK"),
        ("https://a.example/2", "Zwei ü 茶", AT, "RELOAD"),
        ("https://a.example/3", "Three", None, "TYPED"),
    )
    rows = told(path, "takeout_history")
    assert [(row["item_id"], row["title"], row["dropped"]) for row in rows] == [
        ("a.example/1", "One [1] {2} \"3\"", None), (None, "Zwei ü 茶", "reload"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["chrome_history", "firefox_history", "takeout_history"])
def test_a_history_becomes_pages_visits_and_interests(
    tmp_path: Path, name: str, clock_engine: Callable[[], Any]
) -> None:
    visits = [(f"https://tea.example/{i % 5}", f"Oolong {i % 5}", AT + i * 1_000_000) for i in range(30)]
    more = ("https://localhost/x", "x", AT)
    if name == "chrome_history":
        path = chrome(tmp_path / "History", *((*visit, 0, CHAIN) for visit in (*visits, more)))
    elif name == "firefox_history":
        path = firefox(tmp_path / "places.sqlite", *((*visit, 1, 0) for visit in (*visits, more)))
    else:
        path = google(tmp_path / "History.json", *((*visit, "LINK") for visit in (*visits, more)))
    engine = clock_engine()
    options = {"user": "ann", "words": {"tea": ["oolong"]}}
    with Quarantine() as quarantine:  # the folder is recognised by the name of the file
        report = collect(open_dataset(tmp_path, options=options), engine, quarantine)
    assert (report.accepted, report.refused) == (30 + 5, 0)
    assert engine.item("tea.example/3").title == "Oolong 3"
    assert engine.item("tea.example/3").topics == ("tea",)
    assert [one.topic for one in engine.interests("ann")] == ["tea"]
    assert load(name, path, engine, **options).read == 0


def test_the_same_visit_from_browser_and_export_counts_once(tmp_path: Path, target: LogTarget) -> None:
    visits = [(f"https://tea.example/{i}", f"Tea {i}", AT + i) for i in range(20)]
    load("chrome_history", chrome(tmp_path / "History", *((*visit, 0, CHAIN) for visit in visits)), target)
    n = target.log.count()
    report = load("takeout_history", google(tmp_path / "History.json", *((*visit, "LINK") for visit in visits)), target)
    assert (report.accepted, report.duplicates) == (0, 40)
    assert target.log.count() == n


def test_a_history_that_grew_is_read_anew_and_counts_once(tmp_path: Path, target: LogTarget) -> None:
    visits = [(f"https://tea.example/{i}", f"Tea {i}", AT + i, 1, 0) for i in range(20)]
    path = firefox(tmp_path / "places.sqlite", *visits[:12])
    load("firefox_history", path, target)
    path.unlink()
    load("firefox_history", firefox(path, *visits), target)
    assert target.rows().filter(target.rows()["type"] == "view").height == 20


def test_a_browser_that_runs_is_no_trouble(tmp_path: Path) -> None:
    path = chrome(tmp_path / "History", ("https://a.example/1", "One", AT, 0, CHAIN))
    with closing(sqlite3.connect(path, isolation_level=None)) as running:
        running.execute("PRAGMA journal_mode = WAL")
        running.execute("PRAGMA locking_mode = EXCLUSIVE")
        running.execute("BEGIN EXCLUSIVE")
        running.execute("INSERT INTO urls (url, title, last_visit_time) VALUES ('https://a.example/2', 'Two', 0)")
        running.execute(
            "INSERT INTO visits (url, visit_time, transition) SELECT 2, visit_time + 1, transition FROM visits"
        )
        running.execute("COMMIT")
        running.execute("BEGIN EXCLUSIVE")
        assert [row["item_id"] for row in told(path, "chrome_history")] == ["a.example/1", "a.example/2"]
    assert sorted(one.name for one in tmp_path.iterdir())[0] == "History"


@pytest.mark.parametrize("form", ["chrome_history", "firefox_history", "takeout_history"])
def test_reading_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setattr(history, "_CHUNK", 7)
    monkeypatch.setattr(takeout, "_CHUNK", 7)
    monkeypatch.setattr(takeout, "_READ", 50)
    visits = [(f"https://a.example/{i}", f"Page {i}", AT + i if i % 6 else 0) for i in range(40)]
    make = {
        "chrome_history": lambda: chrome(tmp_path / "x", *((*visit, 0, CHAIN) for visit in visits)),
        "firefox_history": lambda: firefox(tmp_path / "x", *((*visit, 1, 0) for visit in visits)),
        "takeout_history": lambda: google(tmp_path / "x", *((*visit, "LINK") for visit in visits)),
    }
    path = make[form]()
    chunks = list(reader(path, form).chunks(Place()))
    assert len(chunks) > 4
    whole = [row for chunk in chunks for row in chunk.frame["item_id"]]
    assert whole == [f"a.example/{i}" for i in range(40) if i % 6]
    assert sum(len(chunk.bad) for chunk in chunks) == 7
    for cut, chunk in enumerate(chunks[:-1]):
        rest = [row for one in reader(path, form).chunks(chunk.next) for row in one.frame["item_id"]]
        assert rest == [row for one in chunks[cut + 1 :] for row in one.frame["item_id"]]


# -- bad files


def test_what_is_no_history_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "History"
    path.write_bytes(b"")
    with pytest.raises(SourceError, match="no SQLite file; give the history of Chrome itself"):
        reader(path, "chrome_history").columns()
    other = firefox(tmp_path / "places.sqlite")
    with pytest.raises(SourceError, match="no history of Chrome: it has no table 'urls'"):
        told(other, "chrome_history")
    with pytest.raises(SourceError, match="cannot open"):
        reader(tmp_path / "none", "firefox_history").columns()
    path.write_text('{"Something": [1, 2]}')
    with pytest.raises(SourceError, match='holds no list "Browser History"'):
        reader(path, "takeout_history").columns()
    with pytest.raises(ConfigError, match=r"read.options, colour"):
        reader(path, "takeout_history", colour=1)


def test_a_damaged_sqlite_file_is_told(tmp_path: Path) -> None:
    path = chrome(tmp_path / "History", *((f"https://a.example/{i}", "x" * 500, AT, 0, CHAIN) for i in range(500)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(SourceError, match="cannot be read to its end as a history of Chrome"):
        told(path, "chrome_history")


def test_titles_that_are_no_text_are_no_trouble(tmp_path: Path) -> None:
    path = chrome(tmp_path / "History", ("https://a.example/1", "One", AT, 0, CHAIN))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE urls SET title = CAST(x'ff41' AS TEXT)")
    assert told(path, "chrome_history")[0]["title"] == "\ufffdA"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE urls SET title = x'ff41'")
    assert told(path, "chrome_history")[0]["title"] is None


@pytest.mark.parametrize("packed", [False, True])
def test_a_takeout_that_was_cut_off_says_so_and_keeps_what_came_before(
    tmp_path: Path, target: LogTarget, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr(takeout, "_CHUNK", 5)
    end = ".gz" if packed else ""
    path = google(tmp_path / "History.json", *((f"https://a.example/{i}", "x", AT + i, "LINK") for i in range(400)))
    whole = gzip.compress(path.read_bytes()) if packed else path.read_bytes()
    cut = tmp_path / f"cut-History.json{end}"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    how = Reading(format="takeout_history")
    with pytest.raises(SourceError, match="ends in the middle"):
        for _ in takeout.TakeoutReader(SourceFile(cut), how, COLUMNS).chunks(Place()):
            pass
    cut.write_bytes(whole)
    rows = [
        row
        for chunk in takeout.TakeoutReader(SourceFile(cut), how, COLUMNS).chunks(Place())
        for row in chunk.frame["item_id"]
    ]
    assert len(rows) == 400


def test_a_bad_entry_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "History.json"
    good = json.dumps({"url": "https://a.example/1", "time_usec": AT})
    path.write_text(f'{{"Browser History": [{good}, {{"url": nonsense}}, 17, "text", [1], {{}}, {good} ] }}')
    (chunk,) = reader(path, "takeout_history").chunks(Place())
    assert chunk.frame.height == 2
    assert [(bad.line, bad.reason) for bad in chunk.bad] == [
        (2, "not a JSON object"), (3, "not a JSON object"), (4, "not a JSON object"), (5, "not a JSON object"),
        (6, "no address"),
    ]  # fmt: skip


@quick
@given(noise=st.binary(max_size=300), read=st.integers(1, 60))
def test_no_bytes_break_the_takeout_reader(tmp_path: Path, noise: bytes, read: int) -> None:
    path = tmp_path / "History.json"
    path.write_bytes(b'{"Browser History": [{"url": "https://a.example/1", "time_usec": 1714564800000000},' + noise)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(takeout, "_READ", read)
        with contextlib.suppress(SourceError):  # cut off, and told so
            list(reader(path, "takeout_history").chunks(Place()))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


entries = st.fixed_dictionaries({"url": json_values, "title": json_values, "time_usec": json_values})


@quick
@given(rows=st.lists(entries | json_values, max_size=6), read=st.integers(1, 99))
def test_every_entry_is_accounted_for(tmp_path: Path, rows: list[Any], read: int) -> None:
    path = tmp_path / "History.json"
    path.write_text(json.dumps({"Browser History": rows}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(takeout, "_READ", read)
        (chunk,) = reader(path, "takeout_history").chunks(Place())
    assert chunk.frame.height + len(chunk.bad) == len(rows) == chunk.next.row
