"""Which topics go together."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.errors import FormatError
from penchant.interest.companions import RIDGE, Companions, find_companions
from penchant.interest.tracker import Tracker
from penchant.testing import as_rows
from penchant.testing.learner_contract import Folding

TOPICS = ["tea", "cake", "bolts", "nuts", "rare"]


@pytest.fixture(scope="module")
def batch():
    """Forty users of tea and cake, forty of bolts and nuts, in two of whose baskets is something rare."""
    events = []
    for user in range(80):
        for topic in TOPICS[:2] if user < 40 else TOPICS[2:4]:
            events.append((user, topic))
    events += [(0, "rare"), (1, "rare")]
    folding = Folding(Tracker())
    for topic in TOPICS:
        folding.topics.add(topic)
    return folding.batch(
        as_rows(
            [
                {"event_id": str(i), "type": "view", "user_id": f"u{u}", "item_id": "x", "topics": [t], "at": i + 1.0}
                for i, (u, t) in enumerate(events)
            ]
        )
    )


def lean(found, *topics):
    mine = np.array(topics, dtype=np.int32)
    return found.lean(mine, np.ones(len(topics)), np.arange(len(TOPICS)))


def test_what_the_same_people_touch_goes_together(batch):
    found = find_companions(batch, np.inf, len(TOPICS), np.random.default_rng(0))
    tea = lean(found, 0)
    assert tea[1] > 0.2
    assert np.abs(tea[2:]).max() < 0.01
    assert tea[0] == 0.0  # a topic is no companion of itself
    assert found.topic.tolist() == [0, 1, 2, 3]  # two users say too little of the rare one


def test_the_weights_are_those_of_ridge_regression(batch):
    """Two topics that always come together, 40 users: each row is (1, 1) / sqrt(2)."""
    found = find_companions(batch, np.inf, len(TOPICS), np.random.default_rng(0))
    x = np.full((40, 2), np.sqrt(0.5))
    x[:2] = np.sqrt(1 / 3)  # the two with the rare topic are longer
    gram = x.T @ x + RIDGE * np.eye(2)
    inverse = np.linalg.inv(gram)
    assert found.weight[0, 1] == pytest.approx(-inverse[0, 1] / inverse[1, 1], rel=1e-5)


def test_only_what_came_before_counts(batch):
    assert find_companions(batch, 0.0, len(TOPICS), np.random.default_rng(0)).topic.size == 0
    early = find_companions(batch, 60.0, len(TOPICS), np.random.default_rng(0))
    assert set(early.topic.tolist()) == {0, 1}


def test_nothing_known_leans_nowhere(batch):
    found = find_companions(batch, np.inf, len(TOPICS), np.random.default_rng(0))
    assert not lean(Companions.none(), 0).any()
    assert not lean(found).any()
    assert not lean(found, 4).any()
    beyond = found.lean(np.array([0], np.int32), np.ones(1), np.array([1, 77]))
    assert beyond[0] > 0
    assert beyond[1] == 0


def test_topics_may_get_other_numbers_and_bytes_come_back(batch):
    found = find_companions(batch, np.inf, len(TOPICS), np.random.default_rng(0))
    moved = found.renumbered(np.array([3, 2, 1, -1, 0]))
    assert moved.topic.tolist() == [1, 2, 3]
    assert moved.lean(np.array([3], np.int32), np.ones(1), np.array([2]))[0] == pytest.approx(lean(found, 0)[1])
    again = Companions.decode(found.encode())
    assert lean(again, 0).tolist() == lean(found, 0).tolist()
    with pytest.raises(FormatError):
        Companions.decode(found.encode()[:-3])
