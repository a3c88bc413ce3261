from __future__ import annotations

import numpy as np

from penchant.domain.batch import EventBatch
from penchant.domain.stream import as_one_user, shuffled
from penchant.domain.vocabulary import Vocabulary
from penchant.testing import as_rows


def batch_of():
    topics = [["a"], ["a", "b"], [], ["c"], ["b"]]
    rows = as_rows(
        {"event_id": str(i), "item_id": "x", "type": "view", "user_id": "ab"[i % 2], "topics": given, "at": 10.0 * i}
        for i, given in enumerate(topics)
    )
    return EventBatch.from_rows(rows, np.arange(1, len(rows) + 1), Vocabulary(), Vocabulary("abc"))


def lists(batch):
    return [batch.topic[a:b].tolist() for a, b in zip(batch.topic_start, batch.topic_start[1:], strict=False)]


def test_events_of_two_become_those_of_one_in_the_given_order():
    batch = batch_of()
    batch.groups("user")  # what was remembered of the old users must not be found in the new batch
    one = as_one_user(batch, np.array([3, 0, 1]), "made", np.array([1.0, 2.0, 3.0]))
    assert one.groups("user")[0][0] == "made"
    assert one.groups("user")[0][1].tolist() == [0, 1, 2]
    assert (lists(one), one.at.tolist()) == ([[2], [0], [0, 1]], [1.0, 2.0, 3.0])
    assert (np.diff(one.position) > 0).all()
    assert as_one_user(batch, np.array([3, 0]), "made").at.tolist() == [30.0, 0.0]
    assert {user_id for user_id, _ in batch.groups("user")} == {"a", "b"}


def test_shuffling_moves_topics_and_leaves_times():
    batch = as_one_user(batch_of(), np.arange(5), "made")
    orders = set()
    for seed in range(20):
        mixed = shuffled(batch, np.random.default_rng(seed))
        assert mixed.at.tolist() == batch.at.tolist()
        assert sorted(lists(mixed)) == sorted(lists(batch))
        orders.add(str(lists(mixed)))
    assert len(orders) > 5
    assert lists(batch) == [[0], [0, 1], [], [2], [1]]
