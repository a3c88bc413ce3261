from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from penchant.domain.row import log_schema
from penchant.errors import ConfigError
from penchant.process.split import split_by_time, split_leave_one_out, time_quantiles


def frame(lines):
    rows = [
        (i + 1, f"e{i}", "view", user, "tea", at, 0, None, None, None, None, None) for i, (user, at) in enumerate(lines)
    ]
    return pl.DataFrame(rows, schema=log_schema(), orient="row")


LINES = [("ann", 10), ("bob", 20), (None, 5), ("ann", 30), ("ann", 20), ("bob", 40), ("cat", 25)]


def ids(split, name):
    return sorted(split.part(name)["event_id"].to_list())


def test_a_cut_in_time_is_the_same_for_everybody():
    split = split_by_time(frame(LINES), 20, 30)
    assert (ids(split, "train"), ids(split, "validation"), ids(split, "test")) == (
        ["e0", "e2"],
        ["e1", "e4", "e6"],
        ["e3", "e5"],
    )
    assert (split.kind, split.leaks) == ("global_time", False)
    assert "split" not in split.part("train").columns
    moments = [datetime(1970, 1, 1, tzinfo=UTC).replace(microsecond=us) for us in (20, 30)]
    assert split_by_time(frame(LINES), *moments).frame.equals(split.frame)


def test_nothing_in_training_is_later_than_anything_in_test():
    split = split_by_time(frame([(f"u{i % 5}", (i * 7919) % 1000) for i in range(300)]), 600, 800)
    train, validation, test = (split.part(name)["at_us"] for name in ("train", "validation", "test"))
    assert train.max() < validation.min() <= validation.max() < test.min()
    assert train.len() + validation.len() + test.len() == 300


def test_leave_one_out_takes_the_last_two_of_each_user_and_says_that_it_leaks():
    split = split_leave_one_out(frame(LINES))
    assert (ids(split, "train"), ids(split, "validation"), ids(split, "test")) == (
        ["e0"],
        ["e1", "e4"],
        ["e3", "e5", "e6"],
    )
    assert split.leaks
    assert "leak" in split.note
    # It does: something in training is later than something in test.
    late_training = split_leave_one_out(frame([*LINES, ("ann", 50), ("ann", 60)]))
    assert late_training.part("train")["at_us"].max() > late_training.part("test")["at_us"].min()


def test_quantiles_leave_the_asked_shares():
    lines = [("ann", at) for at in range(100, 0, -1)] + [(None, 10_000)] * 50
    validation_from, test_from = time_quantiles(frame(lines), 0.1, 0.2)
    assert (validation_from, test_from) == (71, 81)
    split = split_by_time(frame(lines[:100]), validation_from, test_from)
    assert [split.part(name).height for name in ("train", "validation", "test")] == [70, 10, 20]


def test_quantiles_without_validation():
    assert time_quantiles(frame([("ann", at) for at in range(10)]), 0.0, 0.5) == (5, 5)


@pytest.mark.parametrize(("validation", "test"), [(0.5, 0.5), (-0.1, 0.2), (0.1, 0.0), (0.0, 1.0), (1.0, 0.1)])
def test_impossible_shares_are_refused(validation, test):
    with pytest.raises(ConfigError, match="shares validation="):
        time_quantiles(frame(LINES), validation, test)


@pytest.mark.parametrize("lines", [[], [(None, 1)]])
def test_nothing_cannot_be_split(lines):
    with pytest.raises(ConfigError, match="no events"):
        time_quantiles(frame(lines), 0.1, 0.1)
