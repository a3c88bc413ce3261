"""What a million users' states take in memory: ``python benchmarks/million.py DATA [--folder FOLDER] [--users N]``.

The states of a real data set's users, each several times over, as the engine holds them: one object with its arrays a user.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import numpy as np

from penchant import Engine
from penchant.collect.datasets import open_dataset
from penchant.collect.importer import collect
from penchant.collect.quarantine import Quarantine


def resident_mb() -> float:
    """Return this process's resident memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--users", type=int, default=1_000_000)
    given = parser.parse_args()
    with Engine.open("memory") as engine, Quarantine() as kept:
        collect(open_dataset(given.data, given.folder), engine, kept)
        tracker = engine.tracker
        packed = [tracker.encode(state) for state in engine.ledger.states.every("tracker").values()]
    sizes = np.array([len(data) for data in packed])
    before = resident_mb()
    states = {
        f"user-{i}": tracker.decode(data) for i, data in zip(range(given.users), itertools.cycle(packed), strict=False)
    }
    after = resident_mb()
    print(
        json.dumps(
            {
                "data": given.data,
                "users": len(states),
                "state_bytes_median": float(np.median(sizes)),
                "state_bytes_mean": round(float(sizes.mean()), 1),
                "gigabytes_encoded": round(float(sizes.mean()) * len(states) / 1e9, 2),
                "gigabytes_in_memory": round((after - before) / 1e3, 2),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
