"""The public face: what goes in, what comes out, and that both agree with each other."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from penchant import Engine, Event, Receipt
from penchant.clock import fixed, parse_moment
from penchant.domain.row import to_event
from penchant.errors import ConfigError, EventError, StorageError, UnknownNameError
from penchant.testing import SettableClock, as_rows, toy_log

TEA = {"type": "item", "item_id": "tea", "title": "Green tea", "topics": ["drinks"], "at": "2026-01-01"}
BOUGHT = {"event_id": "b1", "type": "purchase", "user_id": "ann", "item_id": "tea", "at": "2026-01-02", "amount": 3.5}


def states(engine):
    return engine.ledger.states.as_bytes()


def lines(engine):
    return [row for frame in engine.log.read() for row in frame.rows()]


def answers(engine, users, at=None, n=10):
    """Return everything that an engine says of users, as plain values."""
    said = {}
    for user_id in users:
        said[user_id] = (
            engine.profile(user_id, at=at),
            engine.interests(user_id, n, at=at),
            engine.recommend(user_id, n, at=at),
            [engine.explain(user_id, item, at=at) for item in ("item-0", "item-7", "no such item")],
        )
    return said


USERS = ["user-0", "user-3", "user-7", "a stranger"]


# -- ingest ------------------------------------------------------------------------------------------------------------


def test_a_receipt_accounts_for_every_event(engine):
    receipt = engine.ingest(
        [TEA, BOUGHT, BOUGHT, {"type": "purchase"}, {**BOUGHT, "event_id": "b2", "value": "many"}, 7]
    )
    assert (receipt.accepted, receipt.duplicates, receipt.refused, receipt.late, receipt.total) == (2, 1, 3, 0, 6)
    assert receipt.reasons == {
        "no user_id": 1,
        "value must be a number, not str": 1,
        "not an event: int; give a mapping or an Event": 1,
    }
    assert [(refusal.row, refusal.reason) for refusal in receipt.refusals] == [
        (3, "no user_id"),
        (4, "value must be a number, not str"),
        (5, "not an event: int; give a mapping or an Event"),
    ]
    assert "purchase" in receipt.refusals[0].given
    assert engine.ingest([TEA, BOUGHT]) == Receipt(duplicates=2)
    assert engine.log.count() == 2


def test_one_event_many_events_and_none(engine):
    assert engine.ingest(BOUGHT).accepted == 1
    assert engine.ingest(event for event in [TEA]).accepted == 1
    assert engine.ingest([]) == Receipt()
    assert engine.ingest(()) == Receipt()


@pytest.mark.parametrize("thing", ["view", b"view", 3, None, object()])
def test_what_is_no_events_is_an_error(engine, thing):
    with pytest.raises(EventError, match="not events"):
        engine.ingest(thing)


def test_event_objects_are_taken_too(engine):
    event = Event("b1", "purchase", "ann", "tea", parse_moment("2026-01-02"), parse_moment("2026-01-02"), amount=3.5)
    assert engine.ingest([TEA, event]).accepted == 2
    assert engine.ingest(event) == engine.ingest(BOUGHT) == Receipt(duplicates=1)


def test_an_event_without_a_time_happens_now(open_engine):
    engine = open_engine(clock=fixed("2026-02-03T04:05:06Z"))
    engine.ingest([TEA, {"type": "view", "user_id": "ann", "item_id": "tea"}])
    assert engine.profile("ann").behaviour.last_at == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_an_event_without_an_id_counts_once(engine):
    nameless = {name: value for name, value in BOUGHT.items() if name != "event_id"}
    assert engine.ingest([nameless, nameless]).accepted == 1
    assert engine.ingest({**nameless, "amount": 3.6}).accepted == 1


def test_a_batch_may_bring_items_after_what_was_done_with_them(engine):
    engine.ingest([BOUGHT, TEA])
    assert [interest.topic for interest in engine.interests("ann")] == ["drinks"]


def test_unknown_fields_are_refused_and_an_unknown_column_refuses_the_frame(engine):
    assert engine.ingest({**BOUGHT, "colour": "red"}).reasons == {
        "unknown field 'colour'; put what has no field of its own under 'payload'": 1
    }
    frame = pl.DataFrame([BOUGHT | {"colour": "red"}])
    with pytest.raises(EventError, match="unknown column 'colour'"):
        engine.ingest(frame)
    assert engine.log.count() == 0


def test_every_refusal_is_handed_over_though_the_receipt_names_a_hundred(engine):
    for events in ([{"type": "view", "user_id": f"u{i}"} for i in range(250)], pl.DataFrame({"type": ["view"] * 250})):
        handed = []
        receipt = engine.ingest(events, refused=handed.append)
        assert receipt.refused == len(handed) == 250
        assert len(receipt.refusals) == 100
        assert [refusal.row for refusal in handed] == list(range(250))


def test_a_mark_is_kept_with_the_events(engine):
    engine.ingest([TEA], mark=("import", "line 1"))
    engine.ingest([], mark=("import", "line 2"))
    engine.ingest(pl.DataFrame([BOUGHT]), mark=("frame", "row 1"))
    assert (engine.log.mark("import"), engine.log.mark("frame")) == ("line 2", "row 1")


def test_poisonous_events_are_turned_away_at_the_door_and_the_engine_lives_on(open_engine, sqlite_url):
    """Each of these once got in, and then broke the fold, the checkpoint or the next start."""
    engine = open_engine(sqlite_url)
    poison = [
        {**TEA, "payload": {"attributes": 3}},
        {**TEA, "attributes": {"n": 2**64}},
        {"type": "user", "user_id": "ann", "facts": {"age": 2**100}},
        {**BOUGHT, "amount": 1e300},
        {**BOUGHT, "at": 10**400},
        {**BOUGHT, "user_id": 10**5000},
        Event(
            "x",
            "item",
            None,
            "tea",
            datetime(2026, 1, 1, tzinfo=UTC),
            datetime(2026, 1, 1, tzinfo=UTC),
            payload={"attributes": 3},
        ),
    ]
    receipt = engine.ingest(poison)
    assert (receipt.accepted, receipt.refused) == (0, len(poison))
    columns = {
        "attributes": pl.DataFrame({"type": "item", "item_id": "tea", "attributes": ["red"]}),
        "payload": pl.DataFrame({"type": "item", "item_id": "tea", "payload": ['{"attributes":3}']}),
        "topics": pl.DataFrame({"type": "item", "item_id": "tea", "topics": [["\x00"]]}),
    }
    for frame in columns.values():
        assert engine.ingest(frame).refused == 1
    strange = [
        {**TEA, "topics": ["line\nbreak", 'quo"te', "back\\slash"]},
        {**TEA, "item_id": "mug", "topics": None, "attributes": {"": "empty", "category": "a\x00b|ok"}},
        {"type": "user", "user_id": "ann", "facts": {"": {"": 1}, "big": 2**63, "name": "\x00"}},
        {**BOUGHT, "amount": -1e12},
    ]
    assert engine.ingest(strange).accepted == len(strange)
    frame = pl.DataFrame({"type": "search", "user_id": "ann", "topics": [["line\nbreak", "\x01"]], "at": "2026-01-05"})
    assert engine.ingest(frame).accepted == 1
    before = states(engine)
    engine.close()
    engine = open_engine(sqlite_url)
    assert states(engine) == before
    engine.rebuild()
    assert states(engine) == before
    assert {interest.topic for interest in engine.interests("ann")} == {"line\nbreak", 'quo"te', "back\\slash", "\x01"}
    assert engine.item("mug").topics == ("ok",)


# -- one way in, the other way in --------------------------------------------------------------------------------------


def as_frame(events):
    """The same events as columns."""
    texts = pl.String
    schema = {"event_id": texts, "type": texts, "user_id": texts, "item_id": texts, "at": texts, "title": texts}
    schema |= {"value": pl.Float64, "amount": pl.Float64, "topics": pl.List(texts)}
    return pl.DataFrame(events, schema=schema)


@pytest.mark.parametrize("sizes", [(520,), (40, 1, 2, 100, 377), (40, 480)], ids=str)
def test_frames_and_mappings_give_the_same_states_bit_for_bit(open_engine, toy, sizes):
    by_mappings, by_frames = open_engine(), open_engine()
    begin = 0
    for size in sizes:
        events = toy.events[begin : begin + size]
        assert by_mappings.ingest(events).accepted == by_frames.ingest(as_frame(events)).accepted == size
        begin += size
    assert lines(by_mappings) == lines(by_frames)
    assert states(by_mappings) == states(by_frames)
    assert answers(by_mappings, USERS) == answers(by_frames, USERS)


def test_frames_take_each_event_once_and_count_what_is_late(open_engine, toy):
    engine, other = open_engine(), open_engine()
    events = toy.events[:300]
    engine.ingest(as_frame(events))
    assert engine.ingest(as_frame(events + events[:5])) == Receipt(duplicates=305)
    late = [
        {**BOUGHT, "event_id": f"late {i}", "user_id": "user-1", "item_id": "item-0", "at": "2025-12-01"}
        for i in range(600)
    ]
    other.ingest(events)
    assert engine.ingest(as_frame(late)).late == other.ingest(late).late == 600
    assert engine.ingest(as_frame(late[:1] + events)).duplicates == 301


def test_a_frame_of_nothing_and_a_lazy_frame(engine):
    assert engine.ingest(as_frame([])) == Receipt()
    assert engine.ingest(as_frame([TEA, BOUGHT]).lazy()).accepted == 2


def test_a_frame_of_good_and_bad_rows(engine):
    frame = pl.DataFrame(
        {
            "type": ["item", "view", "view", "rating", None],
            "item_id": ["tea", "tea", None, "tea", "tea"],
            "user_id": [None, "ann", "ann", "ann", "ann"],
            "at": ["2026-01-01", "2026-01-02", "2026-01-02", "2026-01-02", "2026-01-02"],
        }
    )
    receipt = engine.ingest(frame)
    assert (receipt.accepted, receipt.refused) == (2, 3)
    assert [(refusal.row, refusal.reason) for refusal in receipt.refusals] == [
        (2, "no item_id, which view needs"),
        (3, "a rating needs a value"),
        (4, "no type"),
    ]


def test_more_rows_than_fit_into_one_chunk(open_engine):
    n = 100_500
    frame = pl.DataFrame(
        {"type": "view", "user_id": [f"u{i % 50}" for i in range(n)], "item_id": "tea", "at": range(n)}
    )
    bad = frame.with_columns(pl.when(pl.col("at") == 100_200).then(None).otherwise(pl.col("user_id")).alias("user_id"))
    engine = open_engine()
    receipt = engine.ingest(bad, mark=("import", "done"))
    assert (receipt.accepted, receipt.refused) == (n - 1, 1)
    assert receipt.refusals[0].row == 100_200
    assert engine.log.mark("import") == "done"
    other = open_engine()
    other_receipt = other.ingest(bad.rows(named=True))
    assert dataclasses.replace(other_receipt, refusals=()) == dataclasses.replace(receipt, refusals=())
    assert states(other) == states(engine)


def test_replaying_another_log_gives_the_same_states(open_engine, toy):
    one, other = open_engine(), open_engine()
    one.ingest(toy.events)
    assert other.replay(one.ledger.events()) == len(toy.events)
    assert other.replay(one.ledger.events()) == 0
    assert states(one) == states(other)


# -- profile and interests ---------------------------------------------------------------------------------------------


def test_a_profile_has_facts_behaviour_and_interests(engine):
    engine.ingest([TEA, BOUGHT, {"type": "user", "user_id": "ann", "facts": {"city": "Lyon"}, "at": "2026-01-01"}])
    profile = engine.profile("ann", at="2026-01-04")
    assert (profile.user_id, profile.known, profile.at) == ("ann", True, parse_moment("2026-01-04"))
    assert profile.facts["city"].value == "Lyon"
    assert (profile.behaviour.n_events, profile.behaviour.spend, profile.behaviour.recency_days) == (1, 3.5, 2.0)
    assert profile.interests == tuple(engine.interests("ann", at="2026-01-04"))
    assert [(e.event_id, e.type, e.item_id) for e in profile.interests[0].evidence] == [("b1", "purchase", "tea")]


def test_a_new_user_is_unknown_and_gets_what_is_popular(toy_engine):
    profile = toy_engine.profile("a stranger")
    assert (profile.known, profile.facts, profile.interests) == (False, {}, ())
    assert profile.behaviour.n_events == 0
    slate = toy_engine.recommend("a stranger", 5)
    assert len(slate) == 5
    assert all(one.evidence == () for one in slate)
    assert slate == [dataclasses.replace(one) for one in toy_engine.recommend("another stranger", 5)]


def test_an_empty_engine_answers(engine):
    assert engine.interests("ann") == []
    assert engine.recommend("ann") == []
    assert not engine.profile("ann").known
    assert engine.explain("ann", "tea").verdict == "unknown_item"
    assert engine.rebuild() == 0
    assert engine.forget("ann") == 0
    assert set(engine.fit()) == {"events", "tracker", "item_knn", "taste", "blend"}
    assert engine.recommend("ann") == []


def test_interests_follow_the_user(open_engine):
    """The truth is known: before the change the first topic is the old favourite, at the end the new one."""
    toy = toy_log(n_users=40)
    engine = open_engine(clock=fixed(toy.ends))
    engine.ingest(toy.events)

    def right(truth, at):
        return sum(engine.interests(user, 1, at=at[user])[0].topic == topic for user, topic in truth.items()) / len(
            truth
        )

    before, unfitted = right(toy.before, toy.changes), right(toy.after, dict.fromkeys(toy.after))
    engine.fit(["tracker"])
    after = right(toy.after, dict.fromkeys(toy.after))
    assert before >= 0.9
    assert after >= 0.9
    assert after > unfitted


def test_interests_are_probabilities_with_intervals_around_them(toy_engine):
    for user in USERS[:3]:
        interests = toy_engine.interests(user, 100)
        assert [one.probability for one in interests] == sorted((one.probability for one in interests), reverse=True)
        assert 0.3 < sum(one.probability for one in interests) <= 1.0 + 1e-9
        for one in interests:
            assert one.interval[0] <= one.probability <= one.interval[1]
            assert one.trend_interval[0] <= one.trend <= one.trend_interval[1]
            assert one.evidence
            assert sum(evidence.share for evidence in one.evidence) <= 1.0 + 1e-6
            assert all(evidence.at <= toy_engine.profile(user).at for evidence in one.evidence)


def test_evidence_older_than_what_is_in_memory_is_found_in_the_log(open_engine):
    engine = open_engine(clock=fixed("2026-06-01"))
    old = {
        "event_id": "old",
        "type": "purchase",
        "user_id": "ann",
        "item_id": "x",
        "topics": ["first"],
        "at": "2026-01-01",
    }
    noise = [
        {"type": "view", "user_id": "ann", "item_id": "x", "topics": [f"t{i}"], "at": 1_767_300_000 + i}
        for i in range(255)
    ]
    engine.ingest([old, *noise])
    again = [{"type": "search", "user_id": "ann", "topics": ["new"], "at": 1_767_400_000 + i} for i in range(5)]
    engine.ingest(again)  # "first" is out of the history now; the tracker has kept it and lost a weaker one
    found = {one.topic: one for one in engine.interests("ann", 300)}
    assert [evidence.event_id for evidence in found["first"].evidence] == ["old"]


def test_n_limits_the_interests(toy_engine):
    assert len(toy_engine.interests("user-0", 1)) == 1
    assert toy_engine.interests("user-0", 0) == []
    assert len(toy_engine.profile("user-0", n=2).interests) == 2


# -- recommend and explain ---------------------------------------------------------------------------------------------


def test_recommendations_have_a_source_a_reason_and_events_of_the_user(toy_engine, toy):
    mine = {event["event_id"] for event in toy.events if event.get("user_id") == "user-3"}
    slate = toy_engine.recommend("user-3", 8)
    assert len(slate) == 8
    assert len({one.item_id for one in slate}) == 8
    for one in slate:
        assert one.title == one.item_id.replace("item-", "Item ")
        assert one.reason
        assert one.parts[one.source] == max(one.parts.values())
        assert one.score == pytest.approx(sum(one.parts.values()))
        assert set(one.evidence) <= mine
    assert any(one.evidence for one in slate)


def test_what_the_user_dealt_with_is_left_out_unless_it_is_allowed(open_engine, toy):
    seen = {event["item_id"] for event in toy.events if event.get("user_id") == "user-3"}
    answers = {}
    for how in ("exclude", "allow", "auto"):
        engine = open_engine(components={"pipeline": {"seen": how}})
        engine.ingest(toy.events)
        answers[how] = {one.item_id for one in engine.recommend("user-3", 40)}
    assert answers["exclude"] == answers["auto"]  # nothing fitted: it is not known that people repeat
    assert not answers["exclude"] & seen
    assert answers["allow"] & seen
    engine.fit()  # here they do, most of the time
    assert engine.recommender.repeat_share > 0.2
    assert {one.item_id for one in engine.recommend("user-3", 40)} & seen


def test_items_can_be_excluded(toy_engine):
    first, second, *_ = (one.item_id for one in toy_engine.recommend("user-3", 5))
    left = [one.item_id for one in toy_engine.recommend("user-3", 5, exclude=[first, "no such item"])]
    assert first not in left
    assert left[0] == second
    everything = [f"item-{i}" for i in range(40)]
    assert toy_engine.recommend("user-3", 5, exclude=everything) == []


def test_the_list_is_as_long_as_asked_or_as_the_catalogue(toy_engine):
    for n in (1, 3, 7):
        assert len(toy_engine.recommend("a stranger", n)) == n
    assert len(toy_engine.recommend("a stranger", 10_000)) == 40
    for n in (0, -1):
        with pytest.raises(ConfigError, match=f"n is {n}; at least 1"):
            toy_engine.recommend("user-0", n)


def test_an_unknown_strategy_is_an_error(toy_engine):
    with pytest.raises(UnknownNameError, match=r"known: (.*, )?interest, .*new, .*popular, .*taste"):
        toy_engine.recommend("user-0", strategy="best")
    with pytest.raises(
        UnknownNameError,
        match=r"no model to fit named 'everything'; known: .*blend, .*calibration, .*item_knn, .*tracker",
    ):
        toy_engine.fit(["everything"])


def test_explanations_agree_with_the_list(toy_engine, toy):
    slate = toy_engine.recommend("user-3", 10)
    for place, one in enumerate(slate):
        explanation = toy_engine.explain("user-3", one.item_id)
        assert (explanation.verdict, explanation.rank, explanation.recommendation) == ("recommended", place + 1, one)
        assert explanation.reason == one.reason
        topic = f"topic-{int(one.item_id[5:]) % 5}"
        assert list(explanation.topics) == [topic]
        probability = {interest.topic: interest.probability for interest in toy_engine.interests("user-3", 99)}
        if topic in probability:
            assert explanation.topics[topic] == pytest.approx(probability[topic])
    seen = next(event["item_id"] for event in toy.events if event.get("user_id") == "user-3")
    assert toy_engine.explain("user-3", seen).verdict == "excluded"
    assert toy_engine.explain("user-3", "no such item").verdict == "unknown_item"
    verdicts = {toy_engine.explain("user-3", f"item-{i}").verdict for i in range(40)}
    assert verdicts <= {"recommended", "ranked", "excluded", "not_a_candidate"}


def test_an_item_that_comes_later_is_unknown_before(toy_engine, toy):
    later = toy.begins + timedelta(days=50)
    toy_engine.ingest({"type": "item", "item_id": "later", "topics": ["topic-0"], "at": later.isoformat()})
    assert toy_engine.explain("user-3", "later", at=later - timedelta(seconds=1)).verdict == "unknown_item"
    assert toy_engine.explain("user-3", "later", at=later).verdict != "unknown_item"
    before = [one.item_id for one in toy_engine.recommend("a stranger", 100, at=later - timedelta(seconds=1))]
    assert "later" not in before


# -- time --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [0.01, 20, 55.5, 90, 119])
def test_what_was_said_then_is_said_of_then_today(open_engine, toy, days):
    at = toy.begins + timedelta(days=days)
    stopped, whole = open_engine(clock=fixed(at)), open_engine()
    then = [event for event in toy.events if parse_moment(event["at"]) <= at]
    stopped.ingest(then)
    whole.ingest(toy.events)
    served = answers(stopped, USERS)
    assert answers(stopped, USERS, at=at) == served
    assert answers(whole, USERS, at=at) == served


def test_items_and_topics_that_come_later_change_nothing_that_matters(open_engine, toy):
    """The smoothing of the population knows how many topics there are; that is all that may shine through."""
    at = toy.begins + timedelta(days=60)
    stopped, whole = open_engine(clock=fixed(at)), open_engine()
    stopped.ingest(event for event in toy.events if parse_moment(event["at"]) <= at)
    whole.ingest(toy.events)
    for i in range(30):
        when = (at + timedelta(days=1)).isoformat()
        topics = [f"topic-{i % 5}", f"new-{i}"]
        whole.ingest(
            [
                {"type": "item", "item_id": f"new-{i}", "topics": topics, "at": when},
                {"type": "purchase", "user_id": f"user-{i % 12}", "item_id": f"new-{i}", "at": when},
            ]
        )
    for user in USERS:
        one, other = stopped.interests(user), whole.interests(user, at=at)
        assert [(i.topic, i.evidence) for i in one] == [(i.topic, i.evidence) for i in other]
        assert [i.probability for i in one] == pytest.approx([i.probability for i in other], rel=1e-3)
        then, now = stopped.recommend(user, 20), whole.recommend(user, 20, at=at)
        assert {r.item_id for r in then} == {r.item_id for r in now}
        scores = {r.item_id: r.score for r in then}
        assert {r.item_id: r.score for r in now} == pytest.approx(scores, rel=1e-3)


def test_an_engine_that_goes_on_still_says_what_it_said(open_engine, toy):
    """Asked again and again while the log grows, one by one and in batches."""
    clock = SettableClock(toy.begins)
    engine = open_engine(clock=clock)
    engine.ingest(toy.events[:40])
    served = {}
    for begin in range(40, len(toy.events), 60):
        events = toy.events[begin : begin + 60]
        clock.set(events[-1]["at"])
        engine.ingest(events)
        served[clock()] = answers(engine, USERS[:2])
    for at, said in served.items():
        assert answers(engine, USERS[:2], at=at) == said


def test_a_moment_may_be_given_in_every_form(toy_engine):
    at = datetime(2026, 2, 1, tzinfo=UTC)
    forms = [at, "2026-02-01", "2026-02-01T00:00:00Z", "2026-02-01T02:00:00+02:00", at.timestamp(), int(at.timestamp())]
    assert len({repr(toy_engine.interests("user-0", at=form)) for form in forms}) == 1


@pytest.mark.parametrize("at", ["yesterday", float("nan"), True, object()])
def test_what_is_no_moment_is_an_error(toy_engine, at):
    for ask in (toy_engine.interests, toy_engine.profile, toy_engine.recommend):
        with pytest.raises(ConfigError, match="at: not a"):
            ask("user-0", at=at)


def test_forgetting_happens_on_reading(toy_engine, toy):
    """With nothing new a user comes closer to the population every day."""
    for user in USERS[:3]:
        strengths = [
            toy_engine.interests(user, at=toy.ends + timedelta(days=days))[0].probability
            for days in (0, 100, 1000, 5000)
        ]
        assert strengths == sorted(strengths, reverse=True)
    assert states(toy_engine) == states(toy_engine)


def test_late_events_end_in_the_same_interests_as_if_they_had_come_in_time(open_engine):
    toy = toy_log(late_share=0.2, seed=5)
    in_time = sorted(toy.events, key=lambda event: (event["type"] != "item", event["at"]))
    assert in_time != toy.events
    late, punctual = open_engine(), open_engine()
    receipt = late.ingest(toy.events)
    assert receipt.late > 20
    assert punctual.ingest(in_time).late == 0
    for user in USERS:
        one, other = late.interests(user), punctual.interests(user)
        assert [interest.topic for interest in one] == [interest.topic for interest in other]
        for a, b in zip(one, other, strict=True):
            # Late events do not enter rhythm and detection, which move the next topic's probability.
            assert a.probability == pytest.approx(b.probability, rel=0.5)
            assert (a.long_term, a.short_term) == pytest.approx((b.long_term, b.short_term), rel=1e-4)
            assert {e.event_id for e in a.evidence} == {e.event_id for e in b.evidence}
        a, b = late.profile(user).behaviour, punctual.profile(user).behaviour
        assert dataclasses.replace(a, n_sessions=0, frequency_days=None, spend_per_session=None) == dataclasses.replace(
            b, n_sessions=0, frequency_days=None, spend_per_session=None
        )
        assert [r.item_id for r in late.recommend(user, 5)] == [r.item_id for r in punctual.recommend(user, 5)]


def test_late_is_counted_the_same_one_by_one_and_together(open_engine):
    toy = toy_log(late_share=0.2, seed=6)
    fact = {"type": "user", "user_id": "user-1", "facts": {"a": 1}, "at": "2026-01-02"}
    events = [*toy.events, {**fact, "event_id": "f1"}, {**fact, "event_id": "f2", "at": "2026-01-01"}]
    together, one_by_one = open_engine(), open_engine()
    assert together.ingest(events).late == sum(one_by_one.ingest(event).late for event in events) > 20


# -- fit, rebuild, forget ----------------------------------------------------------------------------------------------


def test_fitting_teaches_and_is_the_same_for_the_same_log(open_engine, sqlite_url):
    toy = toy_log(n_users=40, deeds_per_user=60)
    one, other = open_engine(), open_engine(sqlite_url)
    for engine in (one, other):
        engine.ingest(toy.events)
    before = [r.item_id for r in one.recommend("user-1")]
    reports = [engine.fit() for engine in (one, other)]
    for report in reports:
        assert report["events"] == len(toy.events)
        for name in ("tracker", "item_knn", "taste", "blend"):
            assert report[name].pop("seconds") >= 0
    assert reports[0] == reports[1]
    assert reports[0]["blend"]["ndcg@10"] >= reports[0]["blend"]["ndcg@10_before"] > 0
    assert answers(one, USERS) == answers(other, USERS)
    assert [r.item_id for r in one.recommend("user-1")] != before
    # What was learned is there after a restart.
    other.close()
    again = open_engine(sqlite_url)
    assert again.tracker.learned.encode() == one.tracker.learned.encode()
    assert answers(again, USERS) == answers(one, USERS)


def test_fitting_leaves_the_states_alone(toy_engine):
    before = states(toy_engine)
    toy_engine.fit()
    assert states(toy_engine) == before


def test_one_model_can_be_fitted_alone(toy_engine):
    assert set(toy_engine.fit(["item_knn"])) == {"events", "item_knn"}
    assert toy_engine.recommend("user-1", strategy="item_knn")


def test_a_rebuild_gives_the_same_states_bit_for_bit(open_engine, sqlite_url, toy):
    for url in ("memory", sqlite_url):
        engine = open_engine(url)
        for event in toy.events[:100]:
            engine.ingest(event)
        engine.ingest(toy.events[100:])
        before, said = states(engine), answers(engine, USERS)
        assert engine.rebuild() == len(toy.events)
        assert states(engine) == before
        assert answers(engine, USERS) == said


@pytest.mark.parametrize("kept", ["memory", "sqlite_url", "parquet"])
def test_a_forgotten_user_is_as_if_never_there(open_engine, toy, kept, request, tmp_path):
    url = {"memory": "memory", "parquet": f"parquet:///{tmp_path / 'log'}"}.get(kept) or request.getfixturevalue(kept)
    engine, without = open_engine(url), open_engine()
    engine.ingest(toy.events)
    without.ingest(event for event in toy.events if event.get("user_id") != "user-3")
    mine = sum(event.get("user_id") == "user-3" for event in toy.events)
    assert engine.forget("user-3") == mine
    assert engine.forget("user-3") == 0
    for user in ("user-0", "user-7", "a stranger"):
        assert [(i.topic, i.probability) for i in engine.interests(user)] == [
            (i.topic, i.probability) for i in without.interests(user)
        ]
        assert [(r.item_id, r.score) for r in engine.recommend(user)] == [
            (r.item_id, r.score) for r in without.recommend(user)
        ]
    assert engine.profile("user-3") == without.profile("user-3")
    assert not engine.profile("user-3").known
    assert [r.item_id for r in engine.recommend("user-3")] == [r.item_id for r in without.recommend("a stranger")]
    assert not any(key == "user-3" for _, key in states(engine))
    # And it stays so: after a rebuild, and after a restart.
    live = states(engine)
    engine.rebuild()
    assert states(engine) == live
    if kept != "memory":
        engine.close()
        engine = open_engine(url)
        assert not engine.profile("user-3").known
        assert engine.log.of_user("user-3").height == 0
    assert engine.ingest(toy.events).accepted == mine  # may come back


def test_forgetting_that_fails_changes_nothing(open_engine, sqlite_url, toy):
    engine = open_engine(sqlite_url)
    engine.ingest(toy.events)
    before, said = states(engine), answers(engine, USERS)
    database = engine.log._database
    with database.transaction() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    for fail in (lambda: engine.forget("user-3"), engine.rebuild):  # there is no room for the states that wait
        with pytest.raises(StorageError, match="full"):
            fail()
        assert states(engine) == before
        assert answers(engine, USERS) == said
    with database.transaction() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert engine.forget("user-3") > 0
    assert not engine.profile("user-3").known


def test_nothing_of_a_forgotten_user_is_left_in_the_files(open_engine, sqlite_url, tmp_path):
    engine = open_engine(sqlite_url, checkpoint_events=10)
    gone = "user-to-forget-4711"
    for i in range(300):
        user = gone if i % 3 == 0 else f"user-{i % 7}"
        engine.ingest(
            {
                "type": "purchase",
                "user_id": user,
                "item_id": f"i{i % 9}",
                "topics": [f"t{i % 5}"],
                "at": 1_767_225_600 + i,
            }
        )
    engine.checkpoint()
    engine.fit()
    assert any(gone.encode() in file.read_bytes() for file in tmp_path.iterdir())
    engine.forget(gone)
    engine.close()
    for file in tmp_path.iterdir():
        assert gone.encode() not in file.read_bytes(), file.name


# -- several engines, several threads ----------------------------------------------------------------------------------


def test_two_engines_on_one_file_catch_up_with_each_other(open_engine, sqlite_url, toy):
    one, other, alone = open_engine(sqlite_url), open_engine(sqlite_url), open_engine()
    for begin in range(0, len(toy.events), 50):
        writer = one if begin % 100 else other
        events = toy.events[begin : begin + 50]
        assert writer.ingest(events).accepted == len(events)
        alone.ingest(events)
    one.ledger.catch_up()
    other.ledger.catch_up()
    assert states(one) == states(other) == states(alone)
    assert answers(one, USERS) == answers(other, USERS) == answers(alone, USERS)
    assert other.ingest(toy.events) == one.ingest(toy.events) == Receipt(duplicates=len(toy.events))
    one.close()
    other.close()
    assert states(open_engine(sqlite_url)) == states(alone)


def test_an_engine_that_looks_back_before_it_has_caught_up_spoils_nothing(open_engine, sqlite_url):
    """New names must get their numbers in the order of the log, not in the order in which a reader meets them."""
    one, other = open_engine(sqlite_url), open_engine(sqlite_url)
    one.ingest({"type": "view", "user_id": "ann", "item_id": "first", "topics": ["a"], "at": "2026-01-02"})
    other.ledger.catch_up()
    one.ingest({"type": "view", "user_id": "bob", "item_id": "second", "topics": ["b"], "at": "2026-01-03"})
    one.ingest({"type": "view", "user_id": "ann", "item_id": "third", "topics": ["c"], "at": "2026-01-01"})
    other.profile("ann", at="2026-01-01T12:00:00Z")
    other.interests("ann", at="2026-01-01T12:00:00Z")
    other.ingest({"type": "view", "user_id": "ann", "item_id": "fourth", "topics": ["d"], "at": "2026-01-04"})
    one.ledger.catch_up()
    assert other.ledger.items.ids == one.ledger.items.ids == ["first", "second", "third", "fourth"]
    assert states(one) == states(other)


def test_the_catalogue_of_another_process_labels_frames_too(open_engine, sqlite_url):
    one, other = open_engine(sqlite_url), open_engine(sqlite_url)
    one.ingest(TEA)
    assert other.ingest(pl.DataFrame([BOUGHT])).accepted == 1
    assert [interest.topic for interest in other.interests("ann")] == ["drinks"]


def test_a_user_forgotten_by_one_engine_is_forgotten_by_the_other(open_engine, sqlite_url, toy):
    one, other = open_engine(sqlite_url), open_engine(sqlite_url)
    one.ingest(toy.events)
    other.ledger.catch_up()
    for user in ("user-3", "user-5", "user-7"):
        assert other.profile(user).known
        one.forget(user)
        other.ledger.catch_up()
        assert not other.profile(user).known
    other.ingest({**BOUGHT, "user_id": "user-3"})
    other.checkpoint()
    assert other.profile("user-3").behaviour.n_events == 1
    assert states(open_engine(sqlite_url)) == states(other)


def test_a_restart_without_close_loses_nothing(open_engine, sqlite_url, toy):
    engine = open_engine(sqlite_url)
    engine.ingest(toy.events[:300])
    engine.checkpoint()
    engine.ingest(toy.events[300:])
    before = states(engine)
    again = Engine.open(sqlite_url, clock=fixed(toy.ends))  # the first one never said goodbye
    assert states(again) == before
    again.close()


def test_threads_may_ingest_at_once(open_engine, sqlite_url):
    toy = toy_log(n_users=24)
    for url in ("memory", sqlite_url):
        engine = open_engine(url)
        engine.ingest(toy.events[:40])

        def write(part, engine=engine):
            one_by_one = [engine.ingest(event) for event in part[:60]]
            return [*one_by_one, engine.ingest(part[60:]), engine.ingest(toy.events[40:80])]  # everybody gives these

        parts = [[e for e in toy.events[40:] if int(e["user_id"][5:]) % 6 == n] for n in range(6)]
        with ThreadPoolExecutor(6) as pool:
            receipts = [receipt for some in pool.map(write, parts, timeout=60) for receipt in some]
        assert sum(receipt.accepted for receipt in receipts) == len(toy.events) - 40
        assert sum(receipt.duplicates for receipt in receipts) == 6 * 40
        assert engine.log.count() == len(toy.events)
        before = states(engine)
        engine.rebuild()
        assert states(engine) == before
        # A user's own events came in order, so what is known of a user is what one writer would have learned.
        alone = open_engine()
        alone.ingest(toy.events)
        for user in range(24):
            one, other = (e.profile(f"user-{user}") for e in (engine, alone))
            assert one.behaviour == other.behaviour
            assert [i.topic for i in one.interests] == [i.topic for i in other.interests]


def test_readers_do_not_stumble_over_what_writers_add(open_engine):
    engine = open_engine(clock=fixed("2026-06-01"))
    engine.ingest({"type": "item", "item_id": f"i{i}", "topics": [f"t{i}"], "at": "2026-01-01"} for i in range(20))
    engine.ingest(
        {"type": "view", "user_id": f"u{i % 3}", "item_id": f"i{i % 20}", "at": 1_767_225_600 + i} for i in range(90)
    )
    engine.fit(["item_knn"])
    done = threading.Event()

    def read():
        while not done.is_set():
            engine.recommend("u1", 5)
            engine.interests("u1")
            engine.profile("u1", at="2026-01-01T01:00:00Z")
            engine.explain("u1", "i3")

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        for i in range(250):
            new = {"type": "item", "item_id": f"n{i}", "topics": [f"nt{i}"], "at": "2026-01-02"}
            engine.ingest([new, {"type": "view", "user_id": "u1", "item_id": f"n{i}", "at": 1_767_325_600 + i}])
        done.set()
        for reader in readers:
            reader.result(30)


# -- opening and closing -----------------------------------------------------------------------------------------------


def test_other_settings_of_the_tracker_fold_its_states_anew(open_engine, sqlite_url, toy):
    engine = open_engine(sqlite_url)
    engine.ingest(toy.events)
    engine.fit()
    engine.close()
    for days in ((2.0, 20.0, 200.0), (3.0, 30.0, 300.0)):
        options = {"tracker": {"half_lives_days": days, "short_view": 0}}
        changed, fresh = open_engine(sqlite_url, components=options), open_engine(components=options)
        fresh.ingest(toy.events)
        assert states(changed) == states(fresh)
        assert changed.interests("user-1")
        changed.close()


def test_wrong_settings_open_nothing(sqlite_url, tmp_path):
    with pytest.raises(ConfigError, match=r"components\.tracker\.speed"):
        Engine.open(sqlite_url, components={"tracker": {"speed": 3}})
    with pytest.raises(ConfigError, match=r"components\.label"):
        Engine.open(sqlite_url, components={"label": {"separator": 3}})
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_model_is_left_out_with_a_warning_and_fitted_anew(sqlite_url, toy):
    engine = Engine.open(sqlite_url)
    engine.ingest(toy.events)
    for name in ("tracker", "item_knn", "taste", "blend"):
        engine._shelf.save(name, 1, 0, b"damaged")
    engine.close()
    with pytest.warns(UserWarning, match="run fit again") as told:  # noqa: PT031
        engine = Engine.open(sqlite_url)
        assert engine.recommend("u0", n=3)
    assert len(told) == 4
    engine.fit()
    engine.close()
    Engine.open(sqlite_url).close()  # no warning any more


@pytest.mark.parametrize("url", ["", "memroy", "sqlite:/x.db", "csv:///x"])
def test_a_wrong_url_says_what_is_right(url):
    with pytest.raises(ConfigError, match="use memory, sqlite:///"):
        Engine.open(url)


def test_a_closed_engine_has_written_everything(sqlite_url, toy):
    with Engine.open(sqlite_url, clock=fixed(toy.ends)) as engine:
        engine.ingest(toy.events)
        before = states(engine)
    engine.close()
    with Engine.open(sqlite_url, clock=fixed(toy.ends)) as engine:
        assert engine.ledger._kept == engine.log.tail()
        assert states(engine) == before


def test_an_error_inside_the_block_gets_out(sqlite_url):
    with pytest.raises(ZeroDivisionError), Engine.open(sqlite_url) as engine:  # noqa: PT012
        engine.ingest(BOUGHT)
        _ = 1 / 0
    with Engine.open(sqlite_url) as engine:
        assert engine.log.count() == 1


def test_rows_and_events_are_two_forms_of_one_thing(open_engine, toy):
    one, other = open_engine(), open_engine()
    one.ingest(toy.events)
    other.ingest(to_event(row) for row in as_rows(toy.events))
    assert states(one) == states(other)


@pytest.mark.parametrize("kind", ["memory", "sqlite", "parquet"])
def test_events_that_came_before_their_item_get_its_topics_when_asked(kind, tmp_path):
    url = {"memory": "memory", "sqlite": f"sqlite:///{tmp_path}/a.db", "parquet": f"parquet:///{tmp_path}/p"}[kind]
    with Engine.open(url) as engine:
        engine.ingest({"event_id": "1", "type": "like", "user_id": "ann", "item_id": "t1", "at": "2026-01-01"})
        engine.ingest(
            {"event_id": "2", "type": "like", "user_id": "ann", "item_id": "t1", "topics": ["own"], "at": "2026-01-01"}
        )
        engine.ingest({"event_id": "3", "type": "item", "item_id": "t1", "topics": ["tea"], "at": "2026-01-02"})
        assert [one.topic for one in engine.interests("ann", at="2026-01-03")] == ["own"]
        assert engine.rebuild() == 3
        assert [one.topic for one in engine.interests("ann", at="2026-01-03")] == ["own"]
        assert engine.rebuild(fill_topics=True) == 3
        assert {one.topic for one in engine.interests("ann", at="2026-01-03")} == {"own", "tea"}
        assert engine.rebuild(fill_topics=True) == 3


@pytest.mark.postgres
def test_topics_are_filled_on_postgres_too(postgres_url):
    with Engine.open(postgres_url) as engine:
        engine.ingest({"type": "like", "user_id": "ann", "item_id": "t1", "at": "2026-01-01"})
        engine.ingest({"type": "item", "item_id": "t1", "topics": ["tea"], "at": "2026-01-02"})
        engine.rebuild(fill_topics=True)
        assert [one.topic for one in engine.interests("ann", at="2026-01-03")] == ["tea"]


def test_names_that_only_a_forgotten_user_used_go_too(sqlite_url, tmp_path):
    with Engine.open(sqlite_url) as engine:
        engine.ingest({"type": "item", "item_id": "t1", "topics": ["tea"], "at": "2026-01-01"})
        for user_id, topics in (("ann", ["tea", "shared"]), ("bob", ["tea", "shared", "bob's secret"])):
            engine.ingest(
                {"type": "like", "user_id": user_id, "item_id": f"of-{user_id}", "topics": topics, "at": "2026-01-02"}
            )
        before = engine.interests("ann", at="2026-01-03")
        engine.forget("bob")
        assert engine.ledger.topics.number("bob's secret") == -1
        assert engine.ledger.items.number("of-bob") == -1
        assert [one.topic for one in engine.interests("ann", at="2026-01-03")] == [one.topic for one in before]
        states = engine.ledger.states.as_bytes()
        engine.rebuild()
        assert engine.ledger.states.as_bytes() == states
    with Engine.open(sqlite_url) as engine:
        assert engine.ledger.topics.ids[:2] == ["tea", "shared"]
        assert "bob's secret" not in engine.ledger.topics
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"shared" in kept
    assert b"bob's secret" not in kept


def test_interests_as_of_a_moment_are_byte_for_byte_what_was_served_then(open_engine):
    """Later events, of the user and of others, and topics that nobody knew then change no digit."""
    toy = toy_log(n_users=6, days=80)
    items = [event for event in toy.events if event["type"] == "item"]
    events = sorted((event for event in toy.events if event["type"] != "item"), key=lambda event: event["at"])
    half = len(events) // 2
    at = events[half - 1]["at"]
    engine = open_engine()
    engine.ingest([*items, *events[:half]])
    engine.fit(["tracker"])
    served = {user: repr(engine.interests(user, at=at)) for user in USERS}
    assert any("Interest(" in text for text in served.values())
    engine.ingest(events[half:])
    engine.ingest({"type": "like", "user_id": "stranger", "topics": ["brand new"], "at": events[-1]["at"]})
    assert {user: repr(engine.interests(user, at=at)) for user in USERS} == served
    engine.rebuild()
    assert {user: repr(engine.interests(user, at=at)) for user in USERS} == served
