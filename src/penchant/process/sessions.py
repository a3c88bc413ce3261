"""Cut a user's events into sessions: a new one after a gap, or where the source says so."""

from __future__ import annotations

from datetime import timedelta

import polars as pl


def sessionise(frame: pl.DataFrame, gap: timedelta = timedelta(minutes=30)) -> pl.DataFrame:
    """Return the events with a column ``session``: a number from 0 per user, in the order of time.

    A session ends after ``gap`` without an event, or where ``session_id`` changes from one given id to another. Works on
    any set of whole users, so it runs shard by shard.

    Args:
        frame: Events in the log's schema.
        gap: Silence that ends a session.
    """
    gap_us = int(gap.total_seconds() * 1e6)
    by_user = pl.col("at_us").diff().over("user_id")
    other = pl.col("session_id").ne_missing(pl.col("session_id").shift(1).over("user_id"))
    named = pl.col("session_id").is_not_null() & pl.col("session_id").shift(1).over("user_id").is_not_null()
    begins = by_user.is_null() | (by_user > gap_us) | (named & other)
    return (
        frame.filter(pl.col("user_id").is_not_null())
        .sort("user_id", "at_us", "position", maintain_order=True)
        .with_columns(begins.alias("_begins"))
        .with_columns((pl.col("_begins").cum_sum().over("user_id") - 1).cast(pl.Int64).alias("session"))
        .drop("_begins")
    )
