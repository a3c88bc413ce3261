"""What is known of everybody at a moment, beside the population's counts: what is in fashion, and which topic lies where."""

from __future__ import annotations

from dataclasses import dataclass

from penchant.math.arrays import FloatArray, Int32Array

TREND_DAYS = (3.0, 14.0)
"""Half-lives in days of the counts that say what is in fashion. Slower ones and a third in between added nothing."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """What everybody does at a moment.

    Attributes:
        trends: Counts of every topic over all users up to the beginning of the moment's day, decayed by each of
            ``TREND_DAYS``, shape ``(2, T)``; None where nobody counts.
        parents: The topic above each, -1 for none, shape ``(T,)``; None where there are no topics above others.
    """

    trends: FloatArray | None = None
    parents: Int32Array | None = None


NO_CROWD = Crowd()
