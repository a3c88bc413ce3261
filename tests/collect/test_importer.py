from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_target import LogTarget

from penchant import Engine
from penchant.clock import fixed
from penchant.collect.importer import CollectReport, Source, Target, collect
from penchant.collect.mapping import Mapping
from penchant.collect.quarantine import SHOWN, Quarantine
from penchant.collect.sources import delimited
from penchant.collect.sources.contract import SourceFile
from penchant.errors import SourceError, StorageError

Load = Callable[..., CollectReport]
PutAside = Callable[[], list[tuple[int, str]]]

SALES = """
[[events]]
event_id = "id"
type = { constant = "purchase" }
user_id = "user"
item_id = "item"
at = "at"
amount = "price"
text = "note"
skip = { reason = "guest", when = { column = "user", one_of = ["guest"] } }
"""
HEADER = "id,user,item,at,price,note\n"


def sales(path: Path, *lines: str) -> Path:
    path.write_text(HEADER + "".join(line + "\n" for line in lines), encoding="utf-8", newline="")
    return path


def test_bad_rows_are_counted_and_put_aside_and_the_others_taken(
    tmp_path: Path, target: LogTarget, load: Load, put_aside: PutAside
) -> None:
    file = sales(
        tmp_path / "sales.csv",
        "1,ann,tea,2020-01-02,1.5,🎉 مرحبا",
        "2,ann,tea,0001-01-01,1,",
        "3,ann,tea,2999-01-01,1,",
        "4,ann,tea,2020-01-01,nan,",
        "5,ann,tea,2020-01-01,much,",
        "1,ann,tea,2020-01-02,1.5,again",
        "7,,tea,2020-01-01,1,",
        "8,ann,,2020-01-01,1,",
        "9,guest,tea,2020-01-01,1,",
        "10,ann,tea,soon,1,",
        "11,ann,tea,,1,",
        "12,ann,tea",
        f"13,ann,tea,2020-01-01,1,{'x' * 100_000}",
        f"14,ann,tea,2020-01-01,1,{'x' * (10 << 20)}",
        f"{'i' * 300},ann,tea,2020-01-01,1,",
        "16,ann,tea,2020-01-01,1,",
    )
    report = load(file, SALES)
    assert (report.read, report.accepted, report.duplicates, report.refused, report.skipped) == (16, 2, 1, 12, 1)
    reasons = dict(put_aside())
    assert reasons == {
        3: "at is before 1970-01-01T00:00:00Z",
        4: "at is in the future",
        5: "amount is not a finite number",
        6: "amount is not a number",
        8: "no user_id",
        9: "no item_id, which purchase needs",
        10: "guest",
        11: "at is not a time",
        12: "at is missing",
        13: "3 columns instead of 6",
        14: reasons[14],
        15: "not a row: field larger than field limit (131072)",
        16: reasons[16],
    }
    assert "payload of" in reasons[14]
    assert "300 characters" in reasons[16]
    taken = target.rows()
    assert sorted(taken["event_id"]) == ["1", "16"]
    assert '{"text":"🎉 مرحبا"}' in taken["payload"].to_list()


def test_the_quarantine_keeps_the_row_shortened(tmp_path: Path, load: Load) -> None:
    file = sales(tmp_path / "sales.csv", f'1,,"tea ""x""",2020-01-01,1,{"é" * 60_000}', "only one" + "é" * 60_000)
    load(file, SALES)
    found = [json.loads(line) for line in (tmp_path / "quarantine.jsonl").read_text(encoding="utf-8").splitlines()]
    by_line = {row["line"]: row for row in found}
    assert by_line[2]["source"] == "sales.csv"
    assert (
        by_line[2]["row"].startswith('{"user":null,"id":"1","item":"tea \\"x\\""')
        or '"tea \\"x\\""' in by_line[2]["row"]
    )
    assert by_line[3]["row"].startswith("only oneé")
    assert [len(row["row"]) for row in found] == [SHOWN, SHOWN]


def test_a_finished_import_is_not_repeated_and_a_changed_file_counts_only_what_is_new(
    tmp_path: Path, target: LogTarget, load: Load
) -> None:
    file = sales(tmp_path / "sales.csv", "1,ann,tea,2020-01-02,1,", "2,ann,tea,2020-01-02,1,")
    assert load(file, SALES).accepted == 2
    again = load(file, SALES)
    assert (again.read, again.already) == (0, ("sales.csv",))
    sales(file, "1,ann,tea,2020-01-02,1,", "2,ann,tea,2020-01-02,1,", "3,bob,tea,2020-01-02,1,")
    more = load(file, SALES)
    assert (more.accepted, more.duplicates, more.already) == (1, 2, ())
    other = load(file, SALES.replace('"id"', '{ template = "n-{id}" }'))
    assert (other.accepted, other.duplicates) == (3, 0)


def test_nothing_is_read_when_one_file_does_not_fit(tmp_path: Path, target: LogTarget) -> None:
    sales(tmp_path / "a.csv", "1,ann,tea,2020-01-02,1,")
    (tmp_path / "b.csv").write_text("id,who\n1,2\n")
    source = Source("t", Mapping.parse(SALES), tuple(SourceFile(tmp_path / n) for n in ("a.csv", "b.csv")), "here")
    with pytest.raises(SourceError, match=r"b.csv has no column 'user'"):
        collect(source, target, Quarantine())
    assert target.log.count() == 0
    with pytest.raises(SourceError, match=r"no file 'x\*' in here; there is: a.csv, b.csv"):
        collect(Source("t", Mapping.parse(SALES + "file = 'x*'"), source.files, "here"), target, Quarantine())


def test_users_and_items_come_before_events(tmp_path: Path) -> None:
    mapping = """
    [[events]]
    file = "deeds.csv"
    event_id = "n"
    type = { constant = "purchase" }
    user_id = "who"
    item_id = "what"
    at = "at"
    [[users]]
    file = "people.csv"
    user_id = "who"
    at = { constant = "2019-01-01" }
    facts = ["town"]
    [[items]]
    file = "things.jsonl"
    item_id = "what"
    at = { constant = "2019-01-01" }
    title = "name"
    topics = "kinds"
    """
    (tmp_path / "deeds.csv").write_text("n,who,what,at\n1,ann,t1,2020-01-01\n2,ann,t2,2020-01-02\n")
    (tmp_path / "people.csv").write_text("who,town\nann,Oslo\n")
    (tmp_path / "things.jsonl").write_text(
        '{"what": "t1", "name": "Green tea", "kinds": ["tea", "green"]}\n{"what": "t2", "name": "Cup", "kinds": ["cup"]}\n'
    )
    files = tuple(SourceFile(path) for path in sorted(tmp_path.iterdir()))
    with Engine.open(clock=fixed("2026-01-01")) as engine:
        report = collect(Source("t", Mapping.parse(mapping), files, "here"), engine, Quarantine())
        assert (report.read, report.accepted, report.refused) == (5, 5, 0)
        assert {one.topic for one in engine.interests("ann", at="2020-01-03")} == {"tea", "green", "cup"}
        frame = pl.concat(engine.log.read())
        assert frame["type"].to_list() == ["item", "item", "user", "purchase", "purchase"]
        assert frame["payload"][2] == '{"facts":{"town":"Oslo"}}'


def many(path: Path, n: int, bad_every: int = 10) -> Path:
    lines = (f"{i},u{i % 7},tea,2020-01-{i % 28 + 1:02d},1," + ("," if i % bad_every == 0 else "") for i in range(n))
    return sales(path, *lines)


def make_memory(_: Path) -> Target:
    return LogTarget()


def make_sqlite(folder: Path) -> Target:
    return Engine.open(f"sqlite:///{folder / 'log.db'}", clock=fixed("2026-01-01"))


@pytest.mark.parametrize("make", [make_memory, make_sqlite])
def test_an_import_broken_off_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Target]
) -> None:
    monkeypatch.setattr(delimited, "CHUNK_ROWS", 40)
    file = many(tmp_path / "sales.csv", 300)
    source = Source("t", Mapping.parse(SALES), (SourceFile(file),), "here")
    target = make(tmp_path)
    with Quarantine(tmp_path / "q.jsonl") as quarantine:
        read = 0
        for stop_at in (40, 120, 240):
            done: list[int] = []

            def stop(rows: int, total: int | None, stop_at: int = stop_at, done: list[int] = done) -> None:
                assert total is None
                done.append(rows)
                if rows >= stop_at:
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                collect(source, target, quarantine, stop)
            assert done[0] == read + 40
            read = done[-1]
        report = collect(source, target, quarantine)
    assert (report.read, report.duplicates, report.already) == (60, 0, ())
    ids = pl.concat(target.log.read())["event_id"].to_list()  # type: ignore[attr-defined]
    assert sorted(map(int, ids)) == [i for i in range(300) if i % 10]
    lines = [json.loads(line)["line"] for line in (tmp_path / "q.jsonl").read_text().splitlines()]
    assert lines == [i + 2 for i in range(0, 300, 10)]
    assert collect(source, target, Quarantine()).already == ("sales.csv",)
    if isinstance(target, Engine):
        target.close()
        with Engine.open(f"sqlite:///{tmp_path / 'log.db'}", clock=fixed("2026-01-01")) as reopened:
            assert collect(source, reopened, Quarantine()).already == ("sales.csv",)


def test_a_failure_while_taking_a_chunk_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "CHUNK_ROWS", 40)
    source = Source("t", Mapping.parse(SALES), (SourceFile(many(tmp_path / "sales.csv", 100)),), "here")
    target = LogTarget()
    append, calls = target.log.append, 0

    def fail_once(rows: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise StorageError("disk full")
        return append(rows)  # type: ignore[arg-type]

    monkeypatch.setattr(target.log, "append", fail_once)
    with pytest.raises(StorageError):
        collect(source, target, Quarantine())
    report = collect(source, target, Quarantine())
    assert (report.read, report.accepted) == (60, 54)
    assert target.log.count() == 90


def test_one_row_per_item_takes_the_most_frequent_words(tmp_path: Path, load: Load, target: LogTarget) -> None:
    file = tmp_path / "lines.csv"
    file.write_text(
        "code,name,colour\nb,?,red\na,Tea,\nb,Cup,red\na,TEA,green\nb,Mug,blue\na,TEA,\nb,Mug,blue\nM,manual,\nc,?,\nx\n"
    )
    mapping = """
    [[items]]
    one_per = "code"
    event_id = { template = "item-{code}" }
    item_id = "code"
    at = { constant = "2020-01-01" }
    title = "name"
    attributes = ["colour"]
    read = { missing = ["", "?"] }
    skip = { reason = "no product", when = { column = "code", one_of = ["M"] } }
    """
    report = load(file, mapping)
    assert (report.read, report.accepted, report.skipped, report.refused) == (5, 3, 1, 1)
    taken = target.rows()
    assert taken["item_id"].to_list() == ["b", "a", "c"]
    assert [payload and json.loads(payload) for payload in taken["payload"]] == [
        {"title": "Mug", "attributes": {"colour": "red"}},
        {"title": "TEA", "attributes": {"colour": "green"}},
        None,
    ]
    assert load(file, mapping).already == ("lines.csv",)


def test_progress_knows_the_total_where_files_say_it(tmp_path: Path, target: LogTarget) -> None:
    frame = pl.DataFrame({"id": range(5), "user": "u", "item": "i", "at": "2020-01-01", "price": 1.0, "note": ""})
    for name in ("a.parquet", "b.parquet"):
        frame.with_columns(pl.col("id") + ord(name[0])).write_parquet(tmp_path / name)
    files = tuple(SourceFile(tmp_path / name) for name in ("b.parquet", "a.parquet"))
    seen: list[tuple[int, int | None]] = []
    collect(Source("t", Mapping.parse(SALES), files, "here"), target, Quarantine(), lambda *done: seen.append(done))
    assert seen == [(5, 10), (10, 10)]


def test_a_quarantine_counts_many_reasons_together() -> None:
    quarantine = Quarantine()
    for i in range(3_000):
        quarantine.add("f", i, f"reason {i}", "")
    assert len(quarantine.counts) == 1_001
    assert sum(quarantine.counts.values()) == 3_000


def test_a_quarantine_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write the quarantine"):
        Quarantine(tmp_path).add("f", 1, "reason", "row")


any_cell = st.one_of(
    st.sampled_from(["ann", "tea", "2020-01-01", "1.5", "nan", "", "guest", "2020-13-45T99:00", '"', "-1e400"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.lists(any_cell, max_size=7).map(",".join), st.binary(max_size=30))))
def test_any_csv_is_accounted_for(tmp_path: Path, load: Load, lines: list[str | bytes]) -> None:
    raw = b"\n".join(line.encode() if isinstance(line, str) else line for line in lines)
    (tmp_path / "sales.csv").write_bytes(HEADER.encode() + raw)
    target = LogTarget()
    report = load(tmp_path / "sales.csv", SALES, target)
    assert report.accepted == target.log.count()


any_value = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["ann", "2020-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.dictionaries(st.sampled_from(["id", "user", "item", "at", "price", "note"]), any_value).map(json.dumps),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        ),
        min_size=1,
    )
)
def test_any_jsonl_is_accounted_for(tmp_path: Path, load: Load, lines: list[str]) -> None:
    (tmp_path / "sales.jsonl").write_text("\n".join(lines) + "\nx", encoding="utf-8", newline="")
    target = LogTarget()
    optional = 'optional = ["id", "user", "item", "at", "price", "note"]'
    report = load(tmp_path / "sales.jsonl", SALES + 'context = "note"\ntopics = "note"\n' + optional, target)
    assert report.accepted == target.log.count()
