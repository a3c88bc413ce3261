from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reranking import asked, ranked

from penchant.domain.rules import BoundQuota, BusinessRulesConfig, Quota, Ruling, request_rules
from penchant.errors import ConfigError, UnknownNameError
from penchant.recommend import SOURCES
from penchant.recommend.rules import arranged, boosted


def query_of(m, n, out=(), **ruling):
    query = asked(topics=[[]] * m, n=n)
    query.allowed = np.ones(m, dtype=bool)
    query.allowed[list(out)] = False
    query.ruling = Ruling(**ruling)
    return query


def quota(kinds, **limits):
    """Return a quota over items whose kinds are given as lists."""
    start = np.cumsum([0, *(len(one) for one in kinds)])
    flat = np.array([kind for one in kinds for kind in one], dtype=np.int64)
    rule = Quota(when="x = 1", **limits) if "at_least" in limits else Quota(by="x", **limits)
    return BoundQuota(rule, start, flat)


def down(m):
    return ranked(*np.arange(m, 0.0, -1.0))


# -- Boost -------------------------------------------------------------------------------------------------------------


def test_scores_are_multiplied_and_the_parts_say_by_how_much():
    query = query_of(3, 3, factor=np.array([1.0, 2.0, 0.5]))
    answer, parts = boosted(query, ranked(3.0, 2.0, 1.0), {"popular": {0: 3.0, 1: 2.0, 2: 1.0}})
    assert answer.item.tolist() == [1, 0, 2]
    assert answer.score.tolist() == [4.0, 3.0, 0.5]
    assert parts["business_rules"] == {1: 2.0, 2: -0.5}


def test_a_boost_is_a_gain_below_zero_too():
    query = query_of(3, 3, factor=np.array([1.0, 3.0, 1.0]))
    answer, _ = boosted(query, ranked(1.0, -1.0, -2.0), {})  # counted from -2: 3, 1 * 3, 0
    assert answer.item.tolist() == [0, 1, 2]
    assert answer.score.tolist() == [1.0, 1.0, -2.0]


def test_without_a_boost_nothing_changes():
    listed = ranked(2.0, 1.0)
    assert boosted(query_of(2, 2), listed, {"popular": {}}) == (listed, {"popular": {}})


# -- Pins --------------------------------------------------------------------------------------------------------------


def order(query, listed):
    return arranged(query, listed).item.tolist()


def test_pinned_items_stand_in_their_places():
    assert order(query_of(6, 4, pins={0: 3, 2: 5}), down(6)) == [3, 0, 5, 1, 2, 4]


def test_a_pin_needs_no_source():
    answer = arranged(query_of(6, 3, pins={1: 5}), ranked(3.0, 2.0))
    assert (answer.item.tolist(), answer.score.tolist()) == ([0, 5, 1], [3.0, 0.0, 2.0])


def test_a_pin_behind_the_end_of_a_short_list_comes_last():
    assert order(query_of(6, 5, pins={3: 5}), ranked(2.0, 1.0)) == [0, 1, 5]


def test_what_may_not_come_is_not_pinned():
    assert order(query_of(4, 4, pins={0: 2}, out=[2]), ranked(2.0, 1.0)) == [0, 1]


# -- Quotas ------------------------------------------------------------------------------------------------------------


def test_at_most_so_many_of_each_value():
    kinds = [[0], [0], [0], [1], [0], [1], []]
    query = query_of(7, 5, quotas=(quota(kinds, at_most=2),))
    assert order(query, down(7)) == [0, 1, 3, 5, 6, 2, 4]


def test_when_the_kinds_are_used_up_the_list_is_shorter():
    query = query_of(5, 4, quotas=(quota([[0], [0], [0], [1], [1]], at_most=1),))
    assert order(query, down(5)) == [0, 3]


def test_a_pinned_item_uses_up_its_kind():
    query = query_of(5, 3, pins={2: 4}, quotas=(quota([[0], [0], [1], [1], [0]], at_most=1),))
    assert order(query, down(5)) == [2, 4]


def test_an_item_of_two_kinds_counts_for_both():
    query = query_of(4, 4, quotas=(quota([[0, 1], [1], [0], [2]], at_most=1),))
    assert order(query, down(4)) == [0, 3]


def test_at_least_so_many_take_the_lowest_places():
    query = query_of(6, 4, quotas=(quota([[], [], [], [], [0], [0]], at_least=2),))
    assert order(query, down(6)) == [0, 1, 4, 5, 2, 3]


def test_what_a_quota_needs_does_not_leave_for_another():
    wanted = (quota([[], [], [], [0], [], []], at_least=1), quota([[], [], [], [], [0], [0]], at_least=1))
    assert order(query_of(6, 4, quotas=wanted), down(6)) == [0, 1, 3, 4, 2, 5]


def test_at_least_and_at_most_together():
    kinds_of_size, kinds_new = [[0], [0], [1], [0], [1], [0]], [[], [], [], [], [], [0]]
    both = (quota(kinds_of_size, at_most=2), quota(kinds_new, at_least=1))
    # Item 5 is needed and is of the first kind, which is used up by 0 and 1: the lower of them leaves.
    assert order(query_of(6, 4, quotas=both), down(6)) == [0, 2, 4, 5, 1, 3]


@settings(deadline=None)
@given(st.data())
def test_limits_hold_and_nothing_is_made_up(data):
    m, n = data.draw(st.integers(0, 12)), data.draw(st.integers(1, 8))
    kinds = data.draw(st.lists(st.lists(st.integers(0, 2), unique=True, max_size=2), min_size=m, max_size=m))
    special = [[0] if data.draw(st.booleans()) else [] for _ in range(m)]
    most, least = data.draw(st.integers(0, 4)), data.draw(st.integers(1, 4))
    query = query_of(m, n, quotas=(quota(kinds, at_most=most), quota(special, at_least=least)))
    answer = order(query, down(m))
    head = answer[:n]
    assert len(set(answer)) == len(answer)
    assert set(answer) <= set(range(m))
    for kind in range(3):
        assert sum(kind in kinds[item] for item in head) <= most
    if most >= n:  # nothing stands in the way of the least number
        assert sum(map(len, (special[item] for item in head))) >= min(least, n, sum(map(len, special)))
    if len(head) == n:
        assert sorted(answer) == list(range(m))


# -- Whole rules -------------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(open_engine):
    """Opens an engine with twelve items of three departments, and rules."""

    def opened(**rules):
        engine = open_engine(components={"business_rules": rules, "pipeline": {"rerankers": [], "seen": "exclude"}})
        engine.ingest(
            {
                "type": "item",
                "item_id": f"i{i}",
                "topics": ["drinks" if i % 2 else "ALCOHOL"],
                "attributes": {"department": "ABC"[i % 3], "price": i, "own": i == 7},
                "at": "2026-01-01",
            }
            for i in range(12)
        )
        engine.ingest(
            {"type": "purchase", "user_id": f"u{u}", "item_id": f"i{i}", "at": "2026-02-01"}
            for u in range(12)
            for i in range(u)
        )
        return engine

    return opened


def ids(slate):
    return [one.item_id for one in slate]


def test_a_filter_in_the_request(shop):
    engine = shop()
    assert set(ids(engine.recommend("new", 12, filter="price < 6 and department in ('A', 'B')"))) == {
        "i0",
        "i1",
        "i3",
        "i4",
    }
    assert set(ids(engine.recommend("new", 12, filter="not topic = 'ALCOHOL'"))) == {f"i{i}" for i in range(1, 12, 2)}


@pytest.mark.parametrize("strategy", [None, *SOURCES])
def test_every_strategy_obeys(shop, strategy):
    engine = shop(filter="price > 2", exclude={"no alcohol": "topic = 'ALCOHOL'"})
    engine.fit(["item_knn", "taste"])
    found = set(ids(engine.recommend("u3", 12, strategy=strategy)))
    assert found <= {"i3", "i5", "i7", "i9", "i11"}


def test_rules_of_settings_and_request_hold_together(shop):
    engine = shop(filter="price > 2")
    assert set(ids(engine.recommend("new", 12, filter="price < 5"))) == {"i3", "i4"}


def test_explain_names_the_rule(shop):
    engine = shop(filter="price > 2", exclude={"no alcohol": "topic = 'ALCOHOL'"})
    told = engine.explain("new", "i4")
    assert (told.verdict, told.reason) == ("excluded", "Excluded by rule no alcohol")
    assert engine.explain("new", "i1").reason == "Excluded by rule only where price > 2"
    assert engine.explain("new", "i5").verdict == "recommended"


def test_explain_names_the_quota(shop):
    engine = shop(quota=[{"by": "department", "at_most": 1}])
    slate = engine.recommend("new", 10)
    assert len(slate) == 3
    told = engine.explain("new", next(f"i{i}" for i in range(12) if f"i{i}" not in ids(slate)))
    assert (told.verdict, told.reason) == ("excluded", "Excluded by rule at most 1 of each department")


def test_a_boost_in_the_request(shop):
    engine = shop()
    before = ids(engine.recommend("new", 12))
    slate = engine.recommend("new", 12, boost={"own = true": 100.0})
    assert before[0] != "i7" == slate[0].item_id
    assert slate[0].parts["business_rules"] > 0
    assert sum(slate[0].parts.values()) == pytest.approx(slate[0].score)
    assert slate[0].source in SOURCES
    assert engine.recommend("new", 12, boost={"own = true": 100.0}, strategy="popular")[0].item_id == "i7"


def test_a_pin_in_the_request(shop):
    engine = shop()
    for user in ("u9", "new"):  # u9 has bought it already
        slate = engine.recommend(user, 3, pin={"i7": 2})
        assert slate[1].item_id == "i7"
        assert (slate[1].source, slate[1].reason) == ("business_rules", "Placed here by a rule")
        assert len(slate) == 3
    assert engine.recommend("new", 3, pin={"i7": 1}, strategy="new")[0].item_id == "i7"
    muted = engine.recommend("new", 3, pin={"i7": 1}, filter="own = false")
    assert "i7" not in ids(muted)


def test_what_a_user_muted_is_not_pinned(shop):
    engine = shop(pin=[{"item_id": "i7", "position": 1}])
    assert ids(engine.recommend("new", 3))[0] == "i7"
    engine.mute("new", "drinks")
    assert "i7" not in ids(engine.recommend("new", 3))


def test_a_pin_of_the_request_takes_the_place_of_a_standing_one(shop):
    engine = shop(
        pin=[{"item_id": "i7", "position": 1}, {"item_id": "i6", "position": 2}, {"item_id": "no", "position": 3}]
    )
    assert ids(engine.recommend("new", 3))[:2] == ["i7", "i6"]
    first, second, third = ids(engine.recommend("new", 3, pin={"i8": 1, "i6": 3}))
    assert (first, third) == ("i8", "i6")
    assert second != "i7"  # it is recommended like any other now


def test_quotas_in_the_request(shop):
    engine = shop()
    slate = engine.recommend("new", 6, quota=[{"by": "topic", "at_most": 3}, {"when": "price > 9", "at_least": 2}])
    assert len(slate) == 6
    assert sum(int(one.item_id[1:]) % 2 == 0 for one in slate) == 3
    assert sum(int(one.item_id[1:]) > 9 for one in slate) == 2
    assert any("business_rules" in one.moves for one in slate)


def test_changed_attributes_count_at_once(shop):
    engine = shop(filter="price > 10")
    assert set(ids(engine.recommend("new"))) == {"i11"}
    engine.ingest({"type": "item", "item_id": "i2", "attributes": {"price": 99}})
    engine.ingest({"type": "item", "item_id": "fresh", "topics": ["drinks"], "attributes": {"price": 12}})
    assert set(ids(engine.recommend("new"))) == {"i11", "i2", "fresh"}
    engine.rebuild()
    assert set(ids(engine.recommend("new"))) == {"i11", "i2", "fresh"}


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"filter": "price <"}, ConfigError, "^filter, character 8: expected a number"),
        ({"filter": "pirce < 3"}, UnknownNameError, "no attribute of items named 'pirce'; known: age_days, department"),
        ({"boost": {"price < ": 2}}, ConfigError, "boost.0.when: filter, character 9"),
        ({"boost": {"price < 3": -1}}, ConfigError, "boost.0.factor: Input should be greater than 0"),
        ({"pin": {"i1": 0}}, ConfigError, "pin.0.position: Input should be greater than or equal to 1"),
        ({"pin": {"i1": 1, "i2": 1}}, ConfigError, "position 1 is pinned twice"),
        ({"pin": {"i99": 1}}, ConfigError, "pin: no event up to then has spoken of 'i99'"),
        ({"quota": [{"by": "department"}]}, ConfigError, "a quota needs at_most or at_least"),
        ({"quota": [{"at_most": 3}]}, ConfigError, "a quota needs when"),
        ({"quota": [{"by": "department", "at_least": 3}]}, ConfigError, "at_least takes when alone"),
        ({"quota": [{"when": "price > 1", "at_least": 3, "at_most": 2}]}, ConfigError, "at_least 3 is more than"),
        ({"quota": [{"by": "shelf", "at_most": 3}]}, UnknownNameError, "no attribute of items named 'shelf'"),
        ({"quota": [{"by": "item", "at_most": 3}]}, ConfigError, "a quota by item means nothing"),
        ({"quota": [{"per": "item"}]}, ConfigError, "quota.0.per: Extra inputs"),
    ],
)
def test_a_wrong_rule_is_refused_and_named(shop, given, error, words):
    with pytest.raises(error, match=words.replace("(", r"\(")):
        shop().recommend("new", **given)


def test_a_wrong_standing_rule_is_a_config_error(open_engine):
    with pytest.raises(ConfigError, match=r"components\.business_rules\.exclude: .*filter, character 9"):
        open_engine(components={"business_rules": {"exclude": {"odd": "price < "}}}).recommend("ann")


def test_rules_survive_as_settings():
    rules = request_rules("a = 1", {"b = 2": 2.0}, {"x": 1}, [{"by": "c", "at_most": 2}])
    assert BusinessRulesConfig(**rules.model_dump(mode="json")) == rules
    assert BusinessRulesConfig().and_of(rules) == rules
    assert str(rules.quota[0]) == "at most 2 of each c"
