"""What each user agreed to: the newest word on every purpose, for all sources of data or for single ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from pydantic import BaseModel, ConfigDict

from penchant.clock import from_s
from penchant.domain.batch import EventBatch, Scope
from penchant.domain.consent import PURPOSES, Consent, Purpose
from penchant.domain.packing import pack, unpack

FORMAT = 1
MAX_WORDS = 64
"""Purposes and sources of one user that are told apart."""
SHOWN = 2_000
"""Characters of a text and of an evidence that the state keeps; the log keeps them whole."""


class ConsentConfig(BaseModel):
    """What holds for a user who has said nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    needed: tuple[Purpose, ...] = ()
    """Purposes to which a user must have agreed. For all others silence is consent, until it is withdrawn."""


class Word(NamedTuple):
    """One word on a purpose; of two the larger counts: the later one, then the later in the log."""

    at: float
    position: int
    given: bool
    version: str | None
    text: str | None
    evidence: str | None


@dataclass(frozen=True, slots=True)
class ConsentState:
    """The newest words of one user, by purpose and source ("" for all sources), in that order."""

    words: Mapping[tuple[str, str], Word] = field(default_factory=dict)
    last_at: float = -math.inf


class ConsentLearner:
    """Keeps the newest word on each purpose and source; newest by event time, then by place in the log.

    A word without a source is on all of them, and outdoes older words on single ones. O(1) an event; at most 64 words
    a user: beyond that the oldest agreements to single sources are forgotten, and if there are only refusals, all
    sources are taken to be refused. So what is forgotten never allows anything.
    """

    name = "consent"
    scope: Scope = "user"
    types = frozenset({"consent"})

    def start(self) -> ConsentState:
        """Return nothing said."""
        return ConsentState()

    def update(self, states: Mapping[str, ConsentState], batch: EventBatch) -> dict[str, ConsentState]:
        """Return the states after the batch; see ``Learner.update``."""
        changed: dict[str, ConsentState] = {}
        for user_id, rows in batch.groups(self.scope, self.types):
            state = states.get(user_id) or self.start()
            for row in rows.tolist():
                at, position = float(batch.at[row]), int(batch.position[row])
                state = with_word(state, batch.payloads.get(row), float(batch.value[row]), at, position)
            changed[user_id] = state
        return changed

    def read(self, state: ConsentState, at: float) -> tuple[Consent, ...]:
        """Return the words by purpose and source; nothing in the state may be newer than ``at``."""
        return tuple(
            Consent(purpose, source or None, word.given, from_s(word.at), word.version, word.text, word.evidence)
            for (purpose, source), word in state.words.items()
        )

    def encode(self, state: ConsentState) -> bytes:
        """Return the state as bytes."""
        words = [[*key, *word] for key, word in state.words.items()]
        return pack(FORMAT, {"words": words, "last_at": state.last_at})

    def decode(self, data: bytes) -> ConsentState:
        """Return the state that ``encode`` wrote; ``FormatError`` when damaged."""
        fields = unpack(data, FORMAT)
        return ConsentState({(w[0], w[1]): Word(*w[2:]) for w in fields["words"]}, fields["last_at"])

    def last_at(self, state: ConsentState) -> float:
        """Return the time of the newest event, seconds since 1970."""
        return state.last_at


def with_word(state: ConsentState, payload: str | None, value: float, at: float, position: int) -> ConsentState:
    """Return the state after one consent event.

    Args:
        state: Before it.
        payload: Of the event: purpose, text, and under ``context`` source, version and evidence.
        value: 1 for yes; anything else, or NaN, is no.
        at: When, seconds since 1970.
        position: Log position.
    """
    said = msgspec.json.decode(payload) if payload else {}
    given = said.get("context")
    context = given if isinstance(given, dict) else {}
    purpose = said.get("purpose")
    last_at = max(state.last_at, at)
    if purpose not in PURPOSES:  # a log of an earlier version may hold anything there
        return ConsentState(state.words, last_at)
    key = (str(purpose), source_of(payload) or "")
    texts = (context.get("version"), said.get("text"), context.get("evidence"))
    word = Word(at, position, value == 1.0, *(None if one is None else str(one)[:SHOWN] for one in texts))
    known = state.words.get(key)
    if known is not None and known[:2] > word[:2]:
        return ConsentState(state.words, last_at)
    words = _bounded({**state.words, key: word})
    return ConsentState(dict(sorted(words.items())), last_at)


def source_of(payload: str | None) -> str | None:
    """Return which source of data an event comes from, as its ``context.source`` says."""
    if payload is None or '"source"' not in payload:
        return None
    context = msgspec.json.decode(payload).get("context")
    source = context.get("source") if isinstance(context, dict) else None
    return source if isinstance(source, str) and source else None


def is_allowed(state: ConsentState | None, purpose: str, source: str | None, config: ConsentConfig) -> bool:
    """Return whether a user allows a purpose for data of one source; None: for data of any.

    Asked about any, a refusal of a single source refuses: what was learned cannot be taken apart by source.
    """
    words = {} if state is None else state.words
    general = words.get((purpose, ""))
    if source is not None:
        special = words.get((purpose, source))
        counts = max((word for word in (general, special) if word is not None), key=lambda w: w[:2], default=None)
        return counts.given if counts is not None else purpose not in config.needed
    since = (-math.inf, 0) if general is None else general[:2]
    if any(p == purpose and s and not word.given and word[:2] > since for (p, s), word in words.items()):
        return False
    return general.given if general is not None else purpose not in config.needed


def _bounded(words: dict[tuple[str, str], Any]) -> dict[tuple[str, str], Word]:
    while len(words) > MAX_WORDS:
        special = [(word[:2], key) for key, word in words.items() if key[1]]
        given = [pair for pair in special if words[pair[1]].given]
        if given:
            del words[min(given)[1]]
            continue
        newest, (purpose, _) = max(special)
        word = words[max(special)[1]]
        general = words.get((purpose, ""))
        if general is None or general[:2] <= newest:
            words[purpose, ""] = word
        words = {key: kept for key, kept in words.items() if key[0] != purpose or not key[1]}
    return words
