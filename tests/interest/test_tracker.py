from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from penchant.clock import DAY_S
from penchant.errors import FormatError
from penchant.interest.parameters import TrackerConfig, TrackerParameters
from penchant.interest.tracker import Tracker
from penchant.testing import as_rows
from penchant.testing.learner_contract import Folding

TWO_VIEWS = TrackerConfig(half_lives_days=(1.0, 2.0), short_view=0, negative_half_life_days=1.0)
PARAMETERS = TrackerParameters(np.array([1.0, 2.0]), np.array([[0.25, 0.75]]), np.array([1.0, 3.0]), np.empty(0))


def fold(tracker, *events):
    events = [{"event_id": str(i), "user_id": "ann", "item_id": "x", **event} for i, event in enumerate(events)]
    folding = Folding(tracker)
    folding.topics.add("a"), folding.topics.add("b"), folding.topics.add("c")
    return folding.fold(as_rows(events), [len(events)]).states["ann"]


def day(days):
    return days * DAY_S


def test_two_events_by_hand():
    tracker = Tracker(TWO_VIEWS, PARAMETERS)
    state = fold(
        tracker,
        {"type": "purchase", "topics": ["a"], "at": day(0)},
        {"type": "view", "topics": ["a", "b"], "at": day(1)},
    )
    # As of day 1: the purchase has halved at one day and lost a factor sqrt(2) at two; the view gives 1/8 each.
    assert state.topic.tolist() == [0, 1]
    assert state.evidence[:, :2] == pytest.approx(np.array([[0.625, 0.5**0.5 + 0.125], [0.125, 0.125]]), rel=1e-6)
    assert (state.evidence[:, 2].tolist(), state.last_at) == ([0.0, 0.0], day(1))
    # As of day 2, with a population of 1, 1 and 2.
    evidence = {"a": (0.3125, 0.5 + 0.125 * 0.5**0.5), "b": (0.0625, 0.125 * 0.5**0.5), "c": (0.0, 0.0)}
    q = {"a": 1.001 / 4.003, "b": 1.001 / 4.003, "c": 2.001 / 4.003}
    known = [sum(views[k] for views in evidence.values()) for k in (0, 1)]
    views = {c: [(evidence[c][k] + s * q[c]) / (known[k] + s) for k, s in ((0, 1.0), (1, 3.0))] for c in "abc"}
    reading = tracker.read(state, day(2), np.array([1.0, 1.0, 2.0]))
    assert reading.probability == pytest.approx([0.25 * views[c][0] + 0.75 * views[c][1] for c in "abc"], rel=1e-6)
    assert reading.short_term == pytest.approx([views[c][0] for c in "abc"], rel=1e-6)
    assert reading.long_term == pytest.approx([views[c][1] for c in "abc"], rel=1e-6)
    assert reading.evidence == pytest.approx([evidence[c][1] for c in "abc"], rel=1e-6)
    assert (reading.known_short, reading.known_long) == pytest.approx(known, rel=1e-6)


@pytest.mark.parametrize("half_life", [0.25, 1.0, 7.0, 720.0])
def test_after_a_half_life_half_is_left(half_life):
    tracker = Tracker(TrackerConfig(half_lives_days=(half_life,), short_view=0))
    state = fold(tracker, {"type": "like", "topics": ["a"], "at": day(10)})
    for n in (0, 1, 2, 10):
        assert tracker.views(state, day(10 + n * half_life))[0, 0] == pytest.approx(0.5**n, rel=1e-6)
    # Whether it is forgotten when read or when the next event comes makes no difference.
    later = fold(
        tracker,
        {"type": "like", "topics": ["a"], "at": day(10)},
        {"type": "search", "at": day(10 + 3 * half_life)},
    )
    assert tracker.views(later, later.last_at)[0, 0] == pytest.approx(0.125, rel=1e-6)


def test_a_user_without_events_is_the_population():
    tracker = Tracker(TWO_VIEWS, PARAMETERS)
    reading = tracker.read(tracker.start(), day(5), np.array([3.0, 1.0, 0.0]))
    expected = np.array([3.001 / 4.002, 1.001 / 4.002, 1e-7])
    for view in (reading.probability, reading.short_term, reading.long_term):
        assert view == pytest.approx(expected, rel=1e-6)
    assert (reading.known_long, reading.known_short, reading.evidence.sum()) == (0.0, 0.0, 0.0)


def test_the_prior_counts_as_many_events_as_its_strength():
    tracker = Tracker(
        TrackerConfig(half_lives_days=(1e6,), short_view=0),
        TrackerParameters(np.array([1e6]), np.ones((1, 1)), np.array([10.0]), np.empty(0)),
    )
    ten = fold(tracker, *[{"type": "purchase", "topics": ["a"], "at": 0} for _ in range(10)])
    # Ten events of one's own weigh as much as the prior: half way between 1 and the population's share.
    reading = tracker.read(ten, 0.0, np.array([0.0, 1e9, 0.0]))
    assert reading.probability[:2] == pytest.approx([0.5, 0.5], abs=1e-9)


def test_how_much_is_known_chooses_the_mixture():
    parameters = TrackerParameters(
        np.array([0.001, 1e6]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1e-9, 1e-9]), np.array([1.5])
    )
    config = TrackerConfig(half_lives_days=(0.001, 1e6), short_view=0)
    tracker = Tracker(config, parameters)
    one = [{"type": "purchase", "topics": ["a"], "at": day(0)}, {"type": "purchase", "topics": ["b"], "at": day(0.5)}]
    population = np.array([1.0, 1.0, 1.0])
    # The long view knows 1 event: below the edge the short view alone speaks; it has forgotten "a".
    little = tracker.read(fold(tracker, one[0]), day(0), population)
    assert little.probability == pytest.approx(little.short_term)
    much = tracker.read(fold(tracker, *one), day(0.5), population)
    assert much.known_long == pytest.approx(2.0)
    assert much.probability == pytest.approx(much.long_term)
    assert much.probability[:2] == pytest.approx([0.5, 0.5])
    assert much.short_term[0] == pytest.approx(0.0, abs=1e-6)


def test_a_statement_is_no_evidence():
    tracker = Tracker(TWO_VIEWS, PARAMETERS)
    folding = Folding(tracker)
    assert folding.fold(as_rows([{"type": "statement", "user_id": "ann", "topics": ["a"], "at": 0}]), [1]).states == {}


@pytest.mark.parametrize(
    ("event", "negative"),
    [
        ({"type": "dislike"}, 1.0),
        ({"type": "return"}, 1.0),
        ({"type": "hide"}, 1.0),
    ],
)
def test_what_speaks_against_a_topic_divides_its_probability(event, negative):
    tracker = Tracker(TWO_VIEWS, PARAMETERS)
    liked = {"type": "purchase", "topics": ["a"], "at": 0}
    against = {**event, "topics": ["a"], "at": 0}
    population = np.array([1.0, 1.0, 1.0])
    before = tracker.read(fold(tracker, liked), 0.0, population).probability
    state = fold(tracker, liked, against)
    assert state.evidence[:, -2].tolist() == [negative]
    after = tracker.read(state, 0.0, population).probability
    expected = before / np.array([1.0 + negative, 1.0, 1.0])
    assert after == pytest.approx(expected / expected.sum())
    # One negative half-life (a day) later half of the objection is left.
    before = tracker.read(fold(tracker, liked), day(1), population).probability
    expected = before / np.array([1.0 + negative / 2, 1.0, 1.0])
    assert tracker.read(state, day(1), population).probability == pytest.approx(expected / expected.sum())


def test_a_topic_one_only_speaks_against_falls_below_the_population():
    tracker = Tracker(TWO_VIEWS, PARAMETERS)
    state = fold(tracker, *[{"type": "dislike", "topics": ["c"], "at": 0} for _ in range(8)])
    probability = tracker.read(state, 0.0, np.ones(3)).probability
    assert probability[2] < 0.06 < probability[0]
    assert probability.sum() == pytest.approx(1.0)


def test_impressions_and_facts_are_no_evidence():
    tracker = Tracker(TWO_VIEWS, PARAMETERS)
    folding = Folding(tracker).fold(
        as_rows(
            [
                {"type": "impression", "user_id": "ann", "item_id": "x", "topics": ["a"], "at": 0},
                {"type": "user", "user_id": "ann", "topics": ["a"], "at": 0},
                {"type": "consent", "user_id": "ann", "topics": ["a"], "purpose": "share", "value": 1, "at": 0},
                {"type": "item", "item_id": "x", "topics": ["a"], "at": 0},
            ]
        ),
        [4],
    )
    assert folding.states == {}


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["view", "purchase", "dislike", "hide"]),
        st.integers(0, 400 * 24),
        st.sets(st.sampled_from("abc"), max_size=3),
        st.sampled_from([-1.0, 0.5, None]),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_matters_only_by_rounding(events, chance):
    tracker = Tracker()
    made = [
        {"type": kind, "at": hour * 3600, "topics": sorted(topics), "value": value}
        for kind, hour, topics, value in events
    ]
    in_order = fold(tracker, *sorted(made, key=lambda event: event["at"]))
    chance.shuffle(made)
    shuffled = fold(tracker, *made)
    population = np.array([5.0, 1.0, 3.0])
    at = in_order.last_at + DAY_S
    assert shuffled.last_at == in_order.last_at
    one, other = (tracker.read(state, at, population) for state in (in_order, shuffled))
    # What late events do not enter (rhythm, detection) moves the probability of the next topic alone.
    assert other.long_term == pytest.approx(one.long_term, rel=1e-5)
    assert other.short_term == pytest.approx(one.short_term, rel=1e-5)
    assert other.evidence == pytest.approx(one.evidence, rel=1e-5, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.floats(0, 2000))
def test_a_reading_is_three_distributions_and_reading_changes_nothing(events, wait):
    tracker = Tracker()
    made = [
        {"type": kind, "at": hour * 3600, "topics": sorted(topics), "value": value}
        for kind, hour, topics, value in events
    ]
    state = fold(tracker, *made)
    before = tracker.encode(state)
    population = np.array([0.0, 1.0, 3.0])
    given_population = population.copy()
    reading = tracker.read(state, state.last_at + wait * DAY_S, population)
    for view in (reading.probability, reading.short_term, reading.long_term):
        assert view.sum() == pytest.approx(1.0)
        assert (view > 0).all()
    assert (reading.evidence >= 0).all()
    assert tracker.encode(state) == before
    assert population.tolist() == given_population.tolist()


def test_the_topic_with_the_least_evidence_makes_room():
    tracker = Tracker(TrackerConfig(half_lives_days=(1.0, 1000.0), short_view=0, max_topics=8))
    weights = [5, 1, 4, 2, 6, 3, 7, 8]
    events = [
        {"type": "purchase", "topics": [f"t{i}"], "at": 0} for i, weight in enumerate(weights) for _ in range(weight)
    ]
    folding = Folding(tracker)
    rows = as_rows([{"event_id": str(i), "user_id": "ann", "item_id": "x", **event} for i, event in enumerate(events)])
    folding.fold(rows, [len(rows)])
    new = {"event_id": "new", "user_id": "ann", "item_id": "x", "type": "view", "topics": ["new"], "at": 1}
    state = folding.fold(as_rows([new]), [1]).states["ann"]
    names = [folding.topics.ids[topic] for topic in state.topic]
    assert names == ["t0", "new", "t2", "t3", "t4", "t5", "t6", "t7"]
    assert state.evidence[1, :2].tolist() == [0.25, 0.25]


def test_parameters_survive_as_bytes():
    parameters = TrackerParameters(
        np.array([1.0, 2.0]), np.random.default_rng(0).random((3, 2)), np.array([1.0, 500.0]), np.array([10.0, 40.0])
    )
    again = TrackerParameters.decode(parameters.encode())
    assert again.encode() == parameters.encode()
    assert again.weights.tolist() == parameters.weights.tolist()
    with pytest.raises(FormatError):
        TrackerParameters.decode(parameters.encode()[:-2])


def test_defaults_before_fit_are_a_distribution_that_prefers_slow_views():
    tracker = Tracker()
    learned = tracker.learned
    assert learned.weights.shape == (1, len(tracker.config.half_lives_days))
    assert learned.weights.sum() == pytest.approx(1.0)
    assert (np.diff(learned.weights[0]) > 0).all()
    assert not math.isnan(tracker.read(tracker.start(), 0.0, np.zeros(1)).probability[0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"half_lives_days": (1.0,)},  # the short view, number 1, is not there
        {"half_lives_days": ()},
        {"half_lives_days": (3.0, 1.0, 7.0)},
        {"half_lives_days": (0.0, 1.0, 7.0)},
        {"half_lives_days": (1.0, float("nan"), 7.0)},
        {"max_topics": 3},
        {"negative_half_life_days": 0},
        {"halflife": 3},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        TrackerConfig(**wrong)
