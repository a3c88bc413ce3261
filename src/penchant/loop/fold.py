"""The one fold: rows -> log -> states; the same for live events, imports, restarts, rebuilds and evaluation."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from penchant.clock import DAY_S, day_of
from penchant.collect.contract import EventLog
from penchant.domain.batch import EventBatch, Scope
from penchant.domain.event import EVENT_TYPES
from penchant.domain.hierarchy import TopicTree
from penchant.domain.learner import Learner
from penchant.domain.row import Row, encode_topics, frame_schema, log_schema, parent_of
from penchant.domain.vocabulary import Vocabulary
from penchant.errors import LogLockedError
from penchant.math.arrays import BoolArray, FloatArray, Int32Array, IntArray
from penchant.process.order import late
from penchant.profile.behaviour import BehaviourLearner
from penchant.profile.population import DayState, DecayedCounts
from penchant.profile.states import Checkpoint, States

if TYPE_CHECKING:
    import polars as pl

FLUSH_AT_ONCE = 100
"""States written with one commit while events come in: no event pays for more."""
FLUSH_A_ROW = 8
"""States written with each event once many wait; an event makes news of fewer."""
WAITING = 1000
"""States with news that may wait before they are written."""
MANY = 500
"""Keys in a batch from which all states of a learner are brought in at once."""
BULK = 512
"""Rows from which arrays are built through a frame."""


@dataclass
class _Work:
    """Rows on their way into the log, and what became of them."""

    rows: Sequence[Row]
    prepare: Callable[[Sequence[Row]], Sequence[Row]]
    mark: tuple[str, str] | None
    frame: pl.DataFrame | None
    admits: Callable[[Sequence[Row]], BoolArray] | None = None
    done: bool = False
    error: BaseException | None = None
    position: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    late: BoolArray = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))


class Ledger:
    """The log, the states that were folded from it, and the way from one to the other.

    Writers queue; whoever gets the lock writes everything that waits in one transaction (group commit) and folds it.
    A state in memory therefore never knows an event that the log could lose.
    """

    def __init__(
        self,
        log: EventLog,
        checkpoint: Checkpoint | None,
        learners: Mapping[str, Learner[Any]],
        checkpoint_events: int = 10_000,
        version: str = "",
    ) -> None:
        self.log = log
        self.learners = dict(learners)
        self.items = Vocabulary(checkpoint.vocabulary("item") if checkpoint else ())
        self.topics = Vocabulary(checkpoint.vocabulary("topic") if checkpoint else ())
        self.watchers: list[Callable[[str, Mapping[str, Any]], None]] = []
        self._checkpoint = checkpoint
        self._checkpoint_events = checkpoint_events
        self._lock = threading.RLock()
        self._counts_lock = threading.RLock()
        self._queue: deque[_Work] = deque()
        self._begin()
        if checkpoint is None or log.mark("learners") == version:
            self.catch_up()
            return
        # The states were folded by other learners, or with other settings: only the log still holds.
        with log.transaction():
            log.set_mark("learners", version)
            if checkpoint.position():
                self.rebuild()
            else:
                self.catch_up()

    def _begin(self) -> None:
        """Begin with the states that are kept; forget those in memory."""
        self.states = States(self.learners, self._checkpoint, {"item": self.items, "topic": self.topics})
        self._counts: dict[str, DecayedCounts] = {}
        self._tree: TopicTree | None = None
        self._answered: tuple[tuple[str, int, int], EventBatch] | None = None
        self._folded = self._checkpoint.position() if self._checkpoint else 0
        self._kept = self._folded
        self._forgotten = self.log.mark("forgotten")

    # -- writing ---------------------------------------------------------------------------------------------------

    def append(
        self,
        rows: Sequence[Row],
        prepare: Callable[[Sequence[Row]], Sequence[Row]] = lambda rows: rows,
        mark: tuple[str, str] | None = None,
        frame: pl.DataFrame | None = None,
        admits: Callable[[Sequence[Row]], BoolArray] | None = None,
    ) -> tuple[IntArray, BoolArray]:
        """Append rows to the log and fold what is new.

        Args:
            rows: Valid rows.
            prepare: Called in log order, under the lock, just before the append (labelling needs the catalogue of that
                moment); returns the rows to append, as many.
            mark: A name and a text to keep in the same transaction.
            frame: The same rows as a frame, where there is one: arrays are then built from it.
            admits: Called like ``prepare``; returns which of its rows may be appended. Not with a frame.

        Returns:
            The position of every row, 0 for a duplicate, -1 for one that was not admitted; and which of the new ones
            were late.
        """
        work = _Work(rows, prepare, mark, frame, admits)
        self._queue.append(work)
        with self._lock:
            if not work.done:
                self._commit()
        if work.error is not None:
            raise work.error
        return work.position, work.late

    def _commit(self) -> None:
        waiting: list[_Work] = []
        while self._queue:
            waiting.append(self._queue.popleft())
        try:
            flushing = self._flush_size(sum(len(work.rows) for work in waiting))
            with self.log.transaction():
                self._catch_up()
                if flushing:
                    self.states.flush(flushing, self._folded)
                for work in waiting:
                    work.rows = work.prepare(work.rows)
                    work.position = self._append(work)
                    if work.mark is not None:
                        self.log.set_mark(*work.mark)
            if flushing:
                self.states.flushed(flushing)
                self._kept = self._folded
            for work in waiting:
                self._fold_work(work)
        except BaseException as error:
            for work in waiting:
                work.error = error
            raise
        finally:
            for work in waiting:
                work.done = True

    def _append(self, work: _Work) -> IntArray:
        admitted = None if work.admits is None else work.admits(work.rows)
        if admitted is None or admitted.all():
            return self.log.append(work.rows)
        chosen = np.flatnonzero(admitted)
        position = np.full(len(work.rows), -1, dtype=np.int64)
        if chosen.size:
            position[chosen] = self.log.append([work.rows[i] for i in chosen.tolist()])
        return position

    def _flush_size(self, n_rows: int) -> int:
        """Return how many states the next commit takes with it: more than its rows make news, so that few wait."""
        behind = self._folded - self._kept > self._checkpoint_events and self.states.waiting > 0
        if behind:
            return FLUSH_AT_ONCE
        return min(FLUSH_AT_ONCE, FLUSH_A_ROW * (1 + n_rows)) if self.states.waiting > WAITING else 0

    def _fold_work(self, work: _Work) -> None:
        new = np.flatnonzero(work.position > 0)
        work.late = np.zeros(work.position.size, dtype=np.bool_)
        if new.size == 0:
            return
        batch = self._batch(work, new)
        work.late[new] = self._late(batch)
        self._fold(batch)
        self._folded = max(self._folded, int(work.position[new[-1]]))

    def _batch(self, work: _Work, new: IntArray) -> EventBatch:
        """Return the new rows as arrays, through a frame when they are many."""
        position = work.position[new]
        if work.frame is None and new.size < BULK:
            return EventBatch.from_rows([work.rows[i] for i in new], position, self.items, self.topics)
        import polars as pl

        frame = work.frame
        if frame is None:
            frame = pl.DataFrame(work.rows, schema=frame_schema(), orient="row")
        frame = frame.with_columns(pl.Series("position", work.position))
        if new.size < frame.height:
            frame = frame.filter(pl.col("position") > 0)
        return EventBatch.from_frame(frame, self.items, self.topics)

    def _late(self, batch: EventBatch) -> BoolArray:
        behaviour = self.learners["behaviour"]
        newest = np.array(
            [
                behaviour.last_at(state) if (state := self.states.get("behaviour", user_id)) else -np.inf
                for user_id in batch.users
            ]
        )
        if len(batch) == 1:
            counts = batch.user[0] >= 0 and EVENT_TYPES[batch.type[0]] in BehaviourLearner.types
            return np.array([counts and batch.at[0] < newest[batch.user[0]]])
        counted = np.concatenate(
            [rows for _, rows in batch.groups("user", BehaviourLearner.types)] or [np.zeros(0, int)]
        )
        counted.sort()
        answer = np.zeros(len(batch), dtype=np.bool_)
        answer[counted] = late(batch.user[counted], batch.at[counted], newest)
        return answer

    def _fold(self, batch: EventBatch, guard: bool = False) -> None:
        """Fold a batch into every learner; with ``guard``, leave out what a state already reflects."""
        for name, learner in self.learners.items():
            mine = self._unknown(name, batch) if guard else batch
            groups = mine.groups(learner.scope, learner.types)
            if not groups:
                continue
            if len(groups) > MANY:
                self.states.every(name)
            states = {key: state for key, _ in groups if (state := self.states.get(name, key)) is not None}
            # The batch's first position, not the first one that is news to this learner: what waits must wait in order.
            self._put(name, learner.update(states, mine), int(batch.position[0]), int(mine.position[-1]))

    def _unknown(self, name: str, batch: EventBatch) -> EventBatch:
        learner = self.learners[name]
        keep = np.ones(len(batch), dtype=np.bool_)
        for key, rows in batch.groups(learner.scope, learner.types):
            keep[rows] = batch.position[rows] > self.states.position(name, key)
        return batch if keep.all() else batch.select(np.flatnonzero(keep))

    def _put(self, name: str, changed: Mapping[str, Any], first: int, last: int) -> None:
        self.states.put(name, changed, first, last)
        with self._counts_lock:
            if name in self._counts:
                for key, state in changed.items():
                    self._counts[name].put(int(key), state)
            if name == "topic_catalog":
                self._tree = None
        for watcher in self.watchers:
            watcher(name, changed)

    def catch_up(self) -> int:
        """Fold what another process, or this one before a crash, appended; return how many events."""
        with self._lock:
            return self._catch_up()

    def _catch_up(self) -> int:
        if self.log.mark("forgotten") != self._forgotten:
            self._begin()  # another engine has forgotten a user whom the states here still know
        if self.log.tail() <= self._folded:
            return 0
        n = 0
        for frame in self.log.read(self._folded):
            batch = EventBatch.from_frame(frame, self.items, self.topics)
            self._fold(batch, guard=True)
            self._folded = int(batch.position[-1])
            n += len(batch)
        return n

    def checkpoint(self) -> None:
        """Write every state that has news, with the log position."""
        with self._lock:
            with self.log.transaction():
                self._catch_up()
                self.states.flush(None, self._folded)
            self.states.flushed()
            self._kept = self._folded

    def rebuild(self, fill_topics: bool = False) -> int:
        """Throw every state away and fold the whole log again; return how many events.

        Args:
            fill_topics: First give events that came before their item was known the topics that it has now.
        """
        with self._lock, self._whole():
            with self.log.transaction():
                if fill_topics:
                    self._catch_up()
                    catalog = self.states.every("catalog").values()
                    self.log.fill_topics(
                        {item.item_id: text for item in catalog if item and (text := encode_topics(item.topics))}
                    )
                for name in self.learners:
                    self.states.drop(name)
                self._counts.clear()
                self._tree = None
                for watcher in self.watchers:
                    watcher("", {})
                self._folded = 0
                n = self._catch_up()
                self.states.flush(None, self._folded)
            self.states.flushed()
            self._kept = self._folded
            return n

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Take up the kept states again when something that changes many of them fails half-way."""
        try:
            yield
        except BaseException:
            self._begin()
            self._catch_up()
            raise

    def forget(self, user_id: str) -> int:
        """Remove every event and state of a user, and the user's share in what everybody did; return how many events."""
        with self._lock, self._whole():
            with self.log.transaction():
                self._catch_up()
                batch = EventBatch.from_frame(self.log.of_user(user_id), self.items, self.topics)
                erased = self.log.erase(user_id)
                # Other engines on this log, and their states of the user, are told by this.
                forgotten = str(int(self._forgotten or 0) + 1)
                self.log.set_mark("forgotten", forgotten)
                for name in ("item_population", "topic_population"):
                    self._retract(name, batch)
                for name, learner in self.learners.items():
                    if learner.scope == "user":
                        self.states.drop(name, user_id)
                self._unname(batch)
                self.states.flush(None, self._folded)
            self.states.flushed()
            self._forgotten = forgotten
            for name, learner in self.learners.items():
                if learner.scope == "user":
                    self.states.lose(name, user_id)  # a reader may have brought it in until the commit
            self._answered = None
            return erased

    def _retract(self, name: str, batch: EventBatch) -> None:
        """Take a user's erased events out of the days; what is left is what a rebuild would give."""
        learner: Any = self.learners[name]
        groups = batch.groups("day", learner.types)
        days = {key: state for key, _ in groups if (state := self.states.get(name, key)) is not None}
        changed = learner.retract(days, batch) if groups else {}
        for key, rows in groups:
            if changed[key].last_at <= batch.at[rows].max():
                # The user was the last one of that day: who is now, only the log can say.
                left = learner.update({}, self._of_scope("day", key, (int(key) + 1) * DAY_S - 1e-6))
                if key in left:
                    changed[key] = left[key]
                else:
                    del changed[key]
                    self.states.drop(name, key)
        self._put(name, changed, self._folded, self._folded)
        self._counts.pop(name, None)

    def _unname(self, batch: EventBatch) -> None:
        """Take names that only the erased events used (a private topic, say) out of the vocabularies."""
        counted = {name: self.states.every(name).values() for name in ("item_population", "topic_population")}
        catalog = [item for item in self.states.every("catalog").values() if item is not None]
        entries = self.states.every("topic_catalog")
        above = {self.topics.ids[entry.parent] for mine in entries.values() for entry in mine if entry.parent >= 0}
        named = {topic for item in catalog for topic in item.topics} | above | set(entries)
        for kind, vocabulary, mine, kept in (
            ("item", self.items, batch.item[batch.item >= 0], {item.item_id for item in catalog}),
            ("topic", self.topics, batch.topic, named),
        ):
            used = [state.number for state in counted[f"{kind}_population"]]
            alone = np.setdiff1d(mine, np.concatenate(used) if used else [])
            names = {vocabulary.ids[number] for number in alone.tolist()} - kept
            if names:  # rare: only then the log is searched for somebody else who used them
                names -= self._used(kind, names)
            for name in names:
                number = vocabulary.number(name)
                vocabulary.rename(number, f"forgotten:{number}")
                self.states.rename(kind, number, f"forgotten:{number}")

    def _used(self, kind: str, names: set[str]) -> set[str]:
        found: set[str] = set()
        for frame in self.log.read():
            if kind == "item":
                found.update(frame["item_id"].drop_nulls().unique().to_list())
            else:
                for text in frame["topics"].drop_nulls().unique().to_list():
                    found.update(msgspec.json.decode(text))
                catalogued = frame.filter(frame["type"] == "topic")["payload"].drop_nulls().unique()
                found.update(parent for text in catalogued.to_list() if (parent := parent_of(text)) is not None)
        return found & names

    def locked(self) -> AbstractContextManager[bool]:
        """Return the writers' lock."""
        return self._lock

    # -- reading ---------------------------------------------------------------------------------------------------

    def state_at(self, learner: str, key: str, at: float) -> Any:
        """Return a state that knows every event of its key up to ``at`` and none after it.

        The live state serves when nothing in it is newer; otherwise the key's events up to then are folded anew.
        """
        fold = self.learners[learner]
        state = self.states.get(learner, key)
        if state is None:
            return fold.start()
        if fold.last_at(state) <= at:
            return state
        batch = self.of_user(key, at) if fold.scope == "user" else self._of_scope(fold.scope, key, at)
        return fold.update({}, batch).get(key) or fold.start()

    def of_user(self, user_id: str, at: float) -> EventBatch:
        """Return the user's events up to a moment."""
        # Several learners ask about the same user at the same moment: the newest answer is kept.
        asked = (user_id, round(at * 1e6), self._folded)
        answered = self._answered
        if answered is None or answered[0] != asked:
            answered = self._answered = (asked, self._folded_of(self.log.of_user(user_id, asked[1]), asked[2]))
        return answered[1]

    def _of_scope(self, scope: Scope, key: str, at: float) -> EventBatch:
        folded = self._folded
        if scope == "day":
            return self._folded_of(self.log.span(int(key) * 86_400_000_000, round(at * 1e6)), folded)
        import polars as pl

        mine = pl.col("item_id") == key
        if scope == "topic":
            mine = (pl.col("type") == "topic") & (pl.col("topics") == encode_topics((key,)))
        return self._folded_of(self.log.span(-(2**62), round(at * 1e6)).filter(mine), folded)

    def _folded_of(self, frame: pl.DataFrame, folded: int) -> EventBatch:
        """Return the events that the states know: newer ones may hold names that have no number yet."""
        import polars as pl

        return EventBatch.from_frame(frame.filter(pl.col("position") <= folded), self.items, self.topics)

    def population(self, learner: str, at: float, half_life_days: float) -> FloatArray:
        """Return decayed counts of every item or topic as of a moment, shape (size of the vocabulary,)."""
        with self._counts_lock:  # not the writers': a reader never waits for a commit
            counts = self._counts.get(learner)
            if counts is None:
                counts = DecayedCounts()
                for key, state in list(self.states.every(learner).items()):
                    counts.put(int(key), state)
                self._counts[learner] = counts
            day = day_of(at)
            today: DayState | None = counts.days.get(day)
            if today is not None and today.last_at > at:
                today = self.state_at(learner, str(day), at)
            size = len(self.items if learner == "item_population" else self.topics)
            return counts.at(day, today, half_life_days, size)

    def parents(self, at: float, n_topics: int | None = None) -> Int32Array:
        """Return every topic's parent as of a moment, -1 for a topic at the top, shape ``(T,)``; not to be written to.

        Of edges that would close a cycle the newest is ignored.

        Args:
            at: Seconds since 1970.
            n_topics: Of the first so many topics; None for all.
        """
        with self._counts_lock:
            if self._tree is None:
                known = self.states.every("topic_catalog") if "topic_catalog" in self.learners else {}
                self._tree = TopicTree({self.topics.number(topic): mine for topic, mine in list(known.items())})
            return self._tree.parents(at, len(self.topics) if n_topics is None else n_topics)

    def events(self) -> pl.DataFrame:
        """Return the whole log as one frame."""
        import polars as pl

        with self._lock:
            self._catch_up()
            frames = list(self.log.read())
        return pl.concat(frames) if frames else pl.DataFrame(schema=log_schema())

    def close(self) -> None:
        """Write what waits and close the log."""
        with self._lock:
            try:
                if self.states.waiting:
                    self.checkpoint()
            except LogLockedError:
                pass  # this engine only read; the one that writes keeps the states
            finally:
                self.log.close()
