"""Statements and the topic hierarchy through the engine: interests, lists, reasons, the past, forgetting."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from penchant.collect.datasets import open_dataset
from penchant.collect.importer import open_reader
from penchant.collect.mapping_frame import map_frame
from penchant.collect.one_per import one_per
from penchant.collect.sources.contract import Place
from penchant.errors import ConfigError, NotInstalledError

TOPICS = {
    "green tea": ["g1", "g2"],
    "black tea": ["b1", "b2"],
    "coffee": ["c1", "c2"],
    "bread": ["r1", "r2"],
}


def day(n):
    return f"2026-01-{n:02}"


@pytest.fixture
def shop(open_engine):
    """Four topics with two items each; ann buys coffee, bob tea, cid bread; tea and coffee lie under drinks."""

    def opened(url="memory", **components):
        engine = open_engine(url, components={"pipeline": {"seen": "allow"}, **components})
        items = [
            {"type": "item", "item_id": item, "title": item.upper(), "topics": [topic], "at": day(1)}
            for topic, its in TOPICS.items()
            for item in its
        ]
        items.append({"type": "item", "item_id": "mix", "topics": ["black tea", "bread"], "at": day(1)})
        items.append({"type": "item", "item_id": "mix2", "topics": ["bread", "black tea"], "at": day(1)})
        tree = [("green tea", "tea"), ("black tea", "tea"), ("tea", "drinks"), ("coffee", "drinks")]
        topics = [{"type": "topic", "topics": [name], "parent": above, "at": day(2)} for name, above in tree]
        bought = [("ann", "c1"), ("ann", "c2"), ("bob", "g1"), ("bob", "b2"), ("cid", "r1"), ("cid", "r2")]
        deeds = [
            {"type": "purchase", "user_id": user, "item_id": item, "at": day(3 + i)}
            for i in range(4)
            for user, item in bought
        ]
        receipt = engine.ingest([*items, *topics, *deeds])
        assert receipt.refused == 0
        return engine

    return opened


def interest(engine, topic, user="ann", at="2026-01-20", **kwargs):
    return next((one for one in engine.interests(user, 50, at, **kwargs) if one.topic == topic), None)


def items(engine, user="ann", at="2026-01-20", n=20):
    return [one.item_id for one in engine.recommend(user, n, at)]


def test_a_liking_of_what_nobody_saw_coming_is_an_interest(shop):
    engine = shop()
    assert interest(engine, "bread") is None
    engine.say("ann", "bread", at=day(20))
    said = interest(engine, "bread")
    assert said.stated == 1.0
    assert said.stated_until is None
    assert not said.muted
    assert said.probability == pytest.approx(interest(engine, "coffee").probability)
    (evidence,) = said.evidence
    assert (evidence.type, evidence.share, evidence.item_id) == ("statement", 1.0, None)
    assert said.interval[0] <= said.probability <= said.interval[1]
    assert said.trend_interval[0] < said.trend < said.trend_interval[1]


def test_a_dislike_sinks_whatever_was_done(shop):
    engine = shop()
    before = interest(engine, "coffee").probability
    engine.say("ann", "coffee", -1, at=day(20))
    assert interest(engine, "coffee").probability < 0.01 < before
    # Doing it again does not undo it; time does.
    engine.ingest(
        [{"type": "purchase", "user_id": "ann", "item_id": "c1", "at": f"2026-01-20T0{i}:00Z"} for i in (1, 2)]
    )
    assert interest(engine, "coffee", at=day(21)).probability < 0.02
    later = interest(engine, "coffee", at="2028-06-01")
    assert later.stated == pytest.approx(-(2 ** (-863 / 180)))
    assert later.probability > 0.1


def test_the_newest_word_counts_and_nothing_is_known_before_it_is_said(shop):
    engine = shop()
    engine.say("ann", "bread", -1, at=day(22))
    engine.say("ann", "bread", 1, at=day(20))  # late
    assert interest(engine, "bread", at=day(19)) is None
    assert interest(engine, "bread", at=day(21)).stated > 0
    assert interest(engine, "bread", at=day(23)).stated < 0
    engine.say("ann", "bread", 0, at=day(24))
    assert interest(engine, "bread", at=day(25)) is None
    assert interest(engine, "bread", at=day(23)).stated < 0


def test_a_passing_interest(shop):
    engine = shop()
    engine.say("ann", "bread", scope="now", at=day(20))
    said = interest(engine, "bread")
    assert said.stated_until == datetime(2026, 1, 27, tzinfo=UTC)
    assert said.short_term > 2 * said.long_term
    assert interest(engine, "bread", at=day(22)).stated == pytest.approx(0.25)
    assert interest(engine, "bread", at=day(27)) is None
    engine.say("ann", "green tea", scope="now", until=day(21), at=day(20))
    assert interest(engine, "green tea").stated_until == datetime(2026, 1, 21, tzinfo=UTC)
    assert interest(engine, "green tea", at=day(21)) is None


def test_lists_follow_what_is_said(shop):
    engine = shop()
    before = items(engine)
    engine.say("ann", "green tea", at=day(20))
    after = items(engine)
    assert after.index("g1") + after.index("g2") < before.index("g1") + before.index("g2")
    top = engine.recommend("ann", 1, day(20), strategy="interest", exclude=["c1", "c2"])[0]
    assert top.item_id in ("g1", "g2")
    assert top.reason == "You said that you like green tea"
    rows = engine.ledger.events()
    statement = rows.filter(pl.col("type") == "statement")["event_id"].item()
    assert top.evidence == (statement,)
    engine.say("ann", "green tea", -1, at=day(21))
    engine.say("ann", "tea", 1, at=day(21))
    assert engine.recommend("ann", 1, day(21), strategy="interest", exclude=["c1", "c2"])[0].reason == (
        "You said that you like tea"
    )


def test_what_is_muted_is_not_recommended_but_known(shop):
    engine = shop()
    engine.say("ann", "bread", scope="mute", at=day(20))
    assert set(items(engine)) & {"r1", "r2", "mix", "mix2"} == {"mix"}  # the first topic counts
    assert {"r1", "mix2"} <= set(items(engine, at=day(19)))
    verdict = engine.explain("ann", "r1", day(25))
    assert (verdict.verdict, verdict.reason) == ("excluded", "bread: muted by the user on 2026-01-20")
    assert engine.explain("ann", "mix2", day(25)).reason == "bread: muted by the user on 2026-01-20"
    assert engine.explain("ann", "mix", day(25)).verdict != "excluded"
    assert engine.explain("cid", "r1", day(25)).verdict != "excluded"
    said = interest(engine, "bread")
    assert said.muted
    assert said.stated is None
    assert said.evidence == ()
    engine.ingest({"type": "purchase", "user_id": "ann", "item_id": "r1", "at": day(21)})
    assert interest(engine, "bread", at=day(22)).probability > said.probability
    engine.say("ann", "bread", 0, scope="mute", at=day(23))
    assert "r2" in items(engine, at=day(24))
    assert not interest(engine, "bread", at=day(24)).muted


def test_all_topics_muted_and_whole_branches(shop):
    engine = shop()
    engine.say("ann", "bread", scope="mute", at=day(20))
    engine.say("ann", "tea", scope="mute", until=day(25), at=day(21))
    assert set(items(engine, at=day(22))) == {"c1", "c2"}
    assert engine.explain("ann", "g1", day(22)).reason == "green tea: muted by the user on 2026-01-21"
    assert engine.explain("ann", "mix", day(22)).reason == "black tea: muted by the user on 2026-01-21"
    assert {"g1", "b1"} <= set(items(engine, at=day(25)))
    assert {one.topic for one in engine.interests("ann", 50, day(22)) if one.muted} == {"tea", "bread"}
    engine.say("bob", "drinks", scope="mute", at=day(20))
    assert all(one.muted for one in engine.interests("bob", 50, day(22)))


def test_mute_and_unmute_speak_of_now(open_engine):
    engine = open_engine()
    engine.ingest({"type": "item", "item_id": "c1", "topics": ["coffee"], "at": day(1)})
    assert [one.item_id for one in engine.recommend("ann")] == ["c1"]
    assert engine.mute("ann", "coffee").accepted == 1
    assert engine.recommend("ann") == []
    assert engine.unmute("ann", "coffee").accepted == 1
    assert [one.item_id for one in engine.recommend("ann")] == ["c1"]
    assert engine.mute("ann", "coffee", until="2000-01-01").reasons == {"until is not after at": 1}
    with pytest.raises(ConfigError, match="until: not an ISO 8601 time: 'soon'"):
        engine.mute("ann", "coffee", until="soon")


def test_a_user_of_whom_only_words_are_known(shop):
    engine = shop()
    engine.say("eve", "bread", at=day(20))
    assert [one.topic for one in engine.interests("eve", at=day(20))] == ["bread"]
    assert engine.profile("eve", day(20)).known
    assert engine.explain("eve", "r1", day(20)).recommendation.reason == "You said that you like bread"
    assert engine.interests("eve", at=day(19)) == []
    assert engine.interests("nobody", at=day(20)) == []


def test_settings_decide_how_it_fades(shop):
    engine = shop(statements={"always_half_life_days": 10})
    engine.say("ann", "bread", at=day(1))
    assert interest(engine, "bread", at=day(11)).stated == pytest.approx(0.5)
    with pytest.raises(ConfigError, match=r"components\.statements\.now_half_life_days"):
        shop(statements={"now_half_life_days": -1})


def test_statements_survive_a_restart_and_are_erased_with_their_user(shop, open_engine, sqlite_url):
    engine = shop(sqlite_url)
    engine.say("ann", "secret garden", at=day(20))
    engine.say("ann", "bread", scope="mute", at=day(20))
    engine.checkpoint()
    answers = engine.interests("ann", 50, day(21), level=0), engine.interests("ann", 50, day(21))
    before = engine.ledger.states.as_bytes()
    engine.close()
    engine = open_engine(sqlite_url, components={"pipeline": {"seen": "allow"}})
    assert (engine.interests("ann", 50, day(21), level=0), engine.interests("ann", 50, day(21))) == answers
    engine.rebuild()
    assert engine.ledger.states.as_bytes() == before
    assert ("statements", "ann") in before
    engine.forget("ann")
    assert ("statements", "ann") not in engine.ledger.states.as_bytes()
    assert engine.ledger.topics.number("secret garden") == -1
    assert engine.interests("ann", 50, day(21)) == []
    assert {"r1", "r2"} <= set(items(engine, at=day(21)))
    # The catalogue of topics speaks of these: they keep their names, though ann alone had used one of them.
    assert engine.ledger.topics.number("coffee") >= 0
    assert engine.ledger.topics.number("drinks") >= 0


def test_a_name_that_the_topic_catalogue_uses_outlives_its_user(open_engine):
    engine = open_engine()
    engine.ingest({"type": "topic", "topics": ["tea"], "parent": "drinks", "at": day(1)})
    engine.ingest(
        [{"type": "search", "user_id": "ann", "topics": [name], "at": day(2)} for name in ("drinks", "diary")]
    )
    engine.forget("ann")
    assert engine.ledger.topics.number("drinks") >= 0
    assert engine.ledger.topics.number("diary") == -1
    parents = engine.ledger.parents(1e12)
    assert engine.ledger.topics.ids[parents[engine.ledger.topics.number("tea")]] == "drinks"


# -- the hierarchy -----------------------------------------------------------------------------------------------------


def test_interests_by_level(shop):
    engine = shop()
    top = engine.interests("bob", at=day(20), level=0)
    assert [one.topic for one in top] == ["drinks"]
    leaves = engine.interests("bob", at=day(20))
    assert {one.topic for one in leaves} == {"green tea", "black tea"}
    assert top[0].probability > sum(one.probability for one in leaves)  # coffee is a drink too
    assert [one.topic for one in engine.interests("bob", at=day(20), level=1)] == ["tea"]
    deep = engine.interests("bob", at=day(20), level=5)
    assert [(one.topic, one.probability, one.evidence) for one in deep] == [
        (one.topic, one.probability, one.evidence) for one in leaves
    ]
    assert len(top[0].evidence) == 3
    assert top[0].evidence[0].item_id in ("g1", "b2")
    shares = [event.share for event in top[0].evidence]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == pytest.approx(1 / 8, abs=0.01)  # eight purchases of about the same age
    assert top[0].interval[0] < top[0].probability < top[0].interval[1]
    with pytest.raises(ConfigError, match="level is -1; at least 0"):
        engine.interests("bob", level=-1)
    assert engine.profile("bob", day(20), level=0).interests == tuple(top)


def test_all_of_the_top_is_all(shop):
    engine = shop()
    for user in ("ann", "bob", "cid"):
        for topic in ("drinks", "bread"):
            engine.say(user, topic, 0.001, at=day(19))  # names the branches, says next to nothing
    for user in ("ann", "bob", "cid"):
        everything = engine.interests(user, at=day(20), level=0)
        assert {one.topic for one in everything} == {"drinks", "bread"}
        for name in ("probability", "long_term", "short_term"):
            assert sum(getattr(one, name) for one in everything) == pytest.approx(1.0)


def test_the_hierarchy_is_that_of_the_moment(shop):
    engine = shop()
    engine.ingest({"type": "topic", "topics": ["coffee"], "at": day(10)})  # no drink any more
    assert [one.topic for one in engine.interests("ann", at=day(9), level=0)] == ["drinks"]
    assert [one.topic for one in engine.interests("ann", at=day(11), level=0)] == ["coffee"]
    engine.ingest({"type": "topic", "topics": ["coffee"], "parent": "hot", "at": day(8)})  # late
    assert [one.topic for one in engine.interests("ann", at=day(9), level=0)] == ["hot"]


def test_frames_and_single_events_give_the_same_tree(shop, open_engine):
    one, other = shop(), open_engine()
    frame = one.ledger.events()
    other.replay(frame)
    third = open_engine()
    for row in range(frame.height):
        third.replay(frame[row : row + 1])
    for engine in (other, third):
        assert engine.ledger.topics.ids == one.ledger.topics.ids
        assert np.array_equal(engine.ledger.parents(1e12), one.ledger.parents(1e12))
        assert engine.ledger.states.as_bytes() == one.ledger.states.as_bytes()


def test_a_cycle_in_the_log_does_no_harm(open_engine):
    engine = open_engine()
    edges = [("a", "b", 1), ("b", "c", 2), ("c", "a", 3)]
    engine.ingest([{"type": "topic", "topics": [low], "parent": high, "at": day(n)} for low, high, n in edges])
    engine.ingest({"type": "search", "user_id": "ann", "topics": ["a"], "at": day(4)})
    assert [one.topic for one in engine.interests("ann", at=day(5), level=0)] == ["c"]
    assert engine.ingest({"type": "topic", "topics": ["x"], "parent": "x"}).reasons == {
        "a topic cannot be its own parent": 1
    }


def test_departments_of_completejourney_make_up_everything(open_engine):
    try:
        source = open_dataset("completejourney")
    except NotInstalledError as error:
        pytest.skip(str(error))
    mapped = {}
    for role, part in source.mapping.parts():
        (file,) = source.files_of(part)
        reader = open_reader(part, file)
        chunks = one_per(part, reader, Place()) if part.one_per else reader.chunks(Place())
        mapped[role] = map_frame(part, role, next(iter(chunks)).frame, file.name).events
    engine = open_engine()
    deeds = mapped["events"].head(5_000)
    engine.ingest(mapped["items"].filter(pl.col("item_id").is_in(deeds["item_id"].unique().implode())))
    assert engine.ingest(mapped["topics"]).accepted == 303
    assert engine.ingest(deeds).refused == 0
    at = deeds["at"].max()
    parents = engine.ledger.parents(engine._when(at))
    roots = np.flatnonzero(parents < 0)
    ids = engine.ledger.topics.ids
    assert sum(ids[root].endswith(" DEPARTMENT") for root in roots) == 22
    user = deeds["user_id"].value_counts(sort=True)["user_id"][0]
    for root in roots:  # a word on every root, so that all of them are told of
        engine.say(user, ids[root], 1e-12, at=at)
    top = engine.interests(user, 1000, at, level=0)
    assert len(top) == roots.size
    assert sum(one.probability for one in top) == pytest.approx(1.0)
    leaves = engine.interests(user, 1000, at)
    mine = [one for one in leaves if parents[engine.ledger.topics.number(one.topic)] >= 0]
    assert len(mine) > 10
    best = max(mine, key=lambda one: one.probability)
    branch = ids[parents[engine.ledger.topics.number(best.topic)]]
    assert next(one for one in top if one.topic == branch).probability > best.probability
