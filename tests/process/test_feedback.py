from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from penchant.domain.event import EVENT_TYPES
from penchant.process.feedback import FeedbackConfig, agreement, implicit_feedback, summed

S, H, DAY = 1_000_000, 3_600_000_000, 86_400_000_000
KINDS = {"type": pl.String, "user_id": pl.String, "item_id": pl.String, "at_us": pl.Int64, "value": pl.Float64}


def log(*rows: tuple[Any, ...]) -> pl.DataFrame:
    """Return events from ``(type, item, moment in µs, value, user)``, the last two may be left out."""
    whole = [
        (row[0], row[4] if len(row) > 4 else "ann", row[1], row[2], row[3] if len(row) > 3 else None) for row in rows
    ]
    return pl.DataFrame(whole, schema=KINDS, orient="row")


def said(frame: pl.DataFrame, rule: str | None = None, **more: Any) -> list[tuple[str, str, float]]:
    found = implicit_feedback(frame, FeedbackConfig(**more.pop("config", {})), **more)
    rows = [(row["rule"], row["item_id"], round(row["value"], 3)) for row in found.to_dicts()]
    return [row for row in rows if rule in (None, row[0])]


@pytest.mark.parametrize(
    ("kind", "value", "signal"),
    [
        ("dwell", 1.0, -0.5),
        ("dwell", 5.0, 0.0),
        ("dwell", 17.3205, 0.5),
        ("dwell", 60.0, 1.0),
        ("dwell", 9999.0, 1.0),
        ("play", 0.1, -0.5),
        ("play", 0.2, 0.0),
        ("play", 0.5, 0.5),
        ("play", 1.0, 1.0),
    ],
)
def test_stays_and_completion(kind: str, value: float, signal: float) -> None:
    ((_, item, found),) = said(log((kind, "tea", 0, value)))
    assert (item, found) == ("tea", signal)


@pytest.mark.parametrize(("kind", "value"), [("dwell", None), ("dwell", -3.0), ("play", 7.0), ("view", 3.0)])
def test_what_says_nothing(kind: str, value: float | None) -> None:
    assert said(log((kind, "tea", 0, value))) == []


def test_who_comes_back_another_day_likes_it() -> None:
    rows = [("view", "tea", 0), ("view", "tea", H), ("view", "tea", 14 * H), ("view", "milk", 15 * H)]
    assert said(log(*rows)) == [("repeat", "tea", 1.0)]
    assert said(log(*rows[:2], ("view", "tea", 20 * H, None, "bob"))) == []


def test_who_is_elsewhere_at_once_did_not_like_it() -> None:
    quick = log(("click", "tea", 0), ("view", "milk", 3 * S), ("view", "jam", 60 * S))
    assert said(quick) == [("quick return", "tea", -0.5)]
    assert said(log(("view", "tea", 0), ("view", "tea", S), ("view", "milk", 60 * S))) == []
    assert said(log(("view", "tea", 0), ("view", "milk", 3 * S, None, "bob"))) == []


def test_what_is_given_back_and_what_is_left_in_the_cart() -> None:
    assert said(log(("purchase", "tea", 0), ("return", "tea", H))) == [("return", "tea", -1.0)]
    left = log(("cart", "tea", 0), ("cart", "milk", 0), ("purchase", "milk", 2 * DAY), ("view", "x", 8 * DAY))
    assert said(left) == [("abandoned", "tea", -0.3)]
    assert said(left, at_us=6 * DAY) == []


def test_what_is_shown_again_and_again_and_not_taken_up() -> None:
    shown = [("impression", "tea", i * H) for i in range(3)]
    end = ("view", "x", 5 * DAY)
    assert said(log(*shown, end)) == [("ignored", "tea", -0.3)]
    assert said(log(*shown[:2], end)) == []
    assert said(log(*shown, ("view", "tea", 4 * H), end)) == []
    assert said(log(*shown, end), at_us=20 * H) == []
    assert said(log(("view", "tea", 0), *[("impression", "tea", H + i) for i in range(3)], end)) == [
        ("ignored", "tea", -0.3)
    ]


def test_rules_can_be_set_and_switched_off() -> None:
    frame = log(("dwell", "tea", 0, 30.0))
    assert said(frame, config={"dwell_long_s": 30.0}) == [("dwell", "tea", 1.0)]
    assert said(frame, config={"dwell_weight": 0.0}) == []
    with pytest.raises(ValidationError, match="short must be less than long"):
        FeedbackConfig(dwell_short_s=90.0)
    with pytest.raises(ValidationError):
        FeedbackConfig(bounce_s=-1.0)


def test_the_sum_is_a_weighted_mean() -> None:
    signals = implicit_feedback(log(("dwell", "tea", 0, 60.0), ("return", "tea", H)))
    ((user, item, value, weight),) = summed(signals).rows()
    assert (user, item, weight) == ("ann", "tea", 1.5)
    assert value == pytest.approx((0.5 * 1.0 - 1.0 * 1.0) / 1.5)


def test_an_empty_log_says_nothing() -> None:
    assert implicit_feedback(log()).height == 0
    assert summed(implicit_feedback(log())).height == 0


rows = st.lists(
    st.tuples(
        st.sampled_from(EVENT_TYPES), st.sampled_from(["tea", "milk", None]), st.integers(0, 30 * DAY),
        st.none() | st.floats(-5, 500), st.sampled_from(["ann", "bob", None]),
    ),
    max_size=25,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(rows=rows, at_us=st.integers(0, 30 * DAY))
def test_nothing_after_the_moment_matters_and_values_keep_their_bounds(rows: list[Any], at_us: int) -> None:
    found = implicit_feedback(log(*rows), at_us=at_us)
    assert found["value"].is_between(-1, 1).all()
    assert (found["at_us"] <= at_us).all()
    past = [row for row in rows if row[2] <= at_us]
    assert found.equals(implicit_feedback(log(*past), at_us=at_us))


def people(seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a made-up log and ratings that come from the same likings, the deeds with a lot of noise."""
    rng = np.random.default_rng(seed)
    events, ratings = [], []
    for user in range(60):
        at = 0
        for item in range(25):
            liking = rng.normal()
            at += int(rng.integers(2 * 60, 3600)) * S
            name, who = f"item-{item}", f"user-{user}"
            events.append(("view", name, at, None, who))
            stay = float(np.exp(2.5 + 0.8 * liking + rng.normal()))
            events.append(("dwell", name, at + S, stay, who))
            if rng.random() < 0.3:
                events.append(
                    ("play", name, at + 2 * S, float(np.clip(0.5 + 0.3 * liking + 0.3 * rng.normal(), 0, 1)), who)
                )
            if liking + rng.normal() > 1:
                events.append(("view", name, at + 2 * DAY, None, who))
            if liking + rng.normal() < -1.5:
                events.append(("return", name, at + 3 * DAY, None, who))
            ratings.append((who, name, float(np.clip(np.round(3 + 1.2 * liking + 0.5 * rng.normal()), 1, 5))))
    return log(*events), pl.DataFrame(ratings, schema=["user_id", "item_id", "rating"], orient="row")


def test_it_tells_who_will_rate_well_where_deeds_follow_likings() -> None:
    events, ratings = people()
    signals = implicit_feedback(events)
    found = agreement(summed(signals), ratings, liked=4.0)
    assert found.n == 60 * 25
    assert found.auc > 0.75
    for rule in ("dwell", "completion", "repeat", "return"):
        alone = signals.filter(signals["rule"] == rule)
        # What a rule has not spoken of counts 0.
        filled = ratings.join(summed(alone), on=["user_id", "item_id"], how="left").with_columns(
            pl.col("value").fill_null(0.0)
        )
        assert agreement(filled.drop("rating"), ratings, 4.0).auc > 0.52, rule
    shuffled = ratings.with_columns(pl.col("rating").shuffle(seed=1))
    assert agreement(summed(signals), shuffled, liked=4.0).auc == pytest.approx(0.5, abs=0.05)


def test_agreement_by_hand() -> None:
    feedback = pl.DataFrame({"user_id": ["a"] * 4, "item_id": list("wxyz"), "value": [0.1, 0.5, 0.5, 0.9]})
    ratings = pl.DataFrame({"user_id": ["a"] * 4, "item_id": list("wxyz"), "rating": [1.0, 2.0, 5.0, 5.0]})
    assert agreement(feedback, ratings, 4.0).auc == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert np.isnan(agreement(feedback, ratings, 9.0).auc)
