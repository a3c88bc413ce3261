from __future__ import annotations

import numpy as np
import pytest

from penchant.domain.hierarchy import KEPT, TopicEntry, TopicTree, parents_of


def entry(at, parent, position=0):
    return TopicEntry(float(at), position, parent, None)


def test_of_a_cycle_the_newest_edge_is_ignored():
    edges = [(0, entry(3, 1)), (1, entry(1, 2)), (2, entry(2, 0))]
    assert parents_of(edges, 3).tolist() == [-1, 2, 0]
    assert parents_of(edges[::-1], 3).tolist() == [-1, 2, 0]
    assert parents_of([(0, entry(1, 0))], 1).tolist() == [-1]


def test_edges_at_once_enter_in_the_order_of_the_log():
    assert parents_of([(0, entry(1, 1, position=2)), (1, entry(1, 0, position=1))], 2).tolist() == [-1, 0]
    assert parents_of([(0, entry(1, 1, position=1)), (1, entry(1, 0, position=2))], 2).tolist() == [1, -1]


def test_names_that_have_no_number_yet_are_passed_over():
    assert parents_of([(0, entry(1, 5)), (7, entry(1, 0)), (-1, entry(1, 0)), (1, entry(1, 0))], 2).tolist() == [-1, 0]


def test_a_tree_at_any_moment():
    tree = TopicTree({0: (entry(10, 1), entry(30, 2)), 1: (entry(20, 2),)})
    answers = {at: tree.parents(at, 3).tolist() for at in (5, 10, 20, 29.9, 30, 1e12)}
    assert answers == {
        5: [-1, -1, -1],
        10: [1, -1, -1],
        20: [1, 2, -1],
        29.9: [1, 2, -1],
        30: [2, 2, -1],
        1e12: [2, 2, -1],
    }
    assert tree.parents(15, 3) is tree.parents(16, 3)  # nothing changed in between
    assert tree.parents(15, 5).tolist() == [1, -1, -1, -1, -1]
    with pytest.raises(ValueError, match="read-only"):
        tree.parents(15, 3)[0] = 1


def test_a_tree_remembers_only_so_many_moments():
    tree = TopicTree({0: tuple(entry(at, 1) for at in range(3 * KEPT))})
    for at in range(3 * KEPT):
        assert tree.parents(at, 2).tolist() == [1, -1]
    assert len(tree._known) <= KEPT


def test_no_catalogue_no_parents():
    parents = TopicTree({}).parents(0.0, 2)
    assert (parents.tolist(), parents.dtype) == ([-1, -1], np.int32)
