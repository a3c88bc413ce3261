"""The figures of the spine: import, profiles, bulk and single ingest, durability, recommendation, restart.

Run: ``make bench`` or ``python benchmarks/spine.py [--json FILE]``. Every figure is measured in this one run; times on a
shared machine vary, so compare ratios. The bare fsync is measured on the same disk, in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROUNDS = 1000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", type=Path)
    options.add_argument("--folder", type=Path, help="where the databases are made; default: a temporary folder")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        figures = measure(Path(folder))
    for name, value in figures.items():
        print(f"{name:45} {value}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(folder: Path) -> dict[str, object]:
    from penchant.evaluate.report import current_commit

    figures: dict[str, object] = {
        "commit": current_commit(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load_1min": round(os.getloadavg()[0], 2),
        "import penchant, s": import_time("import penchant"),
        "from penchant import Engine, s": import_time("from penchant import Engine"),
    }
    figures |= bulk(folder)
    figures |= single(folder, "default")
    figures |= single(folder, "full")
    figures["peak memory of all this, MB"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return figures


def import_time(statement: str) -> float:
    """Median of nine fresh processes, less an empty one."""

    def run(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - began

    took = statistics.median(run(statement) for _ in range(9)) - statistics.median(run("pass") for _ in range(9))
    return round(took, 3)


def bulk(folder: Path) -> dict[str, object]:
    from penchant import Engine
    from penchant.collect.datasets import open_dataset
    from penchant.collect.importer import collect
    from penchant.collect.quarantine import Quarantine

    source = open_dataset("completejourney")
    figures: dict[str, object] = {}
    for name, url in (("memory", "memory"), ("SQLite", f"sqlite:///{folder}/bulk.db")):
        with Engine.open(url) as engine, Quarantine() as quarantine:
            began = time.perf_counter()
            report = collect(source, engine, quarantine)
            events = report.accepted
            took = time.perf_counter() - began
            engine.profile("900")
            queryable = time.perf_counter() - began
        figures[f"import {events:,} rows into {name}, s"] = round(took, 1)
        figures[f"import into {name}, events/s"] = round(events / took)
        figures[f"wheel to queryable profiles ({name}), s"] = round(queryable, 1)
    # Events alone: the same purchases again into a fresh log, the catalogue already there and Python warm.
    with Engine.open(f"sqlite:///{folder}/bulk.db") as full:
        frame = full.ledger.events()
    import polars as pl

    with Engine.open(f"sqlite:///{folder}/again.db") as engine:
        engine.replay(frame.filter(pl.col("type") == "item"))
        purchases = frame.filter(pl.col("type") == "purchase")
        began = time.perf_counter()
        n = engine.replay(purchases)
        figures["bulk append and fold (SQLite), events/s"] = round(n / (time.perf_counter() - began))
        began = time.perf_counter()
        engine.rebuild()
        figures["rebuild of all states (SQLite), s"] = round(time.perf_counter() - began, 1)
        began = time.perf_counter()
        engine.fit()
        figures["fit tracker, item_knn, blend, s"] = round(time.perf_counter() - began, 1)
        end = "2018-01-02"
        users = [f"{number}" for number in range(1, 301)]
        engine.recommend("1", at=end)
        for strategy in (None, "popular", "item_knn", "interest", "recent"):
            times = [timed(lambda u=u, s=strategy: engine.recommend(u, at=end, strategy=s)) for u in users]
            figures[f"recommend n=10, {strategy or 'pipeline'}, p50 / p99 ms"] = quantiles(times)
        figures["profile, p50 / p99 ms"] = quantiles([timed(lambda u=u: engine.profile(u, at=end)) for u in users])
    began = time.perf_counter()
    with Engine.open(f"sqlite:///{folder}/again.db") as engine:
        engine.interests("900", at=end)
    figures["open an existing log and read one user, s"] = round(time.perf_counter() - began, 3)
    return figures


def single(folder: Path, durability: str) -> dict[str, object]:
    """One event and the interests that it changed, with the year of groceries in the log."""
    from penchant import Engine

    with Engine.open(f"sqlite:///{folder}/again.db", durability=durability) as engine:
        users = list(engine.ledger.states.every("tracker"))[:200]
        engine.interests(users[0])
        both, alone = [], []
        for i in range(ROUNDS):
            user_id = users[i % len(users)]
            event = {
                "event_id": f"{durability}-{i}",
                "type": "purchase",
                "user_id": user_id,
                "item_id": "1082185",
                "amount": 1.0,
            }
            began = time.perf_counter()
            engine.ingest(event)
            middle = time.perf_counter()
            engine.interests(user_id)
            both.append(time.perf_counter() - began)
            alone.append(middle - began)
    bare = [fsync(folder / "bare", i) for i in range(200)]
    return {
        f"ingest one event, {durability}, p50 / p99 ms": quantiles(alone),
        f"ingest one event and interests, {durability}, p50 / p99 ms": quantiles(both),
        f"bare fsync beside it ({durability}), p50 / p99 ms": quantiles(bare),
        f"ingest {durability} / bare fsync, median ratio": round(statistics.median(alone) / statistics.median(bare), 2),
    }


def fsync(path: Path, number: int) -> float:
    with path.open("ab") as file:
        file.write(b"x" * 4096)
        file.flush()
        began = time.perf_counter()
        os.fdatasync(file.fileno())
        return time.perf_counter() - began


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def quantiles(times: list[float]) -> str:
    ordered = sorted(times)
    return f"{ordered[len(ordered) // 2] * 1000:.2f} / {ordered[int(len(ordered) * 0.99)] * 1000:.2f}"


if __name__ == "__main__":
    main()
