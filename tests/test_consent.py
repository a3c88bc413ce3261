"""Consent over every path: what a user refuses is not taken, not used, not handed on - from the very next call."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from penchant import Engine
from penchant.app.cli import app
from penchant.clock import fixed
from penchant.collect.importer import Source, collect
from penchant.collect.mapping import Mapping
from penchant.collect.quarantine import Quarantine
from penchant.collect.sources.contract import SourceFile
from penchant.domain.consent import NO_CONSENT
from penchant.errors import ConfigError

NOW = "2025-06-30"
ITEMS = [
    {"type": "item", "item_id": f"{topic}-{i}", "title": f"{topic} {i}", "topics": [topic], "at": "2025-01-01"}
    for topic in ("tea", "coffee", "cocoa")
    for i in range(6)
]


def view(user: str, item: str, at: str = "2025-06-01", kind: str = "purchase", **more: Any) -> dict[str, Any]:
    return {"type": kind, "user_id": user, "item_id": item, "at": at, **more}


HISTORY = [
    *(view("ann", f"tea-{i}", f"2025-06-{10 + i}") for i in range(5)),
    *(view(f"other-{i}", f"coffee-{i % 3}", f"2025-06-{10 + i}") for i in range(12)),
    *(view(f"other-{i}", f"tea-{i % 3}", f"2025-06-{11 + i}") for i in range(4)),
    {"type": "user", "user_id": "ann", "facts": {"city": "Graz"}, "at": "2025-06-01"},
    {"type": "statement", "user_id": "ann", "topics": ["tea"], "value": 1.0, "at": "2025-06-02"},
]


def opened(url: str = "memory", **components: Any) -> Engine:
    engine = Engine.open(url, clock=fixed(NOW), components=components)
    engine.ingest(ITEMS)
    return engine


@pytest.fixture(params=["memory", "sqlite", "parquet"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    urls = {"memory": "memory", "sqlite": f"sqlite:///{tmp_path}/log.db", "parquet": f"parquet:///{tmp_path}/log"}
    with opened(urls[request.param]) as engine:
        engine.ingest(HISTORY)
        yield engine


# -- personalise


def personal(engine: Engine, user: str) -> dict[str, Any]:
    """Return everything that an engine says of a user, over every path that answers about one."""
    from penchant.app.wire import to_json

    profile = engine.profile(user)
    found = {
        "profile": (profile.known, profile.facts, profile.behaviour, profile.interests),
        "interests": engine.interests(user),
        "recommend": engine.recommend(user, n=8),
        "explain": [engine.explain(user, item) for item in ("tea-0", "tea-5", "coffee-0")],
        "taste": engine.taste(user),
        "similar_users": engine.similar_users(user),
        "export": engine.export(user).profile,
    }
    return {name: to_json(value).replace(user, "X") for name, value in found.items()}


def test_who_withdraws_is_answered_like_a_stranger_at_once_on_every_path(engine: Engine) -> None:
    engine.fit(["taste", "item_knn"])
    before, stranger = personal(engine, "ann"), personal(engine, "a stranger")
    assert all(before[name] != stranger[name] for name in before if name != "taste"), "ann is known before"
    engine.consent("ann", "personalise", given=False)
    assert personal(engine, "ann") == stranger
    for strategy in ("interest", "recent", "item_knn", "taste"):
        assert not [one for one in engine.recommend("ann", strategy=strategy) if one.evidence]
    for moment in ("2025-06-12", "2025-06-29"):  # a question about the past is a question asked now
        assert engine.interests("ann", at=moment) == []
    assert "ann" not in {one.user_id for one in engine.similar_users("other-0", 50)}
    engine.consent("ann", "personalise", at="2025-06-30T00:00:01Z")
    assert personal(engine, "ann") == before


def test_it_holds_after_a_restart_and_a_rebuild(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/log.db"
    with opened(url) as engine:
        engine.ingest(HISTORY)
        engine.consent("ann", "personalise", given=False)
        engine.consent("ann", "collect", given=False)
    with Engine.open(url, clock=fixed(NOW)) as engine:
        assert engine.interests("ann") == []
        assert engine.ingest(view("ann", "tea-0")).reasons == {NO_CONSENT: 1}
        engine.rebuild()
        assert engine.interests("ann") == []
        assert not engine.allows("ann", "collect")
        assert engine.forget("ann") > 0
        assert engine.allows("ann", "collect")


def test_the_command_line_holds_to_it(tmp_path: Path) -> None:
    run, db = CliRunner(), f"sqlite:///{tmp_path}/log.db"
    with opened(db) as engine:
        engine.ingest(HISTORY)

    def call(*words: str) -> Any:
        done = run.invoke(app, [*words, "--db", db, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    asks = [("interest", "show"), ("profile", "show"), ("recommend", "list"), ("interest", "taste")]
    at = ("--at", NOW)
    assert call("interest", "show", "ann", *at)["interests"]
    said = call("profile", "consent", "ann", "--withdraw", "personalise", "--withdraw", "share", "--version", "7",
                "--evidence", "letter of 3 June", "--text", "We may recommend", "--at", "2025-06-20")  # fmt: skip
    words = {one["purpose"]: one for one in said["consents"]}
    assert (words["personalise"]["given"], words["personalise"]["version"]) == (False, "7")
    assert (words["collect"]["given"], words["collect"]["default"]) == (True, True)
    for ask in asks:
        text = json.dumps(call(*ask, "ann", *at)).replace("ann", "X")
        assert text == json.dumps(call(*ask, "nobody", *at)).replace("nobody", "X")
    assert call("recommend", "explain", "ann", "tea-0", *at)["user_id"] == "ann"
    assert call("profile", "export", "share", str(tmp_path / "out"))["events"] > 0
    frame = pl.read_parquet(tmp_path / "out" / "*.parquet")
    assert "ann" not in set(frame["user_id"])
    assert "other-0" in set(frame["user_id"])
    again = run.invoke(app, ["profile", "export", "share", str(tmp_path / "out"), "--db", db])
    assert again.exit_code == 2
    wrong = run.invoke(app, ["profile", "consent", "ann", "--give", "everything", "--db", db])
    assert wrong.exit_code != 0
    assert "unknown purpose 'everything'; known: collect, personalise, share, research" in str(wrong.exception)


# -- collect

Way = Callable[[Engine, list[dict[str, Any]]], Any]


def one_by_one(engine: Engine, events: list[dict[str, Any]]) -> Any:
    receipts = [engine.ingest(event) for event in events]
    total = receipts[0]
    for receipt in receipts[1:]:
        total += receipt
    return total


def as_frame(engine: Engine, events: list[dict[str, Any]]) -> Any:
    names = ("event_id", "type", "user_id", "item_id", "at", "value")
    frame = pl.DataFrame(
        {name: [event.get(name) for event in events] for name in names},
        schema_overrides={"event_id": pl.String, "item_id": pl.String, "value": pl.Float64},
    )
    payloads = [{n: event[n] for n in ("purpose", "context") if event.get(n)} for event in events]
    return engine.ingest(
        frame.with_columns(pl.Series("payload", [json.dumps(one) if one else None for one in payloads]))
    )


WAYS: dict[str, Way] = {
    "rows": lambda engine, events: engine.ingest(events),
    "one by one": one_by_one,
    "frame": as_frame,
    "together": lambda engine, events: engine.ingest_each([events])[0],
}


def carried(interests: list[Any]) -> dict[str, list[str]]:
    return {one.topic: [event.event_id for event in one.evidence] for one in interests}


@pytest.mark.parametrize("way", WAYS)
def test_events_of_who_refuses_are_not_taken_whatever_way_they_come(engine: Engine, way: str) -> None:
    engine.consent("ann", "collect", given=False)
    n, interests = engine.log.count(), engine.interests("ann")
    events = [view("ann", "coffee-1", f"2025-06-0{1 + i}") for i in range(3)] + [view("bob", "coffee-1")]
    receipt = WAYS[way](engine, events)
    assert (receipt.accepted, receipt.refused, dict(receipt.reasons)) == (1, 3, {NO_CONSENT: 3})
    assert all(one.given == "" for one in receipt.refusals), "nothing of them is shown"
    assert engine.log.count() == n + 1
    # Bob's view changes what most people like, and with it every probability a little.
    assert carried(engine.interests("ann")) == carried(interests)
    engine.consent("ann", "collect", at="2025-06-30T00:00:01Z")
    assert WAYS[way](engine, events).accepted == 3


@pytest.mark.parametrize("way", WAYS)
def test_within_one_batch_the_order_counts(way: str) -> None:
    events = [
        view("ann", "tea-1", context=None),
        {"type": "consent", "user_id": "ann", "purpose": "collect", "value": 0.0, "at": "2025-06-05"},
        view("ann", "tea-2", "2025-06-06"),
        view("bob", "tea-2", "2025-06-06"),
        {"type": "consent", "user_id": "ann", "purpose": "collect", "value": 1.0, "at": "2025-06-07"},
        view("ann", "tea-3", "2025-06-08"),
    ]
    with opened() as engine:
        receipt = WAYS[way](engine, events)
        assert (receipt.accepted, receipt.refused) == (5, 1)
        taken = engine.log.of_user("ann")
        assert set(taken["item_id"].drop_nulls()) == {"tea-1", "tea-3"}
        if way != "one by one":
            assert [one.row for one in receipt.refusals] == [2]


def test_one_source_may_be_refused(engine: Engine) -> None:
    engine.consent("ann", "collect", given=False, source="weblog")
    refused = engine.ingest(view("ann", "coffee-1", context={"source": "weblog"}))
    taken = engine.ingest([view("ann", "coffee-2", context={"source": "shop"}), view("ann", "coffee-3")])
    assert (refused.refused, taken.accepted) == (1, 2)
    assert engine.allows("ann", "collect", "shop")
    assert not engine.allows("ann", "collect", "weblog")


def test_an_import_leaves_out_who_refuses_and_keeps_nothing_of_them(engine: Engine, tmp_path: Path) -> None:
    engine.consent("ann", "collect", given=False)
    path = tmp_path / "deeds.csv"
    path.write_text("who,what,when\nann,secret,2025-06-01\nbob,tea-1,2025-06-01\n,tea-1,2025-06-01\n")
    mapping = Mapping.parse(
        "[[events]]\ntype = { constant = 'view' }\nuser_id = 'who'\nitem_id = 'what'\nat = 'when'\n"
    )
    with Quarantine(tmp_path / "q.jsonl") as quarantine:
        report = collect(Source("deeds", mapping, (SourceFile(path),), str(tmp_path)), engine, quarantine)
    assert (report.accepted, report.refused) == (1, 2)
    assert report.reasons[NO_CONSENT] == 1
    kept = (tmp_path / "q.jsonl").read_text()
    assert "secret" not in kept
    assert "ann" not in kept


def test_where_agreement_is_needed_nothing_is_taken_and_nobody_known_without_it() -> None:
    with opened(consent={"needed": ["collect", "personalise"]}) as engine:
        assert engine.ingest(HISTORY[:3]).reasons == {NO_CONSENT: 3}
        assert engine.ingest(pl.DataFrame(HISTORY[:3])).refused == 3
        engine.consent("ann", "collect", at="2025-06-01")
        assert engine.ingest(HISTORY[:3]).accepted == 3
        assert engine.interests("ann") == []
        engine.consent("ann", "personalise", at="2025-06-01")
        assert engine.interests("ann")[0].topic == "tea"
        assert engine.ingest(ITEMS).refused == 0


def test_a_refusal_that_was_acknowledged_holds_for_every_later_call_while_others_write() -> None:
    """Writers on eight threads; after the refusal returned, not one event of the user gets in."""
    with opened() as engine:
        started, over = threading.Barrier(9), threading.Event()
        after: list[int] = []

        def writer(number: int) -> None:
            started.wait()
            for i in range(60):
                told = over.is_set()
                receipt = engine.ingest(view("ann", "tea-1", event_id=f"{number}-{i}"))
                if told:
                    after.append(receipt.accepted)

        threads = [threading.Thread(target=writer, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        started.wait()
        engine.consent("ann", "collect", given=False)
        over.set()
        for thread in threads:
            thread.join()
        assert sum(after) == 0
        assert engine.ingest(view("ann", "tea-1")).refused == 1


users, days, sources = st.sampled_from(["ann", "bob"]), st.integers(0, 9), st.sampled_from([None, "web"])
deeds = st.tuples(users, days, sources, st.none())
words = st.tuples(users, days, sources, st.booleans())


@settings(deadline=None, max_examples=40)
@given(steps=st.lists(deeds | words, min_size=1, max_size=12))
def test_rows_and_frames_admit_the_same(steps: list[Any]) -> None:
    events = []
    for number, (user, day, source, yes) in enumerate(steps):
        event: dict[str, Any] = {"event_id": f"e{number}", "user_id": user, "at": f"2025-06-1{day}"}
        event |= {"context": {"source": source}} if source else {}
        if yes is None:
            event |= {"type": "view", "item_id": "tea-1"}
        else:
            event |= {"type": "consent", "purpose": "collect", "value": float(yes)}
        events.append(event)
    logs = []
    for way in WAYS.values():
        with opened() as engine:
            way(engine, events)
            logs.append(engine.ledger.events()["event_id"].to_list())
    assert logs == [logs[0]] * len(logs)


# -- share and research


@pytest.mark.parametrize("purpose", ["share", "research"])
def test_exports_for_others_leave_out_who_refuses(engine: Engine, purpose: Any) -> None:
    whole = pl.concat(list(engine.export_for(purpose)))
    assert whole.height == engine.log.count()
    engine.consent("ann", purpose, given=False)
    left = pl.concat(list(engine.export_for(purpose)))
    assert set(whole["user_id"]) - set(left["user_id"]) == {"ann"}
    assert left.filter(left["type"] == "item").height == len(ITEMS)
    engine.consent("other-1", purpose, given=False, source="web")
    engine.ingest([view("other-1", "tea-1", context={"source": "web"}), view("other-1", "tea-2")])
    left = pl.concat(list(engine.export_for(purpose)))
    assert set(left.filter(left["user_id"] == "other-1")["item_id"].drop_nulls()) >= {"tea-2"}
    assert "tea-1" not in set(
        left.filter((left["user_id"] == "other-1") & (left["at_us"] == 1748736000000000))["item_id"]
    )
    with pytest.raises(ConfigError, match="exports are for share or research"):
        next(engine.export_for("sale"))  # type: ignore[arg-type]


def test_a_user_may_see_everything_kept_also_after_a_refusal(engine: Engine) -> None:
    engine.consent("ann", "personalise", given=False)
    assert len(engine.export("ann").events) == 5 + 2 + 1


# -- what is said


def test_the_words_are_kept_with_their_text_and_evidence() -> None:
    with opened() as engine:
        engine.consent("ann", "share", version="2", text="We share with X.", evidence="form 17", at="2025-06-01")
        engine.consent("ann", "share", given=False, source="web", at="2025-06-02")
        words = {(one.purpose, one.source): one for one in engine.consents("ann")}
        assert set(words) == {
            ("collect", None),
            ("personalise", None),
            ("share", None),
            ("share", "web"),
            ("research", None),
        }
        word = words["share", None]
        assert (word.given, word.version, word.text, word.evidence) == (True, "2", "We share with X.", "form 17")
        assert f"{word.at:%Y-%m-%d}" == "2025-06-01"
        assert words["collect", None].default


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        ({"value": 1}, "no purpose; known: collect, personalise, share, research"),
        ({"purpose": "sell", "value": 1}, "unknown purpose 'sell'"),
        ({"purpose": "share"}, "no value; 1 gives it, 0 withdraws it"),
        ({"purpose": "share", "value": 0.5}, "the value of a consent is 0.5"),
        ({"purpose": "share", "value": 1, "context": {"source": 3}}, "context.source must be a text"),
        ({"purpose": "share", "value": 1, "context": {"source": ""}}, "context.source must be a text"),
    ],
)
def test_a_word_on_nothing_is_refused(event: dict[str, Any], problem: str) -> None:
    with opened() as engine:
        (reason,) = engine.ingest({"type": "consent", "user_id": "ann", "at": "2025-06-01", **event}).reasons
        assert problem in reason
        with pytest.raises(ConfigError, match="no purpose named 'sell'; known: collect"):
            engine.allows("ann", "sell")


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"components.consent.needed"):
        opened(consent={"needed": ["everything"]})
