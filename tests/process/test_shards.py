from __future__ import annotations

import polars as pl
import pytest

from penchant.process.shards import run, shard


def frame(users):
    return pl.DataFrame({"user_id": users, "n": range(len(users))}, schema={"user_id": pl.String, "n": pl.Int64})


def test_every_row_is_in_one_shard_and_users_are_whole():
    users = [None if i % 11 == 0 else f"user-{i % 23}" for i in range(500)]
    parts = shard(frame(users), 4)
    assert len(parts) == 4
    assert sorted(pl.concat(parts)["n"].to_list()) == list(range(500))
    homes = [set(part["user_id"].drop_nulls()) for part in parts]
    assert sum(map(len, homes)) == 23
    assert set.union(*homes) == {f"user-{i}" for i in range(23)}
    assert sum(bool(home) for home in homes) >= 3
    for part in parts:
        assert part["n"].is_sorted()


def test_the_place_of_a_user_is_fixed_forever():
    # FNV-1a of "ann", "bob", "日本": published constants worked out by hand once; they must never move.
    homes = {}
    for number, part in enumerate(shard(frame(["ann", "bob", "日本", ""]), 1000)):
        homes.update(dict.fromkeys(part["user_id"].to_list(), number))

    def fnv1a(text):
        value = 14695981039346656037
        for byte in text.encode():
            value = (value ^ byte) * 1099511628211 % 2**64
        return value

    assert fnv1a("a") == 0xAF63DC4C8601EC8C  # from the authors' test vectors
    assert homes == {name: fnv1a(name) % 1000 for name in ("ann", "bob", "日本", "")}


@pytest.mark.parametrize("users", [[], [None, None]])
def test_no_users_make_no_trouble(users):
    parts = shard(frame(users), 3)
    assert [part.height for part in parts] == [len(users), 0, 0]
    assert all(part.schema == frame(users).schema for part in parts)


def test_a_function_runs_over_shards_in_order():
    parts = shard(frame([f"u{i}" for i in range(50)]), 3)
    assert list(run(len, parts)) == [part.height for part in parts]


def test_processes_give_the_same():
    parts = [list(range(n)) for n in (5, 1, 3)]
    assert list(run(len, parts, workers=2)) == [5, 1, 3]
