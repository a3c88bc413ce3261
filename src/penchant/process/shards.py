"""Cut events into shards of whole users, and run a function over them, one after the other or in processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

import polars as pl

A = TypeVar("A")
B = TypeVar("B")


def shard(frame: pl.DataFrame, n: int) -> list[pl.DataFrame]:
    """Return ``n`` frames, every user in one of them, rows in their order.

    The place of a user depends on the user id alone (FNV-1a), not on the process or the library's version, which
    ``Expr.hash`` does not promise.
    """
    users = frame["user_id"].unique().drop_nulls()
    places = pl.Series([_fnv1a(name) % n for name in users.to_list()], dtype=pl.Int64)
    place = frame["user_id"].replace_strict(users, places, default=0, return_dtype=pl.Int64) if users.len() else None
    if place is None:
        return [frame] + [frame.clear()] * (n - 1)
    return [frame.filter(place == i) for i in range(n)]


def _fnv1a(text: str) -> int:
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def run(function: Callable[[A], B], shards: Iterable[A], workers: int = 1) -> Iterator[B]:
    """Yield ``function(shard)`` for each, in order; with ``workers`` above 1 in spawned processes.

    Any engine that can map a function over a list can take the place of this one.
    """
    if workers <= 1:
        yield from map(function, shards)
        return
    # Polars threads do not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(function, shards)
