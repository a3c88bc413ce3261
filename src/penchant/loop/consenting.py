"""Consent at the two doors: what users refuse is not taken, and who refuses is answered like a stranger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from penchant.clock import from_s
from penchant.domain.consent import PURPOSES, Consent
from penchant.domain.row import Row
from penchant.errors import ConfigError
from penchant.loop.fold import Ledger
from penchant.math.arrays import BoolArray
from penchant.profile.consent import ConsentConfig, ConsentLearner, ConsentState, is_allowed, source_of, with_word

if TYPE_CHECKING:
    import polars as pl

STRANGER = ""
"""A user id that nobody can have: an event with it is refused."""
_LATEST = 2**61
"""Place of the first row of those on their way into the log: beyond every one that is there."""


class Gate:
    """Asks what users agreed to, as far as the ledger knows: with every event that was acknowledged."""

    def __init__(self, ledger: Ledger, config: ConsentConfig) -> None:
        self._ledger = ledger
        self._config = config
        self._learner = ConsentLearner()

    def _state(self, user_id: str) -> ConsentState | None:
        # All of them, once: asked before every event, and most users have none.
        state: ConsentState | None = self._ledger.states.every("consent").get(user_id)
        return state

    def allows(self, user_id: str, purpose: str, source: str | None = None) -> bool:
        """Return whether a user allows a purpose, as of now.

        Raises:
            ConfigError: When there is no such purpose.
        """
        if purpose not in PURPOSES:
            raise ConfigError(f"no purpose named {purpose!r}; known: {', '.join(PURPOSES)}")
        return is_allowed(self._state(user_id), purpose, source, self._config)

    def asked_as(self, user_id: str) -> str:
        """Return whom to ask about in place of a user: a stranger where the user does not want to be recommended to."""
        return user_id if self.allows(user_id, "personalise") else STRANGER

    def words(self, user_id: str) -> tuple[Consent, ...]:
        """Return a user's newest words, and for purposes without one what the settings say."""
        state = self._state(user_id) or self._learner.start()
        said = self._learner.read(state, state.last_at)
        spoken = {one.purpose for one in said if one.source is None}
        silent = [
            Consent(purpose, None, purpose not in self._config.needed, from_s(0.0), default=True)
            for purpose in PURPOSES
            if purpose not in spoken
        ]
        return tuple(sorted((*said, *silent), key=lambda one: (PURPOSES.index(one.purpose), one.source or "")))

    def admits(self, rows: Sequence[Row]) -> BoolArray:
        """Return which rows may be taken, shape ``(n,)``; called under the writers' lock, in the order of the log.

        A consent is always taken, and counts for the rows after it.
        """
        admitted = np.ones(len(rows), dtype=np.bool_)
        silent = not self._config.needed and not self._ledger.states.every("consent")
        if silent and all(row[1] != "consent" for row in rows):
            return admitted
        coming: dict[str, ConsentState] = {}
        for i, row in enumerate(rows):
            if row.user_id is None:
                continue
            state = coming.get(row.user_id) or self._state(row.user_id)
            if row.type == "consent":
                value = float("nan") if row.value is None else row.value
                old = state or self._learner.start()
                coming[row.user_id] = with_word(old, row.payload, value, row.at_us / 1e6, _LATEST + i)
            elif state is not None or "collect" in self._config.needed:
                admitted[i] = self._of_event(state, row.payload, "collect")
        return admitted

    def admits_frame(self, frame: pl.DataFrame) -> BoolArray:
        """Return which rows of a frame in the log's schema may be taken; see ``admits``."""
        known = self._ledger.states.every("consent")
        silent = not self._config.needed and not (frame["type"] == "consent").any()
        if silent and not any(user in known for user in frame["user_id"].drop_nulls().unique() if known):
            return np.ones(frame.height, dtype=np.bool_)
        return self.admits([Row(*row) for row in frame.rows()])

    def filtered(self, frame: pl.DataFrame, purpose: str) -> pl.DataFrame:
        """Return the rows of a log whose users allow a purpose; rows that are nobody's stay."""
        import polars as pl

        users = frame["user_id"].drop_nulls().unique().to_list()
        unknown = purpose in self._config.needed
        doubtful = [user for user in users if unknown or self._state(user) is not None]
        if not doubtful:
            return frame
        doubt = frame["user_id"].is_in(doubtful).fill_null(value=False)
        rows = zip(doubt, frame["user_id"], frame["payload"], strict=True)
        keep = [not asked or self._of_event(self._state(user), payload, purpose) for asked, user, payload in rows]
        return frame.filter(pl.Series(keep, dtype=pl.Boolean))

    def _of_event(self, state: ConsentState | None, payload: str | None, purpose: str) -> bool:
        """Return whether a purpose is allowed for one event; one without a source is held to what is said of all."""
        source = source_of(payload) if state is not None else None
        return is_allowed(_general(state) if source is None else state, purpose, source, self._config)


def _general(state: ConsentState | None) -> ConsentState | None:
    """Return only what was said of all sources."""
    if state is None:
        return None
    return ConsentState({key: word for key, word in state.words.items() if not key[1]}, state.last_at)
