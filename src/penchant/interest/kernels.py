"""The tracker's hot loop, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from penchant.clock import DAY_S
from penchant.interest.layout import (
    EVIDENCE,
    GAP,
    GAP_UNIT,
    LAST_AT,
    LEAST_REGIME,
    MAX_CHANGES,
    MAX_REGIMES,
    N_CHANGES,
    N_DAYS,
    N_REGIME,
    N_SEEN,
    N_SINCE,
    N_TODAY,
    RETURN_EVIDENCE,
    RETURN_SURPRISE,
    SINCE_AT,
    SURPRISE,
    TODAY,
)
from penchant.math.arrays import Float32Array, FloatArray, Int16Array, Int32Array, IntArray, UInt16Array, UInt32Array
from penchant.math.lookup import place_of, room_for

MAX_COUNT = 65_535
GAP_MEMORY = 0.2
"""Share of the newest gap in the running mean, once five gaps were seen."""


@njit(cache=True)
def finish_day(
    user: FloatArray,
    changes: FloatArray,
    at: UInt32Array,
    evidence: Float32Array,
    count: UInt16Array,
    regimes: Float32Array,
    m: int,
    n_regimes: int,
    day_cap: float,
    alarm: float,
) -> int:
    """Close a user's day: weigh its evidence for a change, and change the regime if it is enough.

    Returns the number of earlier regimes.
    """
    mass = evidence.shape[1] - 1
    if user[N_SEEN] > 0.0:
        part = min(user[N_SEEN], day_cap) / user[N_SEEN]
        user[EVIDENCE] = max(0.0, user[EVIDENCE]) + part * user[SURPRISE]
        for r in range(n_regimes):
            known = user[RETURN_EVIDENCE + r]
            user[RETURN_EVIDENCE + r] = max(0.0, known) + part * user[RETURN_SURPRISE + r]
    # A challenger needs something to challenge: a regime that had begun long before it.
    if user[N_REGIME] - user[N_SINCE] < max(user[N_SINCE], LEAST_REGIME):
        user[EVIDENCE] = 0.0
    best, winner = user[EVIDENCE], -1
    for r in range(n_regimes):
        if user[RETURN_EVIDENCE + r] > best:
            best, winner = user[RETURN_EVIDENCE + r], r
    # The threshold is shared among all that may sound the alarm, so that the bound holds for them together.
    if best >= alarm + np.log(1.0 + n_regimes):
        for c in range(MAX_CHANGES - 1):
            changes[c] = changes[c + 1]
        changes[MAX_CHANGES - 1] = user[SINCE_AT] if winner < 0 else user[TODAY] * DAY_S
        user[N_CHANGES] += 1.0
        slot = winner
        if winner < 0:
            if n_regimes == MAX_REGIMES:  # the oldest one goes
                for r in range(MAX_REGIMES - 1):
                    regimes[:m, 2 * r : 2 * r + 2] = regimes[:m, 2 * r + 2 : 2 * r + 4]
            else:
                n_regimes += 1
            slot = n_regimes - 1
        total = 0.0
        for i in range(m):
            days, since = float(count[i, 0]), float(count[i, 1])
            weight = evidence[i, mass]
            fresh = weight * np.float32(since / days) if days > 0.0 else np.float32(0.0)
            again, again_weight = np.float32(0.0), np.float32(0.0)
            if winner >= 0:
                again, again_weight = regimes[i, 2 * slot], regimes[i, 2 * slot + 1]
            regimes[i, 2 * slot] = np.float32(days - since)
            regimes[i, 2 * slot + 1] = weight - fresh
            evidence[i, mass] = fresh + again_weight
            count[i, 0] = np.uint16(min(float(MAX_COUNT), since + float(again)))
            total += float(count[i, 0])
        user[N_REGIME] = total
        user[EVIDENCE] = 0.0
        for r in range(MAX_REGIMES):
            user[RETURN_EVIDENCE + r] = 0.0
    if user[EVIDENCE] <= 0.0:  # what challenges the regime begins anew with the day just over
        left = 0.0
        first = user[TODAY] * DAY_S
        for i in range(m):
            inside = float(at[i]) >= first and count[i, 1] > 0
            count[i, 1] = np.uint16(1) if inside else np.uint16(0)
            left += float(count[i, 1])
        user[N_SINCE] = left
        user[SINCE_AT] = first
    user[SURPRISE] = user[N_SEEN] = user[N_TODAY] = 0.0
    user[RETURN_SURPRISE:RETURN_EVIDENCE] = 0.0
    return n_regimes


@njit(cache=True)
def fold_topics(
    old_topic: Int32Array,
    old_at: UInt32Array,
    old_evidence: Float32Array,
    old_count: UInt16Array,
    old_gap: Int16Array,
    old_regimes: Float32Array,
    old_user: FloatArray,
    old_changes: FloatArray,
    rows: IntArray,
    at: FloatArray,
    weight: FloatArray,
    topic_start: IntArray,
    topic: Int32Array,
    half_lives: FloatArray,
    negative_half_life: float,
    max_topics: int,
    novelty: float,
    caution: float,
    day_cap: float,
    alarm: float,
) -> tuple[Any, Any, Any, Any, Any, Any, Any, Any]:
    """Return the parts of the state after the events ``rows`` of one user, in order.

    The sums are float32 and every step rounds, so a batch equals its events one by one. Weight is shared evenly among
    an event's topics. The arguments are those of ``TrackerState`` and ``TrackerConfig``.
    """
    n_old = old_topic.size
    n_views = half_lives.size
    against, mass = n_views, n_views + 1
    room = room_for(n_old, rows, topic_start, max_topics)
    topics = np.empty(room, np.int32)
    clock = np.zeros(room, np.uint32)
    evidence = np.zeros((room, n_views + 2), np.float32)
    count = np.zeros((room, 2), np.uint16)
    gap = np.zeros(room, np.int16)
    user = old_user.copy()
    changes = old_changes.copy()
    n_regimes = old_regimes.shape[1] // 2
    regimes = np.zeros((room, 2 * MAX_REGIMES), np.float32)
    known = np.zeros(MAX_REGIMES)
    topics[:n_old] = old_topic
    clock[:n_old] = old_at
    evidence[:n_old] = old_evidence
    count[:n_old] = old_count
    gap[:n_old] = old_gap
    m = n_old
    for r in range(n_regimes):
        for i in range(m):
            regimes[i, 2 * r] = old_regimes[i, 2 * r]
            regimes[i, 2 * r + 1] = old_regimes[i, 2 * r + 1]
            known[r] += old_regimes[i, 2 * r]
    for row in rows:
        now = at[row]
        first, end = topic_start[row], topic_start[row + 1]
        day = np.floor(now / DAY_S)
        if weight[row] > 0.0 and end > first and day > user[TODAY]:
            if user[N_DAYS] > 0.0:
                changed = user[N_CHANGES]
                n_regimes = finish_day(user, changes, clock, evidence, count, regimes, m, n_regimes, day_cap, alarm)
                if user[N_CHANGES] != changed:
                    for r in range(n_regimes):
                        known[r] = 0.0
                        for i in range(m):
                            known[r] += regimes[i, 2 * r]
                pause = np.log(day - user[TODAY])
                share = max(1.0 / user[N_DAYS], GAP_MEMORY)
                user[GAP] += share * (pause - user[GAP])
            else:
                user[SINCE_AT] = day * DAY_S
            user[TODAY] = day
            user[N_DAYS] += 1.0
        if now > user[LAST_AT]:
            user[LAST_AT] = now
        if first == end:
            continue
        part = weight[row] / (end - first)
        second = np.uint32(max(0.0, now))
        for j in range(first, end):
            place = place_of(topics, m, topic[j])
            if place < 0:
                if m < room:
                    place = m
                    m += 1
                else:
                    place = 0
                    least = np.inf
                    for i in range(m):
                        age = user[LAST_AT] - float(clock[i])
                        kept = (evidence[i, n_views - 1] + evidence[i, against]) * 2.0 ** (
                            -age / half_lives[n_views - 1]
                        )
                        if kept < least:
                            place, least = i, kept
                    if count[place, 0] > 0 and np.floor(float(clock[place]) / DAY_S) == user[TODAY]:
                        user[N_TODAY] -= 1.0
                    user[N_REGIME] -= float(count[place, 0])
                    user[N_SINCE] -= float(count[place, 1])
                    for r in range(n_regimes):
                        known[r] -= regimes[place, 2 * r]
                    evidence[place, :] = np.float32(0.0)
                    regimes[place, :] = np.float32(0.0)
                    count[place, :] = np.uint16(0)
                    gap[place] = np.int16(0)
                topics[place] = topic[j]
                clock[place] = second
            if part <= 0.0:
                # As of the topic's clock, like all that is kept of it.
                ahead = now - float(clock[place])
                evidence[place, against] += np.float32(-part * 2.0 ** (ahead / negative_half_life))
                continue
            if second >= clock[place]:
                ahead = float(second) - float(clock[place])
                if ahead > 0.0:
                    for k in range(n_views):
                        evidence[place, k] *= np.float32(2.0 ** (-ahead / half_lives[k]))
                    evidence[place, against] *= np.float32(2.0 ** (-ahead / negative_half_life))
                for k in range(n_views):
                    evidence[place, k] += np.float32(part)
                if day == user[TODAY] and (count[place, 0] == 0 or np.floor(float(clock[place]) / DAY_S) < day):
                    # The topic's first event of the day: the day's later ones say little more.
                    if count[place, 0] > 0:
                        pause = np.log(max(1.0, day - np.floor(float(clock[place]) / DAY_S)))
                        share = max(1.0 / float(count[place, 0]), GAP_MEMORY)
                        old = float(gap[place]) * GAP_UNIT
                        gap[place] = np.int16(round((old + share * (pause - old)) / GAP_UNIT))
                    lasting = max(0.0, user[N_REGIME] - user[N_TODAY])
                    passing = max(0.0, user[N_SINCE] - user[N_TODAY])
                    p_lasting = (float(count[place, 0]) + novelty) / (lasting + 100.0 * novelty)
                    p_passing = (float(count[place, 1]) + caution * p_lasting) / (passing + caution)
                    piece = 1.0 / (end - first)
                    user[SURPRISE] += piece * np.log(p_passing / p_lasting)
                    for r in range(n_regimes):
                        p_then = (float(regimes[place, 2 * r]) + novelty) / (known[r] + 100.0 * novelty)
                        user[RETURN_SURPRISE + r] += piece * np.log(p_then / p_lasting)
                    user[N_SEEN] += piece
                    if count[place, 0] < MAX_COUNT:
                        count[place, 0] += np.uint16(1)
                        user[N_REGIME] += 1.0
                        count[place, 1] += np.uint16(1)
                        user[N_SINCE] += 1.0
                        user[N_TODAY] += 1.0
                elif count[place, 0] == 0:  # a late event brought the topic
                    count[place, 0] = np.uint16(1)
                    user[N_REGIME] += 1.0
                clock[place] = second
            else:
                late = float(clock[place]) - now
                for k in range(n_views):
                    evidence[place, k] += np.float32(part * 2.0 ** (-late / half_lives[k]))
                if count[place, 0] == 0:  # only ever spoken against before
                    count[place, 0] = np.uint16(1)
                    user[N_REGIME] += 1.0
            evidence[place, mass] += np.float32(part)
    return (
        topics[:m].copy(),
        clock[:m].copy(),
        evidence[:m].copy(),
        count[:m].copy(),
        gap[:m].copy(),
        regimes[:m, : 2 * n_regimes].copy(),
        user,
        changes,
    )
