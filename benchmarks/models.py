"""What each item model costs: seconds of fitting, memory, size when saved, time for one list.

Run: ``python benchmarks/models.py --data movietweetings --folder FOLDER [--models a,b] [--rows 100000] [--json FILE]``

Every model runs in a process of its own with one thread, on the first rows of a data set in the order of time. How good
the lists are is another question: ``penchant evaluate ranking``. Times on a shared machine vary; compare ratios of one run.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ASKED = 200
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", default="movietweetings")
    options.add_argument("--folder", type=Path)
    options.add_argument("--models", help="with commas between; default: all")
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--limit-s", type=float, default=280.0, help="seconds that one model may take")
    options.add_argument("--json", type=Path)
    options.add_argument("--one", nargs=2, metavar=("MODEL", "TRAINING"), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        print(json.dumps(measure(*given.one)))
        return
    from penchant.interest.models import MODELS

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        training = Path(folder) / "training"
        write_training(given, training)
        for name in given.models.split(",") if given.models else MODELS:
            rows.append(run(name, training, given.limit_s))
            print(line(rows[-1]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2) + "\n")


def write_training(given: argparse.Namespace, path: Path) -> None:
    """Write what the models learn from; our own file, read back by our own processes only."""
    from penchant.app.cli.evaluate import load
    from penchant.app.cli.output import bars
    from penchant.domain.batch import EventBatch
    from penchant.loop.fitting import interactions_of

    with bars() as progress:
        evaluation = load(given.data, given.folder, None, None, 0, progress)
    with evaluation.make() as engine:
        users = evaluation.frame["user_id"].is_not_null()
        frame = evaluation.frame.filter(~users).vstack(evaluation.frame.filter(users).sort("at_us").head(given.rows))
        engine.replay(frame)
        batch = EventBatch.from_frame(engine.ledger.events(), engine.ledger.items, engine.ledger.topics)
        interactions, items = interactions_of(batch), engine.recommender.table()
    print(
        f"{given.data}: {interactions.user.size:,} interactions, {interactions.n_users:,} users, {items.n_items:,} items"
    )
    path.write_bytes(pickle.dumps((interactions, items)))


def run(name: str, training: Path, limit_s: float) -> dict[str, Any]:
    """Return what a model cost, or why it did not finish."""
    env = {**os.environ, **dict.fromkeys(THREADS, "1")}
    command = [sys.executable, __file__, "--one", name, str(training)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, env=env, check=False)
    except subprocess.TimeoutExpired:
        return {"model": name, "failed": f"more than {limit_s:.0f} s"}
    if done.returncode:
        return {"model": name, "failed": done.stderr.strip().splitlines()[-1][:200]}
    return json.loads(done.stdout.splitlines()[-1])


def measure(name: str, training: str) -> dict[str, Any]:
    """Fit one model and ask it for one list after the other."""
    from penchant.domain.item_model import Histories, ItemTraining
    from penchant.interest.models import MODELS
    from penchant.math.top import top_n

    interactions, items = pickle.loads(Path(training).read_bytes())
    small = ItemTraining(interactions, items)
    MODELS[name]().fit(_few(small))  # what is compiled at first use is kept for later runs
    model = MODELS[name]()
    began = time.perf_counter()
    model.fit(small)
    fit_s = time.perf_counter() - began
    saved = len(model.encode())
    users = np.random.default_rng(0).choice(np.unique(interactions.user), ASKED)
    asked = Histories.of(interactions, users.astype(np.int64), np.full(ASKED, float(interactions.at.max())))
    took = []
    for one in asked.chunks(1):
        began = time.perf_counter()
        top_n(model.scores(one, items)[0].astype(np.float64), 10)
        took.append(time.perf_counter() - began)
    p50, p99 = np.quantile(took[1:], [0.5, 0.99]) * 1000
    # Not ru_maxrss, which counts the process that started this one.
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024 / 1e6  # type: ignore[index]
    return {"model": name, "fit_s": fit_s, "peak_mb": peak, "saved_mb": saved / 1e6, "p50_ms": p50, "p99_ms": p99}


def _few(training: Any) -> Any:
    from penchant.domain.interactions import Interactions
    from penchant.domain.item_model import ItemTraining

    seen = training.interactions
    keep = seen.user < 50
    few = Interactions(seen.user[keep], seen.item[keep], seen.at[keep], seen.weight[keep], seen.n_users, seen.n_items)
    return ItemTraining(few, training.items)


def line(row: dict[str, Any]) -> str:
    """Return a line of the table."""
    if "failed" in row:
        return f"{row['model']:22}{row['failed']}"
    return (
        f"{row['model']:22}fit {row['fit_s']:8.2f} s  peak {row['peak_mb']:7.0f} MB  saved {row['saved_mb']:8.2f} MB"
        f"  one list p50 {row['p50_ms']:7.2f} ms  p99 {row['p99_ms']:7.2f} ms"
    )


if __name__ == "__main__":
    main()
