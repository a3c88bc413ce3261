"""Sequence models on leave-one-out sets: ``python benchmarks/sequence.py --data ml1m_loo --folder DATA --model sequence``.

The last item of each user is the test, the one before it the validation. Training sees neither, unless ``refit`` is set
(then the validation items too); at the test the validation item is in the history. The whole catalogue is ranked but for
what the user had taken. Prints one line of JSON. ``--set name=value`` changes the configuration; ``--preset`` names one
of those below, by which the published rows were made.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import sparse

from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.interest.models import MODELS

CUTS = (5, 10, 20)


def read(path: Path) -> dict[str, np.ndarray]:
    """Return the columns of a leave-one-out set, from an .npz file or a folder with parquet files."""
    if path.suffix == ".npz":
        return dict(np.load(path))
    import polars as pl

    frame = pl.read_parquet(path / "interactions.parquet").sort("user_id", "position")
    code = frame["split"].cast(pl.String).replace_strict({"train": 0, "validation": 1, "test": 2})
    columns = {"user": frame["user_id"], "item": frame["item_id"], "position": frame["position"], "split": code}
    found = {name: column.to_numpy() for name, column in columns.items()}
    if (path / "items.parquet").exists():
        items = pl.read_parquet(path / "items.parquet")
        found["item_id"] = items["item_id"].to_numpy()
        found["title"], found["genres"] = np.array(items["title"].to_list()), np.array(items["genres"].to_list())
    return found


def table(columns: dict[str, np.ndarray], ids: np.ndarray) -> ItemTable:
    """Return titles and genres of the items ``ids`` where the set has them."""
    if "title" not in columns:
        return ItemTable.bare(ids.size)
    place = {int(item): number for number, item in enumerate(columns["item_id"])}
    order = [place[int(item)] for item in ids]
    genres = [str(columns["genres"][i]).split("|") for i in order]
    names = sorted({name for some in genres for name in some})
    topics = sparse.lil_array((ids.size, len(names)))
    for row, some in enumerate(genres):
        for name in some:
            topics[row, names.index(name)] = 1 / len(some)
    return ItemTable(topics.tocsr(), [str(columns["title"][i]) for i in order], np.full(ids.size, -np.inf))


def metrics(model, interactions: Interactions, items: ItemTable, target: np.ndarray) -> dict[str, float]:
    """Return hit rate and NDCG of one target a user, ranked among everything the user had not taken."""
    users = np.arange(interactions.n_users)
    ranks = []
    for first in range(0, users.size, 1024):
        chunk = Histories.of(
            interactions, users[first : first + 1024], np.full(users[first : first + 1024].size, np.inf)
        )
        scores = model.scores(chunk, items).astype(np.float64)
        mine = target[first : first + 1024]
        own = scores[np.arange(mine.size), mine]
        taken = chunk.matrix(items.n_items)
        scores[taken.nonzero()] = -np.inf
        ranks.append((scores > own[:, None]).sum(axis=1) + np.where(np.isfinite(own), 0, items.n_items))
    rank = np.concatenate(ranks)
    result = {}
    for n in CUTS:
        result[f"hr@{n}"] = round(float((rank < n).mean()), 4)
        result[f"ndcg@{n}"] = round(float(np.where(rank < n, 1 / np.log2(rank + 2.0), 0).mean()), 4)
    return result


def set_values(pairs: list[str]) -> dict[str, object]:
    """Return ``name=value`` pairs with values read as JSON where they are."""
    values: dict[str, object] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            values[name] = json.loads(value)
        except json.JSONDecodeError:
            values[name] = value
    return values


PRESETS: dict[str, dict[str, object]] = {
    # The best single model on ml1m_loo, chosen on its validation items.
    "ml1m": {
        "embedding_size": 256,
        "n_heads": 4,
        "max_length": 200,
        "dropout": 0.4,
        "batch_size": 128,
        "learning_rate": 2e-3,
        "epochs": 40,
        "patience": 10,
        "averaging": 0.995,
        "weight_decay": 0.3,
        "full_softmax_items": 50_000,
    },
    # The best single model on amazon_beauty_loo, likewise.
    "beauty": {
        "embedding_size": 128,
        "max_length": 50,
        "dropout": 0.5,
        "batch_size": 256,
        "learning_rate": 2e-3,
        "epochs": 50,
        "patience": 8,
        "averaging": 0.995,
        "weight_decay": 1.0,
        "scoring": "dot",
        "popularity": False,
        "mask_seen": "no",
        "full_softmax_items": 50_000,
    },
}


def run(given: argparse.Namespace) -> dict[str, object]:
    source = given.folder / f"{given.data}.npz" if given.npz else given.folder / given.data
    columns = read(source)
    ids, item = np.unique(columns["item"], return_inverse=True)
    _, user = np.unique(columns["user"], return_inverse=True)
    split, at = columns["split"], columns["position"].astype(np.float64)
    items = table(columns, ids) if given.content else ItemTable.bare(ids.size)

    def part(most: int) -> Interactions:
        some = split <= most
        size = int(some.sum())
        return Interactions(
            user[some].astype(np.int32),
            item[some].astype(np.int32),
            at[some],
            np.ones(size),
            int(user.max()) + 1,
            ids.size,
        )

    config = {"validation": "last", **PRESETS.get(given.preset or "", {}), **set_values(given.set)}
    kind = MODELS[given.model]
    model = kind(kind.Config(**config))
    began = time.perf_counter()
    progress = (lambda *what: print(*what, flush=True)) if given.loud else None
    training = ItemTraining(part(1), items, given.seed)
    model.fit(replace(training, progress=progress) if progress else training)
    took = time.perf_counter() - began
    row: dict[str, object] = {"data": given.data, "model": given.model, "seed": given.seed, "name": given.name}
    row |= {"set": config, "fit_s": round(took, 1), **model.report}
    # With refit the validation items were trained on, so that their figure says nothing.
    row["validation"] = None if config.get("refit") else metrics(model, part(0), items, item[split == 1])
    if given.test:
        row["test"] = metrics(model, part(1), items, item[split == 2])
    return row | hardware()


def hardware() -> dict[str, object]:
    import torch

    found: dict[str, object] = {"torch": torch.__version__, "cpu": platform.machine()}
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
        found["gpu_mib"] = round(torch.cuda.max_memory_allocated() / 2**20)
    found["rss_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=["ml1m_loo", "amazon_beauty_loo"], required=True)
    parser.add_argument("--folder", type=Path, required=True, help="where the sets lie")
    parser.add_argument("--npz", action="store_true", help="read FOLDER/DATA.npz")
    parser.add_argument("--model", default="sequence")
    parser.add_argument("--preset", choices=sorted(PRESETS))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="")
    parser.add_argument("--content", action="store_true", help="use titles and genres where the set has them")
    parser.add_argument("--test", action="store_true", help="also the test; tune without it")
    parser.add_argument("--loud", action="store_true")
    print(json.dumps(run(parser.parse_args())), flush=True)


if __name__ == "__main__":
    main()
