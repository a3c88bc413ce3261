from __future__ import annotations

import math

from penchant.profile.topics import MAX_ENTRIES, TopicCatalog
from penchant.testing import as_rows
from penchant.testing.learner_contract import Folding

LEARNER = TopicCatalog()


def folded(*events):
    given = [{"event_id": str(i), "type": "topic", "topics": ["tea"], **event} for i, event in enumerate(events)]
    return Folding(LEARNER).fold(as_rows(given), [1])


def test_the_parent_as_of_any_moment():
    folding = folded(
        {"parent": "food", "title": "Tea", "at": 30},
        {"parent": "drinks", "at": 10},  # late
        {"at": 40},  # to the top
    )
    names = folding.topics.ids
    state = LEARNER.decode(LEARNER.encode(folding.states["tea"]))
    read = {at: LEARNER.read(state, at) for at in (9.0, 10.0, 35.0, 50.0)}
    assert read[9.0] is None
    assert [(names[read[at].parent], read[at].title) for at in (10.0, 35.0)] == [("drinks", None), ("food", "Tea")]
    assert (read[50.0].parent, read[50.0].title) == (-1, "Tea")
    assert LEARNER.last_at(LEARNER.start()) == -math.inf


def test_parents_get_a_number_though_no_event_is_about_them():
    folding = folded({"parent": " drinks ", "at": 1}, {"topics": ["beer"], "parent": "drinks", "at": 1})
    assert folding.topics.ids == ["tea", "drinks", "beer"]
    assert sorted(folding.states) == ["beer", "tea"]


def test_the_newest_entries_are_kept_whatever_their_order():
    events = [{"parent": f"p{at}", "at": at} for at in range(MAX_ENTRIES + 5)]
    for given in (events, events[::-1]):
        folding = folded(*given)
        kept = [folding.topics.ids[entry.parent] for entry in folding.states["tea"]]
        assert kept == [f"p{at}" for at in range(5, MAX_ENTRIES + 5)]
