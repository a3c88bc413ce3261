from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.profile.consent import (
    MAX_WORDS,
    ConsentConfig,
    ConsentLearner,
    ConsentState,
    is_allowed,
    source_of,
    with_word,
)

SILENCE = ConsentConfig()
ASKED = ConsentConfig(needed=("collect", "personalise"))


def payload(purpose: Any, source: str | None = None, **context: Any) -> str:
    more = {**context, **({"source": source} if source else {})}
    return msgspec.json.encode({"purpose": purpose, "context": more}).decode()


def state_of(*words: tuple[Any, ...]) -> ConsentState:
    """Return the state after words ``(at, purpose, value[, source])`` in the order of the log."""
    state = ConsentState()
    for position, (at, purpose, value, *source) in enumerate(words, 1):
        state = with_word(state, payload(purpose, *source), value, at, position)
    return state


@pytest.mark.parametrize(
    ("words", "asked", "allowed"),
    [
        ((), ("collect", None), True),
        (((1, "collect", 0),), ("collect", None), False),
        (((1, "collect", 0),), ("collect", "web"), False),
        (((1, "collect", 0),), ("share", None), True),
        (((1, "collect", 0), (2, "collect", 1)), ("collect", None), True),
        (((2, "collect", 0), (1, "collect", 1)), ("collect", None), False),
        (((1, "collect", 1), (1, "collect", 0)), ("collect", None), False),
        (((1, "collect", 0, "web"),), ("collect", "web"), False),
        (((1, "collect", 0, "web"),), ("collect", "app"), True),
        # Asked about data of any source, one refusal refuses: what was learned cannot be taken apart.
        (((1, "personalise", 0, "web"),), ("personalise", None), False),
        (((1, "personalise", 0, "web"), (2, "personalise", 1)), ("personalise", None), True),
        (((1, "personalise", 0, "web"), (2, "personalise", 1)), ("personalise", "web"), True),
        (((1, "personalise", 0), (2, "personalise", 1, "web")), ("personalise", "web"), True),
        (((1, "personalise", 0), (2, "personalise", 1, "web")), ("personalise", None), False),
        (((1, "collect", float("nan")),), ("collect", None), False),
        (((1, "collect", 0.5),), ("collect", None), False),
        (((1, "unheard of", 0),), ("collect", None), True),
        (((1, ["collect"], 0),), ("collect", None), True),
    ],
)
def test_the_newest_word_counts(words: Any, asked: tuple[str, str | None], allowed: bool) -> None:
    assert is_allowed(state_of(*words), *asked, SILENCE) is allowed


def test_where_agreement_is_needed_silence_is_none() -> None:
    assert not is_allowed(None, "collect", None, ASKED)
    assert not is_allowed(state_of((1, "collect", 1, "web")), "collect", "app", ASKED)
    assert is_allowed(state_of((1, "collect", 1, "web")), "collect", "web", ASKED)
    assert is_allowed(state_of((1, "collect", 1)), "collect", None, ASKED)
    assert is_allowed(None, "share", None, ASKED)


@settings(deadline=None, max_examples=100)
@given(
    words=st.lists(
        st.tuples(
            st.integers(0, 3), st.sampled_from(["collect", "share"]), st.sampled_from([0.0, 1.0]),
            st.sampled_from(["", "web", "app"]),
        ),
        max_size=4,
    )
)  # fmt: skip
def test_the_order_of_arrival_does_not_matter(words: list[tuple[Any, ...]]) -> None:
    numbered = list(enumerate(words, 1))
    states = []
    for order in itertools.permutations(numbered):
        state = ConsentState()
        for position, (at, purpose, value, source) in order:
            state = with_word(state, payload(purpose, source), value, at, position)
        states.append(ConsentLearner().encode(state))
    assert len(set(states)) == 1


def test_what_is_forgotten_allows_nothing() -> None:
    given_first = [(i, "collect", 1, f"yes-{i}") for i in range(MAX_WORDS)]
    state = state_of(*given_first, (1000, "collect", 0, "no"))
    assert len(state.words) == MAX_WORDS
    assert not is_allowed(state, "collect", "no", SILENCE)
    refused = state_of(*((i, "collect", 0, f"no-{i}") for i in range(MAX_WORDS + 1)))
    assert len(refused.words) <= MAX_WORDS
    for source in (None, "no-0", f"no-{MAX_WORDS}", "another"):
        assert not is_allowed(refused, "collect", source, SILENCE)


def test_a_word_keeps_its_text_its_version_and_its_evidence() -> None:
    said = msgspec.json.encode(
        {"purpose": "share", "text": "x" * 5000, "context": {"version": 3, "evidence": "form 17", "source": "web"}}
    ).decode()
    learner = ConsentLearner()
    state = learner.decode(learner.encode(with_word(ConsentState(), said, 1.0, 60.0, 1)))
    (word,) = learner.read(state, 60.0)
    assert (word.purpose, word.source, word.given, word.version, word.evidence) == (
        "share",
        "web",
        True,
        "3",
        "form 17",
    )
    assert word.text == "x" * 2000


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{}",
        '{"context": {}}',
        '{"context": {"source": 3}}',
        '{"title": "\\"source\\""}',
        '{"context": ["source"]}',
    ],
)
def test_events_without_a_source(text: str | None) -> None:
    assert source_of(text) is None
