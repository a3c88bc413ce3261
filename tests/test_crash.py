"""A process that ingests is killed at random moments: what it acknowledged is there, once, and the states are right."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

from penchant import Engine
from penchant.clock import fixed

CHILD = """
import random, sys
import polars as pl
from penchant import Engine
from penchant.clock import fixed

url, first, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
chance = random.Random(seed)
engine = Engine.open(url, clock=fixed("2027-01-01"), checkpoint_events=150)

def event(n):
    kind = ("view", "purchase", "user", "like", "item")[n % 5]
    made = {"event_id": f"e{n}", "type": kind, "at": 1767225600.0 + n, "item_id": f"item-{n % 83}"}
    made["user_id"] = None if kind == "item" else f"user-{n * 7919 % 400}"
    made["topics"] = [f"topic-{n % 13}"] if n % 3 else None
    return made

def said(a, b):
    print(a, b, flush=True)

n = first
print("ready", flush=True)
while True:
    for _ in range(chance.randrange(30)):
        engine.ingest(event(n))
        said(n, n + 1)
        n += 1
    size = chance.choice([40, 700, 3000])
    events = [event(i) for i in range(n, n + size)]
    engine.ingest(pl.DataFrame(events, infer_schema_length=None) if chance.random() < 0.5 else events)
    said(n, n + size)
    n += size
    if chance.random() < 0.2:
        engine.checkpoint()
"""
ROUNDS = 5


def one_life(url: str, first: int, seed: int, lives_s: float) -> list[tuple[int, int]]:
    """Run a child for a while, kill it, return what it acknowledged.

    The first life is counted from when the engine is open, all others from the first acknowledgement.
    """
    command = [sys.executable, "-c", CHILD, url, str(first), str(seed)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    assert child.stdout is not None
    told = ""
    try:
        assert child.stdout.readline() == "ready\n"
        if first:
            told = child.stdout.readline()
        time.sleep(lives_s)
    finally:
        child.send_signal(signal.SIGKILL)
    told += child.stdout.read()
    child.stdout.close()
    assert child.wait(20) == -signal.SIGKILL
    whole = told[: told.rfind("\n") + 1]
    return [(int(a), int(b)) for a, b in (line.split() for line in whole.splitlines())]


def test_a_killed_process_loses_nothing_that_it_acknowledged(sqlite_url):
    chance = random.Random(20)  # noqa: S311
    acknowledged: list[tuple[int, int]] = []
    lives = [0.01, 0.9] + [chance.uniform(0.05, 0.6) for _ in range(ROUNDS - 2)]
    for life, lives_s in enumerate(lives):
        acknowledged += one_life(sqlite_url, 1_000_000 * life, life, lives_s)
        # Between two lives somebody looks, and what is there already is whole.
        if life == 2:
            engine = Engine.open(sqlite_url, clock=fixed("2027-01-01"))
            engine.profile("user-7")
            engine.log.close()
    assert sum(b - a for a, b in acknowledged) > 1000

    engine = Engine.open(sqlite_url, clock=fixed("2027-01-01"))
    frame = engine.ledger.events()
    ids = frame["event_id"].to_list()
    assert len(ids) == len(set(ids))
    there = set(ids)
    assert all(f"e{n}" in there for a, b in acknowledged for n in range(a, b))
    # What was on its way is there whole or not at all, and at most one step of each life.
    unsaid = sorted(int(name[1:]) for name in there - {f"e{n}" for a, b in acknowledged for n in range(a, b)})
    for life in range(ROUNDS):
        step = [n for n in unsaid if n // 1_000_000 == life]
        assert len(step) in (0, 1, 40, 700, 3000)
        assert step == list(range(step[0], step[0] + len(step))) if step else True

    live = engine.ledger.states.as_bytes()
    assert engine.rebuild() == len(ids)
    assert engine.ledger.states.as_bytes() == live
    memory = Engine.open(clock=fixed("2027-01-01"))
    memory.replay(frame)
    assert memory.ledger.states.as_bytes() == live
    engine.close()
