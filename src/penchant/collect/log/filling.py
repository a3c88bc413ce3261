"""Topics for rows that came before their item was known, in a frame."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl


def filled(frame: pl.DataFrame, topics: Mapping[str, str]) -> tuple[pl.DataFrame, int]:
    """Return the frame with topics (JSON text by item id) where a row has none, and how many rows changed."""
    lacking = frame.select(pl.col("topics").is_null() & pl.col("item_id").is_in(list(topics)))["topics"].fill_null(
        False
    )
    n = int(lacking.sum())
    if n == 0:
        return frame, 0
    found = frame["item_id"].replace_strict(list(topics), list(topics.values()), default=None, return_dtype=pl.String)
    return frame.with_columns(pl.coalesce(pl.col("topics"), found).alias("topics")), n
