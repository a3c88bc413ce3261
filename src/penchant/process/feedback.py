"""What deeds say without words: signed, weighted feedback from time spent, completion, repetition, returns and neglect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

TAKEN = ("view", "click", "dwell", "cart", "purchase", "play", "like", "rating", "comment", "share")
"""Deeds by which a user takes up an item: an impression is not ignored then."""
REPEATED = ("view", "click", "play", "cart", "purchase")
"""Deeds that count when they are done again."""
_S = 1_000_000
SCHEMA = {
    "user_id": pl.String(),
    "item_id": pl.String(),
    "at_us": pl.Int64(),
    "rule": pl.String(),
    "value": pl.Float64(),
    "weight": pl.Float64(),
}


class FeedbackConfig(BaseModel):
    """When a deed speaks for or against an item, and how much it counts.

    A value lies between -1 (not at all) and 1 (very much); a weight of 0 switches a rule off.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dwell_short_s: float = Field(default=5.0, gt=0)
    """A stay shorter than this speaks against the item: -0.5."""
    dwell_long_s: float = Field(default=60.0, gt=0)
    """A stay of this length or more: 1; in between the value grows with the logarithm of the time."""
    dwell_weight: float = Field(default=0.5, ge=0)
    """How much the length of a stay counts."""
    play_short: float = Field(default=0.2, ge=0, le=1)
    """A share completed below this speaks against the item: -0.5."""
    play_long: float = Field(default=0.8, ge=0, le=1)
    """This share or more: 1; in between linearly."""
    play_weight: float = Field(default=0.7, ge=0)
    """How much the share completed counts."""
    repeat_gap_h: float = Field(default=12.0, gt=0)
    """The same deed (view, click, play, cart, purchase) on an item so many hours or more after the last one: 1."""
    repeat_weight: float = Field(default=0.6, ge=0)
    """How much coming back to an item counts."""
    bounce_s: float = Field(default=5.0, gt=0)
    """Who looks at an item and is with another one within so many seconds came back quickly: -0.5."""
    bounce_weight: float = Field(default=0.2, ge=0)
    """How much coming back from it quickly counts."""
    return_weight: float = Field(default=1.0, ge=0)
    """An item given back: -1."""
    abandon_days: float = Field(default=7.0, gt=0)
    """Put into the cart and not bought within so many days: -0.3."""
    abandon_weight: float = Field(default=0.2, ge=0)
    """How much leaving it in the cart counts."""
    ignore_shown: int = Field(default=3, ge=1)
    """Shown so often and not taken up until ``ignore_h`` after the last time: -0.3."""
    ignore_h: float = Field(default=24.0, gt=0)
    """Hours that an item shown may wait to be taken up."""
    ignore_weight: float = Field(default=0.3, ge=0)
    """How much passing it over counts."""

    @model_validator(mode="after")
    def _check(self) -> FeedbackConfig:
        if self.dwell_short_s >= self.dwell_long_s or self.play_short >= self.play_long:
            raise ValueError(
                f"dwell {self.dwell_short_s:g} to {self.dwell_long_s:g} s, play {self.play_short:g} to {self.play_long:g}: "
                "short must be less than long"
            )
        return self


def implicit_feedback(
    events: pl.DataFrame, config: FeedbackConfig | None = None, at_us: int | None = None
) -> pl.DataFrame:
    """Return what the events say of users and items, one row a signal, in the order of time.

    Args:
        events: Rows of a log, with ``type``, ``user_id``, ``item_id``, ``at_us`` and ``value``.
        config: The rules.
        at_us: The moment asked about, microseconds since 1970: what happened later is not looked at, and what did not
            happen is missed only once its time is up. None: the time of the newest event.

    Returns:
        Columns ``user_id, item_id, at_us, rule, value, weight``: value in [-1, 1], weight >= 0.

    Source:
        Kim, Hassan, White & Zitouni, "Modeling dwell time to predict click-level satisfaction", WSDM 2014 (stays and
        quick returns); Hu, Koren & Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008
        (value and confidence apart). The limits are ours.
    """
    config = config or FeedbackConfig()
    deeds = events.select("type", "user_id", "item_id", "at_us", "value").filter(
        pl.col("user_id").is_not_null() & pl.col("item_id").is_not_null()
    )
    if at_us is None:
        at_us = int(deeds["at_us"].max() or 0)  # type: ignore[arg-type]
    deeds = deeds.filter(pl.col("at_us") <= at_us).sort("user_id", "at_us", maintain_order=True)
    found = [
        _dwell(deeds, config),
        _play(deeds, config),
        _repeat(deeds, config),
        _bounce(deeds, config),
        _returned(deeds, config),
        _abandoned(deeds, config, at_us),
        _ignored(deeds, config, at_us),
    ]
    whole = pl.concat(frame.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()) for frame in found)
    return whole.filter(pl.col("weight") > 0).sort("at_us", "user_id", "item_id", "rule")


def summed(signals: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each user and item: ``value``, the weighted mean in [-1, 1], and ``weight``, the sum of weights."""
    total = pl.col("weight").sum()
    mean = (pl.col("weight") * pl.col("value")).sum() / total
    return signals.group_by("user_id", "item_id", maintain_order=True).agg(mean.alias("value"), total.alias("weight"))


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well implicit feedback tells who rates an item well.

    Attributes:
        n: Pairs of user and item that have both.
        auc: Probability that of a liked and a not liked pair the liked one has the higher value; 0.5 is chance, NaN
            when all are liked or none is.
    """

    n: int
    auc: float


def agreement(feedback: pl.DataFrame, ratings: pl.DataFrame, liked: float) -> Agreement:
    """Return how the values of ``summed`` agree with explicit ratings.

    Args:
        feedback: From ``summed``.
        ratings: Columns ``user_id``, ``item_id``, ``rating``; one row a pair.
        liked: Ratings from here on are good ones.
    """
    both = feedback.join(ratings, on=["user_id", "item_id"])
    good = (both["rating"] >= liked).to_numpy()
    n_good, n_bad = int(good.sum()), int((~good).sum())
    if not n_good or not n_bad:
        return Agreement(both.height, float("nan"))
    rank = both["value"].rank("average").to_numpy()
    # Mann & Whitney: the ranks of the good ones, less what they would be if they were all at the bottom.
    return Agreement(both.height, float((rank[good].sum() - n_good * (n_good + 1) / 2) / (n_good * n_bad)))


def _signals(frame: pl.DataFrame, rule: str, value: pl.Expr | float, weight: float) -> pl.DataFrame:
    given = value if isinstance(value, pl.Expr) else pl.lit(value)
    return frame.select(
        "user_id", "item_id", "at_us", pl.lit(rule).alias("rule"), given.alias("value"), pl.lit(weight).alias("weight")
    )


def _dwell(deeds: pl.DataFrame, config: FeedbackConfig) -> pl.DataFrame:
    stays = deeds.filter((pl.col("type") == "dwell") & (pl.col("value") >= 0))
    span = float(np.log(config.dwell_long_s / config.dwell_short_s))
    grown = ((pl.col("value") / config.dwell_short_s).log() / span).clip(0.0, 1.0)
    value = pl.when(pl.col("value") < config.dwell_short_s).then(-0.5).otherwise(grown)
    return _signals(stays, "dwell", value, config.dwell_weight)


def _play(deeds: pl.DataFrame, config: FeedbackConfig) -> pl.DataFrame:
    plays = deeds.filter((pl.col("type") == "play") & pl.col("value").is_between(0, 1))
    grown = ((pl.col("value") - config.play_short) / (config.play_long - config.play_short)).clip(0.0, 1.0)
    value = pl.when(pl.col("value") < config.play_short).then(-0.5).otherwise(grown)
    return _signals(plays, "completion", value, config.play_weight)


def _repeat(deeds: pl.DataFrame, config: FeedbackConfig) -> pl.DataFrame:
    taken = deeds.filter(pl.col("type").is_in(REPEATED))
    since = pl.col("at_us") - pl.col("at_us").shift(1).over("user_id", "item_id", "type")
    again = taken.filter(since >= config.repeat_gap_h * 3600 * _S)
    return _signals(again, "repeat", 1.0, config.repeat_weight)


def _bounce(deeds: pl.DataFrame, config: FeedbackConfig) -> pl.DataFrame:
    # What is said of the same item in between (its dwell, a like) is no way back.
    acts = deeds.filter(pl.col("type").is_in(TAKEN))
    left_after = pl.col("at_us").shift(-1).over("user_id") - pl.col("at_us")
    other = pl.col("item_id").shift(-1).over("user_id") != pl.col("item_id")
    quick = acts.filter(pl.col("type").is_in(["view", "click"]) & other & (left_after < config.bounce_s * _S))
    return _signals(quick, "quick return", -0.5, config.bounce_weight)


def _returned(deeds: pl.DataFrame, config: FeedbackConfig) -> pl.DataFrame:
    return _signals(deeds.filter(pl.col("type") == "return"), "return", -1.0, config.return_weight)


def _abandoned(deeds: pl.DataFrame, config: FeedbackConfig, at_us: int) -> pl.DataFrame:
    span = round(config.abandon_days * 86_400 * _S)
    carts = deeds.filter((pl.col("type") == "cart") & (pl.col("at_us") + span <= at_us))
    bought = deeds.filter(pl.col("type") == "purchase").select("user_id", "item_id", pl.col("at_us").alias("bought_us"))
    next_one = carts.sort("at_us").join_asof(
        bought.sort("bought_us"), left_on="at_us", right_on="bought_us", by=["user_id", "item_id"], strategy="forward",
        check_sortedness=False,
    )  # fmt: skip
    left = next_one.filter(~(pl.col("bought_us") <= pl.col("at_us") + span).fill_null(value=False))
    last = left.group_by("user_id", "item_id", maintain_order=True).last()
    return _signals(last.with_columns(pl.col("at_us") + span), "abandoned", -0.3, config.abandon_weight)


def _ignored(deeds: pl.DataFrame, config: FeedbackConfig, at_us: int) -> pl.DataFrame:
    """Return items shown again and again that were never taken up from the first showing until the time was up."""
    span = round(config.ignore_h * 3600 * _S)
    key = ["user_id", "item_id"]
    taken = deeds.filter(pl.col("type").is_in(TAKEN)).select(*key, pl.col("at_us").alias("taken_us"))
    shown = deeds.filter(pl.col("type") == "impression").sort("at_us")
    # Only what was shown since the item was taken up last.
    last_taken = taken.group_by(key).agg(pl.col("taken_us").max())
    open_ = shown.join(last_taken, on=key, how="left").filter(
        pl.col("taken_us").is_null() | (pl.col("at_us") > pl.col("taken_us"))
    )
    counted = open_.group_by(key, maintain_order=True).agg(
        pl.len().alias("n"), (pl.col("at_us").max() + span).alias("at_us")
    )
    ignored = counted.filter((pl.col("n") >= config.ignore_shown) & (pl.col("at_us") <= at_us))
    return _signals(ignored, "ignored", -0.3, config.ignore_weight)
