from __future__ import annotations

from penchant.domain.item import Item
from penchant.profile.catalog import MAX_ATTRIBUTES, CatalogLearner
from penchant.testing import as_rows
from penchant.testing.learner_contract import Folding

LEARNER = CatalogLearner()


def item_of(*events):
    events = [{"event_id": str(i), "type": "item", "item_id": "tea", **event} for i, event in enumerate(events)]
    return Folding(LEARNER).fold(as_rows(events), [len(events)]).states["tea"]


FIRST = {"at": 100, "title": "Tea", "topics": ["drinks"], "attributes": {"price": 3, "colour": "green"}}


def test_the_first_word_on_an_item():
    assert item_of(FIRST) == Item("tea", "Tea", ("drinks",), {"price": 3, "colour": "green"}, 100.0, 100.0)
    assert item_of({"at": 5}) == Item("tea", None, (), {}, 5.0, 5.0)


def test_what_an_event_leaves_out_stays_as_it_was():
    item = item_of(FIRST, {"at": 200, "attributes": {"price": 4, "size": "L"}})
    assert item == Item("tea", "Tea", ("drinks",), {"price": 4, "colour": "green", "size": "L"}, 100.0, 200.0)
    item = item_of(FIRST, {"at": 200, "title": "Green tea", "topics": ["tea", "drinks"]})
    assert item == Item("tea", "Green tea", ("tea", "drinks"), {"price": 3, "colour": "green"}, 100.0, 200.0)


def test_a_late_word_only_shows_that_the_item_is_older():
    item = item_of(FIRST, {"at": 50, "title": "Old tea", "topics": ["old"], "attributes": {"price": 1, "new": 1}})
    assert item == Item("tea", "Tea", ("drinks",), {"price": 3, "colour": "green"}, 50.0, 100.0)


def test_so_many_attributes_and_no_more():
    many = {f"a{i}": i for i in range(MAX_ATTRIBUTES - 1)}
    item = item_of({"at": 1, "attributes": many}, {"at": 2, "attributes": {"a0": "new", "one": 1, "two": 2}})
    assert len(item.attributes) == MAX_ATTRIBUTES
    assert (item.attributes["a0"], item.attributes["one"], item.attributes.get("two")) == ("new", 1, None)


def test_an_item_survives_as_bytes():
    item = item_of({**FIRST, "attributes": {"": {"": None}, "é": ["😀", 2**63, -1.5]}})
    assert LEARNER.decode(LEARNER.encode(item)) == item
    assert LEARNER.decode(LEARNER.encode(None)) is None
