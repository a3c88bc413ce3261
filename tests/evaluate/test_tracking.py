from __future__ import annotations

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.domain.batch import EventBatch
from penchant.domain.moment import moments
from penchant.domain.vocabulary import Vocabulary
from penchant.evaluate.tracking import ask, check_distribution, is_among, recalls, score, steady_topics
from penchant.interest.baselines import LastK, Popularity, Static
from penchant.interest.histogram import TOPIC_TYPES
from penchant.testing import as_rows

N_TOPICS = 30
CUT = 90 * DAY_S


def flat(_at):
    return np.ones(N_TOPICS)


def batch_of(*events):
    rows = as_rows(
        {"event_id": str(i), "item_id": "x", "type": "purchase", "user_id": "ann", **e} for i, e in enumerate(events)
    )
    vocabulary = Vocabulary(f"t{topic}" for topic in range(N_TOPICS))
    return EventBatch.from_rows(rows, np.arange(1, len(rows) + 1), Vocabulary(), vocabulary)


def asked(model, batch):
    return ask(model, batch, list(moments(batch, CUT, TOPIC_TYPES)), flat, CUT)


def last_k(k):
    model = LastK()
    model.k, model.strength = k, 0.5
    return model


@pytest.fixture(scope="module")
def life():
    """Ten topics, one a day in turn, five rarer ones; after the cut topic 20 comes every fifth day."""
    events = [{"topics": [f"t{day % 10}"], "at": day * DAY_S + 5.0} for day in range(120)]
    events += [{"topics": [f"t{10 + day // 3 % 5}"], "at": day * DAY_S + 7.0} for day in range(0, 120, 3)]
    events += [{"topics": ["t20"], "at": day * DAY_S + 9.0} for day in range(91, 120, 5)]
    return batch_of(*sorted(events, key=lambda event: event["at"]))


def test_a_new_topic_is_found_by_who_looks_at_what_is_new(life):
    assert asked(last_k(5), life).new == [(0, True)]
    assert asked(Static(), life).new == [(0, False)]  # fifteen topics are stronger


def test_a_topic_that_does_not_come_back_or_is_not_new_is_not_looked_for():
    events = [{"topics": [f"t{day % 3}"], "at": day * DAY_S} for day in range(120)]
    once = [{"topics": ["t9"], "at": 100.5 * DAY_S}, {"topics": ["t9"], "at": 103.5 * DAY_S}]
    batch = batch_of(*sorted(events + once, key=lambda event: event["at"]))
    assert asked(Static(), batch).new == []


def test_a_topic_is_looked_for_within_five_events_only(life):
    """The model below gives a topic its place eight events late: too late."""

    class Slow(LastK):
        def predict(self, state, at, population):
            return super().predict(None if state is None else state[:-8], at, population)

    slow = Slow()
    slow.k, slow.strength = 13, 0.5
    assert asked(slow, life).new == [(0, False)]
    assert asked(last_k(5), life).new == [(0, True)]


def test_steady_topics_come_in_each_third_and_are_the_ten_most_frequent(life):
    rows = np.flatnonzero(life.at < CUT)
    assert steady_topics(life, rows, CUT) == list(range(10))
    early = batch_of(*[{"topics": ["t1" if day < 31 else "t2"], "at": day * DAY_S} for day in range(90)])
    assert steady_topics(early, np.arange(90), CUT) == []
    assert steady_topics(life, rows[:2], CUT) == []


def test_steady_topics_are_kept_by_who_forgets_nothing(life):
    kept = asked(Static(), life).kept
    assert len(kept) == 10
    assert sum(hit for _, hit in kept) == 10
    assert sum(hit for _, hit in asked(last_k(3), life).kept) < 10


def test_recalls_are_shares():
    batch = batch_of(*[{"topics": ["t1"], "at": day * DAY_S} for day in range(120)])
    scored = recalls({"static": asked(Static(), batch)}, np.random.default_rng(0))["static"]
    assert scored["stability_recall@10"].value == 1.0
    assert np.isnan(scored["novelty_recall@10"].value)


def test_skill_is_against_the_references(life):
    models = {"static": asked(Static(), life), "popularity": asked(Popularity(), life)}
    scored = score(models, ("static", "popularity"), np.random.default_rng(0))
    assert scored["static"]["log_loss_below_static"].value == 0.0
    assert scored["static"]["brier_skill"].value == 0.0
    gained = scored["static"]["log_loss_below_popularity"].value
    assert gained == pytest.approx(-scored["popularity"]["log_loss_below_static"].value)
    assert gained == pytest.approx(scored["popularity"]["log_loss"].value - scored["static"]["log_loss"].value)
    assert scored["popularity"]["log_loss"].value == pytest.approx(np.log(N_TOPICS))


def test_ties_count_half():
    assert not is_among(np.full(N_TOPICS, 1 / N_TOPICS), 0)
    assert is_among(np.full(19, 1 / 19), 0)
    assert not is_among(np.arange(30.0), 19)
    assert is_among(np.arange(30.0), 20)


@pytest.mark.parametrize("said", [np.array([0.5, 0.6]), np.array([1.2, -0.2]), np.array([np.nan, 1.0])])
def test_what_is_no_distribution_is_refused(said):
    with pytest.raises(ValueError, match="no distribution"):
        check_distribution(said)
