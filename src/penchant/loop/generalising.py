"""One configuration on several data sets: who is good everywhere?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from penchant.clock import now
from penchant.errors import ConfigError
from penchant.evaluate.report import ModelResult, Report, Section
from penchant.evaluate.statistics import Interval
from penchant.loop.comparing import RankingPlan, compare

if TYPE_CHECKING:
    from penchant.loop.evaluating import Evaluation

NAN = float("nan")


def generalise(evaluations: Iterable[Callable[[], Evaluation]], plan: RankingPlan) -> Report:
    """Return one table of all data sets: NDCG on each, and how near each model comes to the best one everywhere.

    Args:
        evaluations: Each makes the evaluation of one data set, all with the same settings; made one after the other, so
            that only one data set is in memory.
        plan: What is asked of each.

    Raises:
        ConfigError: When there are fewer than two data sets, or two of the same name.
    """
    reports: dict[str, Report] = {}
    for make in evaluations:
        report = compare(make(), plan)
        name = str(report.data)
        if name in reports:
            raise ConfigError(f"the data set {name!r} is given twice; give each once")
        reports[name] = report
    if len(reports) < 2:
        raise ConfigError(f"{len(reports)} data sets given; at least 2 are needed to compare over data sets")
    first = next(iter(reports.values()))
    by_set = {name: _ndcg(report, plan.n) for name, report in reports.items()}
    fit_s: dict[str, float] = {}
    for report in reports.values():
        for one in report.models:
            fit_s[one.model] = fit_s.get(one.model, 0.0) + one.fit_s
    rows = _rows(by_set, plan.n)
    hashes = "".join(report.data_hash for report in reports.values())
    return replace(
        first,
        data=", ".join(reports),
        protocol={
            "kind": "generalise",
            "split": plan.protocol,
            "leaks": first.protocol["leaks"],
            "catalogue": "full",
            "n": plan.n,
            "seen_items": plan.seen,
            "interval": first.protocol["interval"],
        },
        data_hash=hashlib.blake2b(hashes.encode(), digest_size=6).hexdigest(),
        created_at=now(),
        models=[ModelResult(name, row, fit_s[name], NAN) for name, row in rows.items()],
        notes=[
            "of_best is NDCG as a share of the best model's on each data set, its mean, and its least over the data sets; "
            "models that are missing on a data set have none",
            *dict.fromkeys(note for report in reports.values() for note in report.notes if "left out" in note),
        ],
        sections=[_section(name, report, number) for number, (name, report) in enumerate(reports.items())],
    )


def _ndcg(report: Report, n: int) -> dict[str, Interval]:
    return {one.model: one.metrics[f"ndcg@{n}"] for one in report.models}


def _rows(by_set: Mapping[str, Mapping[str, Interval]], n: int) -> dict[str, dict[str, Interval]]:
    """Return the lines of the table, best first."""
    models = list(dict.fromkeys(model for values in by_set.values() for model in values))
    rows: dict[str, dict[str, Interval]] = {}
    for model in models:
        shares = [_share(values, model) for values in by_set.values()]
        row = {"of_best_mean": Interval.point(float(np.mean(shares))), "of_best_least": Interval.point(min(shares))}
        if any(np.isnan(shares)):
            row = {}
        for name, values in by_set.items():
            if model in values:
                row[f"ndcg@{n} {name}"] = values[model]
        rows[model] = row

    def order(model: str) -> tuple[float, str]:
        mean = rows[model].get("of_best_mean")
        return (-mean.value if mean is not None else 0.0, model)

    return {model: rows[model] for model in sorted(models, key=order)}


def _share(values: Mapping[str, Interval], model: str) -> float:
    best = max(one.value for one in values.values())
    if model not in values:
        return NAN
    return values[model].value / best if best > 0 else 0.0


def _section(name: str, report: Report, number: int) -> Section:
    models: Sequence[ModelResult] = [replace(one, fit_s=NAN, peak_mb=NAN, settings={}) for one in report.models]
    return Section(f"set_{number}", name, models, dict(report.protocol), list(report.notes))
