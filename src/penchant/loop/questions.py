"""Which lists are asked for when, and what was taken afterwards: three protocols on one log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from penchant.clock import from_us, isoformat
from penchant.domain.batch import EventBatch
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories
from penchant.domain.vocabulary import Vocabulary
from penchant.errors import ConfigError
from penchant.loop.fitting import interactions_of
from penchant.math.arrays import BoolArray, FloatArray, IntArray
from penchant.process.split import time_quantiles

if TYPE_CHECKING:
    import polars as pl

Protocol = Literal["global_time", "replay", "leave_one_out"]
PROTOCOLS: tuple[str, ...] = get_args(Protocol)
JUST_BEFORE_S = 1e-6
"""Asked so much before what is taken: a microsecond, the finest time of the log."""


@dataclass(frozen=True, slots=True)
class Split:
    """What is learned from, and what is asked about.

    Attributes:
        frame: All events in the log's schema.
        late: Which of them may not be learned from, shape ``(rows,)``.
        protocol: How it was split.
        at: The moment of the cut, seconds since 1970; for ``leave_one_out`` the end of the log.
    """

    frame: pl.DataFrame
    late: BoolArray
    protocol: Protocol
    at: float

    @property
    def leaks(self) -> bool:
        """Return whether the future of others is in the training events."""
        return self.protocol == "leave_one_out"

    @property
    def cut(self) -> str | None:
        """Return the moment of the cut as text; None where everybody has another."""
        return None if self.leaks else isoformat(from_us(round(self.at * 1e6)))

    def part(self, late: bool) -> pl.DataFrame:
        """Return the events to be asked about, or those to learn from."""
        import polars as pl

        return self.frame.filter(pl.Series(self.late == late))


def split(frame: pl.DataFrame, protocol: str, test: float) -> Split:
    """Return the events divided as a protocol says.

    Args:
        frame: Events in the log's schema.
        protocol: ``global_time`` and ``replay`` cut everybody at one moment; ``leave_one_out`` takes from each user who
            took at least two things the last one, in the order of time and then of the log. This leaks: what others did
            later is learned from. It is there to compare with figures that were published so.
        test: Share of the events after the cut; ``leave_one_out`` needs none.

    Raises:
        ConfigError: When there is no such protocol, or nothing is left to ask about.
    """
    if protocol == "leave_one_out":
        late = _last_of_each(frame)
        end = float(frame["at_us"].to_numpy().max(initial=0)) / 1e6
        return Split(frame, late, "leave_one_out", end)
    if protocol not in PROTOCOLS:
        raise ConfigError(f"no protocol {protocol!r}; known: {', '.join(PROTOCOLS)}")
    _, cut_us = time_quantiles(frame, 0.0, test)
    late = frame["at_us"].to_numpy() >= cut_us
    return Split(frame, late, "replay" if protocol == "replay" else "global_time", cut_us / 1e6)


def _last_of_each(frame: pl.DataFrame) -> BoolArray:
    batch = EventBatch.from_frame(frame, Vocabulary(), Vocabulary())
    rows = np.flatnonzero((batch.user >= 0) & (batch.item >= 0) & (batch.weight > 0))
    rows = rows[np.lexsort((rows, batch.at[rows], batch.user[rows]))]
    user = batch.user[rows]
    last = np.ones(rows.size, dtype=np.bool_)
    last[:-1] = user[1:] != user[:-1]
    first = np.ones(rows.size, dtype=np.bool_)
    first[1:] = last[:-1]
    late = np.zeros(frame.height, dtype=np.bool_)
    late[rows[last & ~first]] = True
    return late


@dataclass(frozen=True, slots=True)
class Questions:
    """What every model is asked.

    Attributes:
        users: User row of each question, shape ``(Q,)``.
        user_ids: Their ids.
        asked_at: When each is asked, seconds since 1970, shape ``(Q,)``; never falling.
        relevant: Item numbers taken afterwards, sorted.
        before: How many of the late events, in the order of time, have happened before each question, shape ``(Q,)``.
        histories: What each user had done; the events of one question are a row.
        known: What may be learned from.
    """

    users: IntArray
    user_ids: Sequence[str]
    asked_at: FloatArray
    relevant: Sequence[IntArray]
    before: IntArray
    histories: Histories
    known: Interactions

    def __len__(self) -> int:
        return int(self.users.size)

    def seen(self, q: int) -> IntArray:
        """Return the items that the user of a question had dealt with, sorted."""
        return np.unique(self.histories.item[self.histories.row(q)]).astype(np.int64)

    def unseen(self) -> list[IntArray]:
        """Return the relevant items of every question that the user had not dealt with before."""
        return [np.setdiff1d(items, self.seen(q), assume_unique=True) for q, items in enumerate(self.relevant)]


def questions(parted: Split, batch: EventBatch, users: set[int]) -> Questions:
    """Return the questions of a protocol, in the order of time.

    Args:
        parted: The split.
        batch: The same events as arrays, row by row.
        users: Rows of the users who are asked about.
    """
    taken = (batch.user >= 0) & (batch.item >= 0) & (batch.weight > 0) & parted.late
    rows = np.flatnonzero(taken & np.isin(batch.user, list(users)))
    at = batch.at[rows]
    if parted.protocol == "global_time":
        at = np.full(rows.size, parted.at)
    order = np.lexsort((rows, batch.user[rows], at))
    rows, at = rows[order], at[order]
    new = np.ones(rows.size, dtype=np.bool_)
    new[1:] = (np.diff(batch.user[rows]) != 0) | (np.diff(at) != 0)
    first = np.flatnonzero(new)
    relevant = [np.unique(batch.item[group]).astype(np.int64) for group in np.split(rows, first[1:]) if group.size]
    who, when = batch.user[rows[first]].astype(np.int64), at[first]
    every = interactions_of(batch)
    known = known_of(batch, parted)
    # Leave one out: all that is left of the user has happened before, whatever the clock says.
    asked_at = when if parted.leaks else when - JUST_BEFORE_S
    late_at = np.sort(batch.at[parted.late])
    histories = Histories.of(known if parted.leaks else every, who, asked_at)
    return Questions(
        who,
        [batch.users[user] for user in who.tolist()],
        asked_at,
        relevant,
        np.searchsorted(late_at, when, "left") if parted.protocol == "replay" else np.zeros(who.size, np.int64),
        histories,
        known,
    )


def known_of(batch: EventBatch, parted: Split) -> Interactions:
    """Return the interactions that may be learned from."""
    keep = (batch.user >= 0) & (batch.item >= 0) & (batch.weight > 0) & ~parted.late
    return Interactions(
        batch.user[keep], batch.item[keep], batch.at[keep], batch.weight[keep], len(batch.users), len(batch.items)
    )


def first_named(batch: EventBatch, n_items: int) -> FloatArray:
    """Return when an event first named each item, seconds since 1970, ``inf`` for never, shape ``(n_items,)``."""
    at = np.full(n_items, np.inf)
    named = batch.item >= 0
    np.minimum.at(at, batch.item[named], batch.at[named])
    return at
