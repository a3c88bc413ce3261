from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy import sparse

from penchant.evaluate import METRICS
from penchant.evaluate.peak import PeakMemory
from penchant.evaluate.ranking import Asked, ahead, gains, of_rows, padded, score_lists, top_lists
from penchant.evaluate.strata import LENGTHS, by_length, by_popularity, length_names, length_strata, popularity_strata
from penchant.math.top import top_n

RNG = np.random.default_rng(0)
#                     the item that is taken is first, second, not there
LISTS = {"good": np.array([[0, 1], [0, 1], [0, 3]], np.int32), "bad": np.array([[3, -1], [3, 1], [2, 3]], np.int32)}
ASKED = Asked([np.array([0]), np.array([1]), np.array([1])], np.array([7, 7, 8]), 4, np.array([6.0, 3.0, 1.0, 0.0]))
SECOND = 1 / np.log2(3)


def test_the_best_of_every_row_with_ties_to_the_lower_number():
    scores = np.round(np.random.default_rng(1).normal(size=(40, 30)), 1).astype(np.float32)
    scores[np.random.default_rng(2).random(scores.shape) < 0.3] = -np.inf
    scores[0] = -np.inf
    for depth in (1, 3, 29, 30, 31):
        found = top_lists(scores, depth)
        assert found.shape == (40, depth)
        for row in range(40):
            assert found[row][found[row] >= 0].tolist() == top_n(scores[row].astype(float), depth).tolist()
    assert top_lists(np.empty((2, 0), np.float32), 3).tolist() == [[-1] * 3] * 2
    assert top_lists(np.empty((0, 5), np.float32), 3).shape == (0, 3)


def test_a_list_is_cut_or_filled_up():
    assert padded(np.array([4, 2]), 3).tolist() == [4, 2, -1]
    assert padded(np.array([4, 2, 1]), 2).tolist() == [4, 2]


def test_ndcg_by_hand():
    values = gains(LISTS, ASKED, 2)
    assert values["good"] == pytest.approx([1.0, SECOND, 0.0])
    assert values["bad"] == pytest.approx([0.0, SECOND, 0.0])


def test_every_metric_of_every_model_with_an_interval():
    scored = score_lists(LISTS, ASKED, 2, RNG)
    assert set(scored) == {"good", "bad"}
    assert set(scored["good"]) == {f"{name}@2" for name in METRICS}
    assert scored["good"]["ndcg@2"].value == pytest.approx((1 + SECOND) / 3)
    assert scored["good"]["ndcg@2"].low <= scored["good"]["ndcg@2"].value <= scored["good"]["ndcg@2"].high
    assert set(score_lists(LISTS, ASKED, 1, RNG, ["mrr"])["bad"]) == {"mrr@1"}
    topics = sparse.csr_array(np.eye(4))
    with_topics = Asked(ASKED.relevant, ASKED.users, 4, ASKED.count, topics)
    assert score_lists(LISTS, with_topics, 2, RNG, ["diversity"])["good"]["diversity@2"].value == 1.0


def test_the_difference_is_on_the_same_queries():
    found = ahead(gains(LISTS, ASKED, 2), "bad", ASKED.users, RNG)
    assert set(found) == {"good"}
    assert found["good"].value == pytest.approx(1 / 3)
    assert (found["good"].low, found["good"].high) == (pytest.approx(0.0), pytest.approx(0.5))


def test_queries_that_cannot_be_answered_are_left_out():
    asked = Asked([np.array([0]), np.empty(0, np.int64), np.array([1])], ASKED.users, 4, ASKED.count)
    keep = asked.answerable
    assert keep.tolist() == [True, False, True]
    assert gains(of_rows(LISTS, keep), asked.only(keep), 2)["good"] == pytest.approx([1.0, 0.0])


def test_head_middle_and_tail_hold_a_third_each():
    count = np.array([0.0, 1, 1, 1, 1, 1, 1, 3, 3, 6, 0])
    strata = popularity_strata(count)
    assert strata.tolist() == [3, 2, 2, 2, 2, 2, 2, 1, 1, 0, 3]
    assert popularity_strata(np.zeros(3)).tolist() == [3, 3, 3]
    assert popularity_strata(np.empty(0)).size == 0


def test_a_stratum_counts_only_its_own_items_as_taken():
    asked = Asked(
        [np.array([0, 1]), np.array([1]), np.array([3])], np.array([7, 8, 9]), 4, np.array([6.0, 6.0, 6.0, 0.0])
    )
    counts, scored = by_popularity(LISTS, asked, 2, RNG)
    assert counts == {"head": 1, "middle": 2, "new": 1}
    assert scored["good"]["ndcg@2 head"].value == pytest.approx(1.0)
    assert scored["good"]["ndcg@2 middle"].value == pytest.approx(SECOND)  # second of both lists
    assert scored["bad"]["ndcg@2 new"].value == pytest.approx(SECOND)


def test_users_by_what_is_known_of_them():
    assert length_names() == ["0", "1-4", "5-19", "20-99", "100+"]
    assert length_strata(np.array(LENGTHS)).tolist() == [0, 1, 2, 3, 4]
    counts, scored = by_length(LISTS, ASKED, np.array([0, 3, 500]), 2, RNG)
    assert counts == {"0": 1, "1-4": 1, "100+": 1}
    assert scored["good"]["ndcg@2 0"].value == 1.0
    assert scored["good"]["ndcg@2 1-4"].value == pytest.approx(SECOND)
    assert scored["good"]["ndcg@2 100+"].value == 0.0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says it")
def test_peak_memory_is_that_of_the_block_alone():
    with PeakMemory() as peak:
        block = np.ones(8_000_000)  # 64 MB
        assert block.sum() > 0
        del block
    assert 55 < peak.mb < 120
    with PeakMemory() as peak:
        pass
    assert peak.mb < 30
