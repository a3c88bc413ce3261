"""What passes between the environments: a question file for every library, an answer file from each model.

Only numpy and the standard library: this file is read by every environment.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Fit = Callable[[dict[str, Any]], Any]
Ask = Callable[[Any, dict[str, Any]], np.ndarray]


def read(path: str) -> dict[str, Any]:
    """Return the questions: training events (user, item, at), users to ask, length of the lists, are seen items allowed."""
    with np.load(path) as file:
        return {name: file[name] if file[name].ndim else file[name].item() for name in file.files}


def answer(question: str, out: str, model: str, fit: Fit, ask: Ask) -> None:
    """Fit, ask for all lists at once, and write lists (Q, n), -1 behind short ones, and what it cost."""
    data = read(question)
    small = few(data)  # what is compiled or loaded at first use is not what is compared
    ask(fit(small), small)
    began = time.perf_counter()
    fitted = fit(data)
    fit_s = time.perf_counter() - began
    began = time.perf_counter()
    lists = ask(fitted, data)
    ask_s = time.perf_counter() - began
    np.savez(out, lists=lists.astype(np.int32))
    cost = {"model": model, "fit_s": fit_s, "ask_s": ask_s, "peak_mb": peak_mb()}
    Path(out).with_suffix(".json").write_text(json.dumps(cost))


def peak_mb() -> float:
    """Return the most memory that this process held, in MB; ``ru_maxrss`` would count the process that started it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 / 1e6 if found else float("nan")


def few(data: dict[str, Any]) -> dict[str, Any]:
    """Return the questions about the first 200 users alone."""
    users = np.unique(data["user"])[:200]
    keep = np.isin(data["user"], users)
    return {**data, **{name: data[name][keep] for name in ("user", "item", "at", "weight")}, "users": users}


def rows_of(users: np.ndarray, user: np.ndarray, item: np.ndarray, n: int) -> np.ndarray:
    """Return long answers, each user's best first, as one row for each of ``users``."""
    lists = np.full((len(users), n), -1, np.int64)
    place = {int(u): row for row, u in enumerate(users)}
    filled: dict[int, int] = {}
    for u, i in zip(user.tolist(), item.tolist(), strict=True):
        column = filled.get(u, 0)
        if column < n:
            lists[place[int(u)], column] = i
            filled[u] = column + 1
    return lists
