"""Streams and measures where the right answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.domain.batch import EventBatch
from penchant.domain.stream import as_one_user
from penchant.domain.vocabulary import Vocabulary
from penchant.evaluate.adaptation import (
    CURVE_EVENTS,
    Tally,
    curve,
    events_to_adapt,
    kl_nats,
    measure,
    own_lives,
    scores,
    total_variation,
    trace,
)
from penchant.evaluate.splice import FIRST, SECOND, Times, divergence_bits, make_pairs, make_stream
from penchant.interest.baselines import LastK, Popularity, Static
from penchant.interest.histogram import TOPIC_TYPES
from penchant.testing import as_rows

N_TOPICS = 4
DAYS = 120
CUT, END = 60 * DAY_S, DAYS * DAY_S
TIMES = Times.within(CUT, END)


def flat(_at):
    return np.ones(N_TOPICS)


def log_of(users, a_day=4):
    """Users with ``a_day`` events a day, each always with the same topics in turn."""
    events = [
        {
            "event_id": f"{user}-{day}-{i}",
            "user_id": user,
            "item_id": "x",
            "type": "purchase",
            "topics": [f"t{topics[(day * a_day + i) % len(topics)]}"],
            "at": (day + (i + 1) / (a_day + 1)) * DAY_S,
        }
        for day in range(DAYS)
        for user, topics in users.items()
        for i in range(a_day)
    ]
    events.sort(key=lambda event: event["at"])
    rows = as_rows(events)
    vocabulary = Vocabulary(f"t{topic}" for topic in range(N_TOPICS))
    return EventBatch.from_rows(rows, np.arange(1, len(rows) + 1), Vocabulary(), vocabulary)


@pytest.fixture(scope="module")
def batch():
    return log_of({"ann": [0], "bob": [1]})


@pytest.fixture(scope="module")
def spliced(batch):
    return make_pairs(batch, flat, TIMES, TOPIC_TYPES, 2, frozenset(), 0)


def last_k(k, strength=0.1):
    model = LastK()
    model.k, model.strength = k, strength
    return model


def static(strength=0.1):
    model = Static()
    model.strength = strength
    return model


def measured(model, spliced, oracle=None, shuffled_loss=None):
    own = own_lives(model, spliced, flat)
    if oracle is None:
        oracle = {user_id: spliced.own[user_id].event_loss(life.p) for user_id, life in own.items()}
    return measure(model, spliced, flat, own, oracle, shuffled_loss)


def test_the_splices_are_at_midnights_inside_the_test_span():
    assert (TIMES.first, TIMES.middle, TIMES.second) == (80 * DAY_S, 90 * DAY_S, 100 * DAY_S)
    odd = Times.within(CUT + 12345.0, END)
    for at in (odd.first, odd.middle, odd.second):
        assert at % DAY_S == 0
        assert odd.cut < at < odd.end


def test_a_swap_is_the_first_user_until_the_splice_and_the_second_from_then_on(batch, spliced):
    pair = next(pair for pair in spliced.pairs if pair.first == "ann")
    assert pair.second == "bob"
    swap = pair.swap
    assert set(swap.before.topic.tolist()) == {0}
    assert (swap.before.at < TIMES.middle).all()
    assert {topic for part in swap.parts for topic in part.topic.tolist()} == {1}
    assert swap.at.min() >= TIMES.middle
    assert len(swap.before) + swap.n_events.sum() == len(batch) / 2
    assert {user for part in [swap.before, *swap.parts] for user in part.users} == {"ann"}


def test_away_and_back_again(spliced):
    back = next(pair.back for pair in spliced.pairs if pair.first == "ann")
    away = (back.at >= TIMES.first) & (back.at < TIMES.second)
    assert (back.owner[away] == SECOND).all()
    assert (back.owner[~away] == FIRST).all()
    for part, owner in zip(back.parts, back.owner.tolist(), strict=True):
        assert set(part.topic.tolist()) == {owner}
    assert away.sum() == 80


def test_a_burst_is_one_day_of_the_other_beside_ones_own(spliced):
    burst = next(pair.burst for pair in spliced.pairs if pair.first == "ann")
    foreign = burst.at[burst.owner == SECOND]
    assert foreign.size == 4
    assert (foreign // DAY_S == TIMES.middle // DAY_S).all()
    assert np.count_nonzero(burst.owner == FIRST) == 30 * 4


def test_gradually_the_other_takes_over(spliced):
    gradual = next(pair.gradual for pair in spliced.pairs if pair.first == "ann")
    foreign = gradual.owner == SECOND
    early, late = gradual.at < TIMES.middle + 5 * DAY_S, gradual.at >= TIMES.middle + 20 * DAY_S
    assert foreign[early].mean() < 0.4
    assert foreign[late].all()
    assert 0.3 < foreign[~late].mean() < 0.7


def test_shuffled_users_keep_their_topics():
    both = log_of({"ann": [0, 1, 2], "bob": [3]})
    pair = next(p for p in make_pairs(both, flat, TIMES, TOPIC_TYPES, 2, frozenset(), 0).pairs if p.first == "ann")
    topics = np.concatenate([pair.shuffle.before.topic, *[part.topic for part in pair.shuffle.parts]])
    assert np.bincount(topics).tolist() == [160, 160, 160]
    assert topics[:60].tolist() != [0, 1, 2] * 20
    assert pair.shuffle.at.min() >= CUT > pair.shuffle.before.at.max()


def test_nobody_is_twice_first_or_second_and_tuning_users_are_avoided():
    users = {f"u{i}": [i % N_TOPICS] for i in range(12)}
    batch = log_of(users, a_day=2)
    tuned = frozenset({"u0", "u1", "u2"})
    spliced = make_pairs(batch, flat, TIMES, TOPIC_TYPES, 5, tuned, 0)
    assert spliced.apart
    assert len(spliced.pairs) == 5
    for which in ("first", "second"):
        names = [getattr(pair, which) for pair in spliced.pairs]
        assert len(set(names)) == 5
        assert not tuned & set(names)
    assert all(pair.first != pair.second for pair in spliced.pairs)
    everybody = make_pairs(batch, flat, TIMES, TOPIC_TYPES, 12, frozenset(users), 0)
    assert not everybody.apart
    assert len(everybody.pairs) >= 11
    assert spliced.facts()["pairs"] == 5
    again = make_pairs(batch, flat, TIMES, TOPIC_TYPES, 5, tuned, 0)
    assert [(p.first, p.second) for p in again.pairs] == [(p.first, p.second) for p in spliced.pairs]


def test_as_many_events_are_asked_for_as_the_data_allow():
    rich = make_pairs(log_of({"ann": [0], "bob": [1]}, 4), flat, TIMES, TOPIC_TYPES, 2, frozenset(), 0)
    poor = make_pairs(log_of({"ann": [0], "bob": [1]}, 1), flat, TIMES, TOPIC_TYPES, 2, frozenset(), 0)
    assert (rich.least, poor.least) == (100, 20)
    assert make_pairs(log_of({"ann": [0]}), flat, TIMES, TOPIC_TYPES, 2, frozenset(), 0).pairs == []


def test_events_of_one_moment_are_asked_about_together():
    rows = as_rows(
        {"event_id": str(i), "user_id": "ann", "item_id": "x", "type": "view", "topics": [f"t{i}"], "at": at}
        for i, at in enumerate([1.0, 2.0, 2.0, 3.0])
    )
    batch = EventBatch.from_rows(rows, np.arange(1, 5), Vocabulary(), Vocabulary(f"t{i}" for i in range(4)))
    stream = make_stream(as_one_user(batch, np.arange(4), "ann"), 2.0)
    assert (stream.n_events.tolist(), stream.event_moment.tolist(), len(stream.before)) == ([2, 1], [0, 0, 1], 1)
    p = np.array([[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25]])
    assert stream.event_loss(p) == pytest.approx(-np.log([0.2, 0.3, 0.25]))
    said = trace(static(), stream, flat)
    assert said.p.shape == (2, 4)
    assert said.p[0].argmax() == 0  # only the first event was known then
    assert said.alarms is None


def test_a_histogram_of_all_time_needs_as_many_events_as_it_has_seen(spliced):
    one = measured(static(), spliced)
    rows = {name: [value for _, value, _ in values] for name, values in one.tally.rows.items()}
    # 360 events before the splice, 120 after: half-way in probability is out of reach.
    assert rows["never_adapt_tv_50"] == [1.0, 1.0]
    assert rows["adapt_tv_50"] == [121.0, 121.0]
    # By KL: half-way from p = s/4 / (360 + s) to nearly 1 is the root of it.
    start = 0.025 / 360.1
    expected = next(n for n in range(1, 400) if (n + 0.025) / (360.1 + n) > math.sqrt(start))
    assert rows["adapt_50"] == pytest.approx([expected, expected], abs=2)


@pytest.mark.parametrize("k", [10, 20, 50])
def test_the_last_k_need_half_of_k(spliced, k):
    rows = measured(last_k(k), spliced).tally.rows
    assert [value for _, value, _ in rows["adapt_tv_50"]] == pytest.approx([k / 2, k / 2], abs=1)


def test_the_popular_has_nothing_to_adapt_and_nothing_to_forget(spliced):
    tables = scores(measured(Popularity(), spliced), np.random.default_rng(0))
    assert math.isnan(tables["change"]["adapt_50"].value)
    assert tables["back"]["forgetting"].value == 0.0
    assert tables["burst"]["burst_error@30"].value == 0.0
    assert "detection" not in tables


def test_forgetting_is_what_coming_back_costs(spliced):
    forgetful = scores(measured(last_k(10), spliced), np.random.default_rng(0))["back"]
    faithful = scores(measured(static(), spliced), np.random.default_rng(0))["back"]
    # The last ten are all of the other: the first event back costs ln(p / p') = ln((10 + .025) / .025).
    first = math.log(10.025 / 0.025)
    assert forgetful["forgetting@30"].value > first / 30
    assert 0 < faithful["forgetting@30"].value < 0.3
    assert forgetful["return_50"].value == forgetful["away_50"].value
    assert forgetful["return_ratio"].value == pytest.approx(1.0)


def test_who_remembers_is_back_at_once(spliced):
    faithful = scores(measured(static(), spliced), np.random.default_rng(0))["back"]
    forgetful = scores(measured(last_k(10), spliced), np.random.default_rng(0))["back"]
    assert faithful["return_level_50"].value == 0.0 < faithful["away_50"].value
    assert forgetful["return_level_50"].value == forgetful["away_50"].value > 0


def test_regret_is_against_who_knows_the_splice(spliced):
    own = own_lives(static(), spliced, flat)
    oracle = {user_id: spliced.own[user_id].event_loss(life.p) for user_id, life in own.items()}
    slow = measured(static(), spliced, oracle)
    quick = measured(last_k(10), spliced, oracle)
    rng = np.random.default_rng(0)
    of = {name: scores(one, rng)["change"]["regret@50"].value for name, one in (("slow", slow), ("quick", quick))}
    assert 0 < of["quick"] < of["slow"]
    # By hand: the static model gives the n-th event of the other (n + s/4) / (360 + n + s).
    n = np.arange(50)
    expected = np.mean(np.log((360 + n + 0.025) / (360.1 + n)) - np.log((n + 0.025) / (360.1 + n)))
    assert of["slow"] == pytest.approx(expected, rel=1e-3)
    points = curve(slow)
    assert [x for x, _ in points][:3] == [3.0, 8.0, 13.0]
    assert len(points) == CURVE_EVENTS // 5
    assert points[0][1] > points[-1][1]


def test_nothing_upsets_a_static_model_on_shuffled_users_more_than_itself(spliced):
    one = measured(static(), spliced)
    shuffled_loss = [value for _, value, _ in one.tally.rows["shuffled_loss"]]
    again = measured(static(), spliced, shuffled_loss=shuffled_loss)
    assert scores(again, np.random.default_rng(0))["quiet"]["nervousness"].value == 0.0


class Alarmed(LastK):
    """Notes a change whenever the newest topic is another than the one before."""

    def changes(self, state):
        return np.flatnonzero(np.diff(state)).astype(np.float64)

    def n_changes(self, state):
        return int(np.count_nonzero(np.diff(state)))


def test_alarms_are_counted_from_the_splice(spliced):
    model = Alarmed()
    model.k = 1000
    tables = scores(measured(model, spliced), np.random.default_rng(0))["detection"]
    assert tables["found@50"].value == 1.0
    assert tables["delay_events"].value == 1.0
    assert tables["delay_days"].value == pytest.approx(0.2)
    assert tables["false_alarms_shuffled"].value == 0.0
    assert tables["alarms_unspliced"].value == 0.0
    assert tables["burst_alarms"].value == 1.0


def test_events_to_adapt():
    learned = np.array([0, 10, 20, 30])
    falling = np.array([4.0, 3.0, 2.0, 1.0])
    assert events_to_adapt(falling, np.full(4, 2.0), learned, 40, 0.5) == 10.0
    assert events_to_adapt(falling, np.zeros(4), learned, 40, 0.8) == 41.0
    assert events_to_adapt(falling, np.array([0.0, 0.0, 4.0, 0.0]), learned, 40, 0.5) == 20.0
    assert math.isnan(events_to_adapt(falling, np.full(4, 3.99), learned, 40, 0.5))
    assert math.isnan(events_to_adapt(np.empty(0), np.empty(0), np.empty(0, np.int64), 0, 0.5))


def test_distances():
    p, q = np.array([0.5, 0.5]), np.array([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]])
    assert kl_nats(p, q)[:2] == pytest.approx([0.0, 0.5 * math.log(2) + 0.5 * math.log(2 / 3)])
    assert kl_nats(p, q)[2] < 20  # a probability of 0 counts as the least one
    assert total_variation(p, q) == pytest.approx([0.0, 0.25, 0.5])
    assert divergence_bits(p, p) == pytest.approx(0.0)
    assert divergence_bits(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.0, 1.0], [0.5, 0.5]])) == pytest.approx(
        [1.0, 0.0]
    )


def test_a_tally_sums_and_leaves_out_what_is_not_known():
    tally = Tally()
    for pair, (value, weight) in enumerate([(2.0, 4.0), (4.0, 4.0), (float("nan"), 1.0)]):
        tally.add("x", pair, value, weight)
    rng = np.random.default_rng(0)
    assert tally.ratio("x", rng).value == 0.75
    assert tally.ratio("x", rng, 1000.0).value == 750.0
    assert tally.quantile("x", rng).value == 3.0
    assert tally.mean("x", rng).value == 3.0
    assert math.isnan(tally.mean("never added", rng).value)
