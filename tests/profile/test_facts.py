from __future__ import annotations

from penchant.clock import parse_moment, to_s
from penchant.domain.profile import Fact
from penchant.profile.facts import MAX_FACTS, Facts
from penchant.testing import as_rows
from penchant.testing.learner_contract import Folding

LEARNER = Facts()


def read_of(*events, at="2030-01-01"):
    events = [{"event_id": str(i), "type": "user", "user_id": "ann", **event} for i, event in enumerate(events)]
    state = Folding(LEARNER).fold(as_rows(events), [1]).states["ann"]
    return LEARNER.read(LEARNER.decode(LEARNER.encode(state)), to_s(parse_moment(at)))


def test_the_newest_word_counts_and_says_whose_it_is():
    facts = read_of(
        {"at": "2026-01-01", "facts": {"age": 30, "city": "Lyon"}},
        {"at": "2026-02-01", "facts": {"age": 31}, "context": {"source": "survey"}},
    )
    assert facts == {
        "age": Fact(31, "survey", parse_moment("2026-02-01")),
        "city": Fact("Lyon", "user event", parse_moment("2026-01-01")),
    }
    assert list(facts) == ["age", "city"]


def test_a_late_word_never_overwrites_a_newer_one():
    facts = read_of(
        {"at": "2026-02-01", "facts": {"age": 31}}, {"at": "2026-01-01", "facts": {"age": 30, "city": "Lyon"}}
    )
    assert {name: fact.value for name, fact in facts.items()} == {"age": 31, "city": "Lyon"}


def test_of_two_words_at_once_the_later_to_arrive_counts():
    facts = read_of({"at": "2026-01-01", "facts": {"age": 30}}, {"at": "2026-01-01", "facts": {"age": 31}})
    assert facts["age"].value == 31


def test_null_takes_a_fact_away_until_it_is_said_again():
    said, gone = {"at": "2026-01-01", "facts": {"age": 30}}, {"at": "2026-02-01", "facts": {"age": None}}
    assert read_of(said, gone) == {}
    assert read_of(gone, said) == {}  # the removal is newer, though it came first
    assert read_of(said, gone, {"at": "2026-03-01", "facts": {"age": 40}})["age"].value == 40


def test_any_json_value_may_be_a_fact():
    value = {"": [1, 2.5, None, {"deep": "é😀"}], "b": True, "big": 2**63 + 1, "small": -(2**63)}
    assert read_of({"at": "2026-01-01", "facts": {"": value}})[""].value == value


def test_so_many_facts_and_no_more():
    facts = read_of(
        {"at": "2026-01-01", "facts": {f"f{i:03}": i for i in range(MAX_FACTS + 50)}},
        {"at": "2026-01-02", "facts": {"f000": "new", "another": 1}},
    )
    assert len(facts) == MAX_FACTS
    assert facts["f000"].value == "new"
    assert "another" not in facts


def test_a_user_event_without_facts_is_no_trouble():
    assert read_of({"at": "2026-01-01"}, {"at": "2026-01-02", "text": "hello"}) == {}
