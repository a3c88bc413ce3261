"""penchant beside RecTools (with implicit) and LensKit: same events, same users, same metric code, one run.

Run: ``python benchmarks/peers/compare.py --data movietweetings --folder FOLDER --seen exclude [--json FILE]``

Every model learns from the interactions before a cut in time, without titles or topics, in a process of its own with
one thread, in its library's environment, and answers for the users who did something before the cut and took something
after it. Only ids pass between the environments; our metrics score all lists. Times are of a shared machine: compare
ratios of one run. ``--envs`` keeps the environments for the next run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
OURS = ("most_popular", "repeat", "item_knn", "user_knn", "ease", "als")
THEIRS = {
    "rectools": ("popular", "popular_14_days", "item_knn_cosine", "item_knn_bm25", "als", "pure_svd", "ease"),
    "lenskit": ("popular", "item_knn", "user_knn", "als", "ease"),
}
PAIRS = {"popular": "most_popular", "popular_14_days": "most_popular", "item_knn_cosine": "item_knn",
         "item_knn_bm25": "item_knn", "pure_svd": "als"}  # fmt: skip
THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"),
    *("LK_NUM_THREADS", "LK_NUM_BACKEND_THREADS", "LK_NUM_CHILD_THREADS", "LK_NUM_PROCS"),
)
ONE_THREAD = dict.fromkeys(THREADS, "1")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", default="movietweetings")
    options.add_argument("--folder", type=Path)
    options.add_argument("--keep-users", type=int, help="only the events of so many users, at random")
    options.add_argument("--max-users", type=int, help="ask so many users, at random")
    options.add_argument("--seen", choices=["allow", "exclude"], default="exclude")
    options.add_argument("--models", default=",".join(OURS), help="ours, with commas between")
    options.add_argument("--libraries", default="rectools,lenskit", help="with commas between; or none")
    options.add_argument("--envs", type=Path, help="where the environments are; default: a temporary folder")
    options.add_argument("--limit-s", type=float, default=280.0, help="seconds that one model may take")
    options.add_argument("--limit-gb", type=float, default=20.0, help="address space that one model may take")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = given.envs or Path(folder)
        question = Path(folder) / "question.npz"
        asked = write_question(given, question)
        rows: list[dict[str, Any]] = []
        lists: dict[str, np.ndarray] = {}
        libraries = [name for name in given.libraries.split(",") if name in THEIRS]
        work = [("penchant", model) for model in given.models.split(",")]
        work += [(library, model) for library in libraries for model in THEIRS[library]]
        for library, model in work:
            python = sys.executable if library == "penchant" else str(environment(place, library))
            out = Path(folder) / f"{library}-{model}.npz"
            row = run(python, library, model, question, out, given)
            rows.append(row)
            if "failed" not in row:
                lists[row["name"]] = np.load(out)["lists"]
            print(json.dumps(row), file=sys.stderr, flush=True)
    report = scored(rows, lists, asked, given)
    show(report)
    if given.json:
        given.json.write_text(json.dumps(report, indent=2) + "\n")


def write_question(given: argparse.Namespace, path: Path) -> Any:
    """Write what every model is told; return the questions for the metrics."""
    from penchant.app.cli.evaluate import load
    from penchant.app.cli.output import bars
    from penchant.domain.batch import EventBatch
    from penchant.domain.vocabulary import Vocabulary
    from penchant.evaluate.ranking import Asked
    from penchant.loop.questions import questions, split

    with bars() as progress:
        evaluation = load(given.data, given.folder, None, None, given.seed, progress).of_users(given.keep_users)
    parted = split(evaluation.frame, "global_time", 0.1)
    items = Vocabulary()
    batch = EventBatch.from_frame(evaluation.frame, items, Vocabulary())
    late = parted.late & (batch.user >= 0) & (batch.item >= 0) & (batch.weight > 0)
    known = (batch.user >= 0) & (batch.item >= 0) & (batch.weight > 0) & ~parted.late
    warm = np.intersect1d(batch.user[late], batch.user[known])  # the others cannot be asked in every library
    asked = questions(parted, batch, evaluation.sample(warm, given.max_users))
    relevant = asked.relevant if given.seen == "allow" else asked.unseen()
    keep = np.array([found.size > 0 for found in relevant], dtype=np.bool_)
    np.savez(
        path, user=asked.known.user, item=asked.known.item, at=asked.known.at, weight=asked.known.weight,
        n_users=len(batch.users), n_items=len(items), users=asked.users[keep], asked_at=asked.asked_at[0],
        n=100, seen=given.seen == "allow",
    )  # fmt: skip
    count = np.bincount(asked.known.item, minlength=len(items)).astype(np.float64)
    print(f"{asked.known.user.size:,} events, {len(items):,} items, {int(keep.sum()):,} users asked", file=sys.stderr)
    return Asked(
        [found for found, kept in zip(relevant, keep, strict=True) if kept], asked.users[keep], len(items), count
    )


def environment(place: Path, library: str) -> Path:
    """Return the Python of a library's environment, made when it is not there."""
    folder = place / library
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        requirements = HERE / f"requirements-{library}.txt"
        subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", str(requirements)], check=True)
        (folder / "ready").touch()
    return python


def run(python: str, library: str, model: str, question: Path, out: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Return what a model cost, or why it did not finish."""
    name = f"{library}: {model}"
    limit_kb = int(given.limit_gb * 1e6)
    command = f'ulimit -v {limit_kb}; exec "$0" "$@"'
    script = str(HERE / f"lists_{library}.py")
    try:
        done = subprocess.run(
            ["bash", "-c", command, python, script, model, str(question), str(out)],
            capture_output=True, text=True, timeout=given.limit_s, env={**os.environ, **ONE_THREAD}, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"name": name, "failed": f"more than {given.limit_s:.0f} s"}
    if done.returncode:
        why = [line for line in done.stderr.strip().splitlines() if line.strip()]
        return {"name": name, "failed": (why[-1] if why else f"exit code {done.returncode}")[:200]}
    return {"name": name, **json.loads(out.with_suffix(".json").read_text())}


def scored(
    rows: list[dict[str, Any]], lists: dict[str, np.ndarray], asked: Any, given: argparse.Namespace
) -> dict[str, Any]:
    """Return every line with NDCG@10, its interval, its difference to our counterpart, and times as ratios to it."""
    from penchant.evaluate.ranking import ahead, gains, score_lists
    from penchant.evaluate.report import current_commit

    rng = np.random.default_rng([given.seed, 15])
    metrics = score_lists(lists, asked, 10, rng, ("ndcg", "hit_rate", "recall", "coverage"))
    values = gains(lists, asked, 10)
    cost = {row["name"]: row for row in rows if "failed" not in row}
    for row in rows:
        name = row["name"]
        if name not in metrics:
            continue
        row["metrics"] = {key: one.as_dict() for key, one in metrics[name].items()}
        library, _, model = name.partition(": ")
        ours = f"penchant: {PAIRS.get(model, model)}"
        if library != "penchant" and ours in values:
            row["counterpart"] = ours
            row["ours_ahead_ndcg@10"] = ahead({ours: values[ours], name: values[name]}, name, asked.users, rng)[
                ours
            ].as_dict()
            row["fit_ratio"] = row["fit_s"] / max(1e-3, cost[ours]["fit_s"])
            row["ask_ratio"] = row["ask_s"] / max(1e-3, cost[ours]["ask_s"])
    return {
        "data": given.data,
        "keep_users": given.keep_users,
        "seen": given.seen,
        "users": int(asked.users.size),
        "items": asked.n_items,
        "train": float(asked.count.sum()),
        "commit": current_commit(),
        "seed": given.seed,
        "rows": sorted(rows, key=lambda row: -row["metrics"]["ndcg@10"]["value"] if "metrics" in row else 1.0),
    }


def show(report: dict[str, Any]) -> None:
    """Print the table."""
    print(f"{report['data']}: {report['users']} users asked, {report['items']} items, seen items: {report['seen']}")
    print(f"{'model':28}{'NDCG@10':>18}{'fit s':>9}{'ask s':>9}{'MB':>7}  ours ahead        fit x   ask x")
    for row in report["rows"]:
        if "failed" in row:
            print(f"{row['name']:28}  {row['failed']}")
            continue
        one = row["metrics"]["ndcg@10"]
        line = f"{row['name']:28}{one['value']:>9.4f} ±{(one['high'] - one['low']) / 2:.4f}"
        line += f"{row['fit_s']:>10.2f}{row['ask_s']:>9.2f}{row['peak_mb']:>7.0f}"
        if "counterpart" in row:
            gap = row["ours_ahead_ndcg@10"]
            line += f"  {gap['value']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]"
            line += f"{row['fit_ratio']:>7.2f}{row['ask_ratio']:>7.2f}"
        print(line)


if __name__ == "__main__":
    main()
