from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import sparse

from penchant.domain.slate import Candidates
from penchant.recommend.spread import Spread, SpreadConfig


def reranked(topics, n, max_share=0.4):
    """Rerank items 0, 1, 2... whose main topics are given, None for none."""
    places = [(item, topic) for item, topic in enumerate(topics) if topic is not None]
    rows, columns = zip(*places, strict=True) if places else ((), ())
    width = max(columns, default=0) + 1
    table = sparse.csr_array((np.ones(len(places)), (rows, columns)), shape=(len(topics), width))
    ranked = Candidates(np.arange(len(topics)), np.arange(len(topics), 0, -1).astype(float))
    answer = Spread(SpreadConfig(max_share=max_share)).rerank(SimpleNamespace(n=n, item_topics=table), ranked)
    assert answer.score.tolist() == [len(topics) - item for item in answer.item.tolist()]  # scores go with their items
    return answer.item.tolist()


def test_a_topic_gets_its_share_and_the_others_move_up():
    # Of a list of 5 a topic gets 2 places.
    assert reranked([0, 0, 0, 0, 1, 1, 2, 0], n=5) == [0, 1, 4, 5, 6, 2, 3, 7]


def test_a_list_that_is_mixed_already_stays_as_it_is():
    assert reranked([0, 1, 2, 0, 1, 2], n=5) == list(range(6))


def test_items_without_topics_are_not_limited():
    assert reranked([None] * 6, n=5) == list(range(6))


def test_when_there_is_nothing_else_the_topic_fills_the_list():
    assert reranked([0] * 6, n=5) == list(range(6))
    assert reranked([0, 0, 0, 1, 0], n=5) == [0, 1, 3, 2, 4]


def test_a_share_of_one_changes_nothing():
    assert reranked([0, 0, 0, 0, 1, 1, 2, 0], n=5, max_share=1.0) == list(range(8))


def test_even_the_smallest_share_leaves_one_place():
    assert reranked([0, 0, 1, 1, 2, 2], n=3, max_share=0.01) == [0, 2, 4, 1, 3, 5]


def test_an_empty_list():
    assert reranked([], n=5) == []


@given(st.lists(st.none() | st.integers(0, 3), max_size=30), st.integers(1, 12), st.sampled_from([0.1, 0.34, 0.5, 1.0]))
def test_nothing_is_lost_and_no_topic_takes_more_than_its_share_while_others_wait(topics, n, max_share):
    order = reranked(topics, n, max_share)
    assert sorted(order) == list(range(len(topics)))
    limit = int(np.ceil(max_share * n))
    head, rest = order[:n], order[n:]
    for topic in set(topics) - {None}:
        taken = [item for item in head if topics[item] == topic]
        if len(taken) > limit:  # only when no item of a topic below its share was left over
            below = [
                item for item in rest if topics[item] is None or sum(topics[i] == topics[item] for i in head) < limit
            ]
            assert below == []
        # Within a topic the better one stays in front.
        assert [item for item in order if topics[item] == topic] == sorted(
            i for i, t in enumerate(topics) if t == topic
        )


@pytest.mark.parametrize("wrong", [{"max_share": 0}, {"max_share": 1.1}, {"share": 0.5}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        SpreadConfig(**wrong)
