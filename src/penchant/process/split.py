"""Split events into train, validation and test: by global time, or leave-one-out, which leaks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from penchant.clock import to_us
from penchant.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Split:
    """Events with a column ``split`` (``train``, ``validation``, ``test``), and whether the future leaks into training."""

    frame: pl.DataFrame
    kind: Literal["global_time", "leave_one_out"]
    leaks: bool
    note: str

    def part(self, name: str) -> pl.DataFrame:
        """Return the events of one part, without the column ``split``."""
        return self.frame.filter(pl.col("split") == name).drop("split")


def time_quantiles(frame: pl.DataFrame, validation: float, test: float) -> tuple[int, int]:
    """Return the cut times (microseconds) so that the last ``test`` share of events comes after the second.

    Raises:
        ConfigError: When the shares are not positive or leave nothing to train on.
    """
    if not (0 <= validation < 1 and 0 < test < 1 and validation + test < 1):
        raise ConfigError(f"shares validation={validation}, test={test}; each in 0..1, together below 1")
    at = frame.filter(pl.col("user_id").is_not_null())["at_us"].sort()
    if at.len() == 0:
        raise ConfigError("no events to split")
    places = [min(at.len() - 1, int(at.len() * share)) for share in (1 - validation - test, 1 - test)]
    return int(at[places[0]]), int(at[places[1]])


def split_by_time(frame: pl.DataFrame, validation_from: datetime | int, test_from: datetime | int) -> Split:
    """Return the events cut at two moments for everybody: what comes later is never learned from."""
    cuts = [cut if isinstance(cut, int) else to_us(cut) for cut in (validation_from, test_from)]
    label = (
        pl.when(pl.col("at_us") < cuts[0])
        .then(pl.lit("train"))
        .when(pl.col("at_us") < cuts[1])
        .then(pl.lit("validation"))
        .otherwise(pl.lit("test"))
    )
    return Split(
        frame.with_columns(label.alias("split")),
        "global_time",
        False,
        "cut at the same moments for all users",
    )


def split_leave_one_out(frame: pl.DataFrame) -> Split:
    """Return each user's last event as test and the one before as validation.

    This LEAKS: a model trained on other users' later events is asked about an earlier moment. It is here to compare with
    published figures only.

    Source:
        Ji, Sun, Zhang & Li, "A Critical Study on Data Leakage in Recommender System Offline Evaluation", TOIS 2023.
    """
    ordered = frame.filter(pl.col("user_id").is_not_null()).sort("user_id", "at_us", "position", maintain_order=True)
    from_end = pl.len().over("user_id") - 1 - pl.int_range(pl.len()).over("user_id")
    label = (
        pl.when(from_end == 0)
        .then(pl.lit("test"))
        .when(from_end == 1)
        .then(pl.lit("validation"))
        .otherwise(pl.lit("train"))
    )
    note = "leave-one-out leaks: other users' future is in the training data"
    return Split(ordered.with_columns(label.alias("split")), "leave_one_out", True, note)
