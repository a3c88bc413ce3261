"""How fast the tracker folds and reads, and how large its states are: ``python benchmarks/tracker.py [--json FILE]``.

Made-up shoppers: a gamma number of favourite topics among 300, baskets of up to ten events. One core.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from penchant.domain.batch import EventBatch
from penchant.domain.event import TYPE_CODE
from penchant.domain.vocabulary import Vocabulary
from penchant.interest.tracker import Tracker

N_TOPICS = 300


def shoppers(n_events: int, n_users: int, seed: int = 0) -> EventBatch:
    """Return purchases of one topic each, in the order of users and time."""
    rng = np.random.default_rng(seed)
    user = np.sort(rng.integers(n_users, size=n_events)).astype(np.int32)
    taste = rng.gamma(0.3, size=(64, N_TOPICS)).cumsum(axis=1)
    draw = rng.random(n_events) * taste[user % 64, -1]
    topic = np.array([np.searchsorted(taste[u % 64], x) for u, x in zip(user, draw, strict=True)], dtype=np.int32)
    at = 1.7e9 + np.sort(rng.integers(365 * 24, size=n_events))[rng.permutation(n_events)] * 3600.0
    order = np.lexsort((at, user))
    topics = Vocabulary(f"t{i}" for i in range(N_TOPICS))
    nothing = np.full(n_events, np.nan)
    return EventBatch(
        position=np.arange(1, n_events + 1),
        type=np.full(n_events, TYPE_CODE["purchase"], dtype=np.int8),
        user=user,
        users=[f"u{i}" for i in range(n_users)],
        item=np.full(n_events, -1, dtype=np.int32),
        at=at[order],
        value=nothing,
        amount=nothing,
        topic_start=np.arange(n_events + 1),
        topic=topic,
        payloads={},
        items=Vocabulary(),
        topics=topics,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_500_000)
    parser.add_argument("--users", type=int, default=2_500)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    tracker = Tracker()
    tracker.update({}, shoppers(1_000, 10))  # compiled, or fetched from the cache
    batch = shoppers(given.events, given.users)
    batch.groups("user", tracker.types)
    began = time.perf_counter()
    states = tracker.update({}, batch)
    fold_s = time.perf_counter() - began
    one = batch.select(np.array([given.events - 1]))
    user = batch.users[int(one.user[0])]
    took = []
    for _ in range(2_000):
        fresh = one.select(np.array([0]))
        began = time.perf_counter()
        tracker.update(states, fresh)
        took.append(time.perf_counter() - began)
    population = np.bincount(batch.topic, minlength=N_TOPICS).astype(np.float64)
    reads = []
    for _ in range(500):
        began = time.perf_counter()
        tracker.read(states[user], 1.8e9, population)
        reads.append(time.perf_counter() - began)
    sizes = [len(tracker.encode(state)) for state in states.values()]
    figures = {
        "events": given.events,
        "topics": N_TOPICS,
        "fold_events_s": round(given.events / fold_s),
        "update_us_p50": round(1e6 * float(np.median(took)), 1),
        "update_us_p99": round(1e6 * float(np.quantile(took, 0.99)), 1),
        "read_us_p50": round(1e6 * float(np.median(reads)), 1),
        "state_bytes_median": float(np.median(sizes)),
        "topics_a_user_median": float(np.median([state.topic.size for state in states.values()])),
    }
    print(json.dumps(figures, indent=2))
    if given.json:
        given.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
