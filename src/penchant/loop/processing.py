"""The log as a table for work outside: sessions, split, and counts, worked out shard by shard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Literal

import polars as pl

from penchant.clock import from_us, isoformat
from penchant.errors import ConfigError
from penchant.loop.fold import Ledger
from penchant.process.sessions import sessionise
from penchant.process.shards import run, shard
from penchant.process.split import split_by_time, split_leave_one_out, time_quantiles

NO_DEED = ("user", "consent", "impression")
"""Events about a user that are no deed of the user's: they make no session."""
SHARD_COLUMNS = ("position", "user_id", "at_us", "session_id")
"""What sessions and splits are made of; whole rows are cut only when they are to be written."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a split."""

    name: str
    events: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of a processed log; ``labelled`` is the share of the users' events that have a topic."""

    events: int
    users: int
    items: int
    topics: int
    labelled: float
    sessions: int
    events_per_session: float
    by_type: Mapping[str, int]
    split: str
    leaks: bool
    parts: tuple[Part, ...]
    files: tuple[str, ...]


def process_log(
    ledger: Ledger,
    gap: timedelta,
    split: Literal["global_time", "leave_one_out"],
    validation: float,
    test: float,
    shards: int,
    workers: int,
    out: Path | None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Summary:
    """Return counts of the log's events with sessions and split; write them as Parquet, a file a shard.

    Args:
        ledger: Whose log.
        gap: Silence that ends a session.
        split: ``global_time``, or ``leave_one_out``, which leaks.
        validation: Share of the events for validation, global time only.
        test: Share of the events for test, global time only.
        shards: Shards of whole users.
        workers: Processes.
        out: Folder for the files; None to write none.
        progress: Told how many shards are done.

    Raises:
        ConfigError: When there are no events of users, or the shares make no sense.
    """
    frame = ledger.events()
    by_type = frame["type"].value_counts(sort=True)
    acted = frame.filter(pl.col("user_id").is_not_null() & ~pl.col("type").is_in(NO_DEED))
    if acted.height == 0:
        raise ConfigError("the log holds no events of users; run penchant collect first")
    cuts = time_quantiles(acted, validation, test) if split == "global_time" else None
    counts = {"events": acted.height, "users": acted["user_id"].n_unique(), "bare": acted["topics"].null_count()}
    pieces = shard(acted.select(SHARD_COLUMNS if out is None else acted.columns), shards)
    del frame, acted
    sessions, files = 0, []
    parts: list[pl.DataFrame] = []
    for number, piece in enumerate(run(partial(process_shard, gap=gap, cuts=cuts), pieces, workers)):
        sessions += piece.select(pl.struct("user_id", "session").n_unique()).item()
        parts.append(
            piece.group_by("split").agg(
                pl.len().alias("n"), pl.col("at_us").min().alias("a"), pl.col("at_us").max().alias("b")
            )
        )
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            path = out / f"events-{number:04d}.parquet"
            piece.write_parquet(path)
            files.append(str(path))
        progress(number + 1, len(pieces))
    whole = pl.concat(parts).group_by("split").agg(pl.col("n").sum(), pl.col("a").min(), pl.col("b").max())
    found = {name: Part(name, n, isoformat(from_us(a)), isoformat(from_us(b))) for name, n, a, b in whole.rows()}
    return Summary(
        events=counts["events"],
        users=counts["users"],
        items=len(ledger.items),
        topics=len(ledger.topics),
        labelled=1.0 - counts["bare"] / counts["events"],
        sessions=sessions,
        events_per_session=counts["events"] / sessions,
        by_type=dict(by_type.rows()),
        split=split,
        leaks=split == "leave_one_out",
        parts=tuple(found[name] for name in ("train", "validation", "test") if name in found),
        files=tuple(files),
    )


def process_shard(frame: pl.DataFrame, gap: timedelta, cuts: tuple[int, int] | None) -> pl.DataFrame:
    """Return a shard of whole users with columns ``session`` and ``split``; ``cuts`` None means leave-one-out."""
    cut = sessionise(frame, gap)
    return (split_leave_one_out(cut) if cuts is None else split_by_time(cut, *cuts)).frame
