"""One evaluation as a document: JSON for machines, a table for terminals, a page for browsers."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any, TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from penchant.errors import FormatError
from penchant.evaluate.plots import interval_plot_svg, line_chart_svg
from penchant.evaluate.statistics import Interval

JsonValue: TypeAlias = "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

COSTS = ("fit_s", "peak_mb")
"""Columns of what a model took to train, shown behind its metrics."""

LOWER_IS_BETTER = frozenset(
    {
        *(
            "log_loss",
            "binary_log_loss",
            "brier",
            "binary_brier",
            "ece",
            "mae",
            "rmse",
            "gini",
            "p50_ms",
            "p99_ms",
            *COSTS,
        ),
        *("adapt_50", "adapt_50_q1", "adapt_50_q3", "adapt_80", "adapt_tv_50", "never_50", "never_80", "regret"),
        *(
            "forgetting",
            "away_50",
            "return_50",
            "return_level_50",
            "burst_error",
            "gradual_50",
            "gradual_never_50",
            "gradual_regret",
        ),
        *("log_loss_shuffled", "nervousness", "delay_events", "delay_days"),
        *("false_alarms_shuffled", "alarms_unspliced", "burst_alarms"),
    }
)
"""Columns in which the best value is the lowest; in all others it is the highest."""

NEITHER_IS_BETTER = frozenset({"return_ratio", "long_ahead", "crossing_days"})
"""Columns that describe a model without ranking it."""


@dataclass(frozen=True, slots=True)
class ModelResult:
    """What one model scored and what it cost."""

    model: str
    """Name of the model, unique in its report."""

    metrics: Mapping[str, Interval]
    """Measured values by metric name, such as ``ndcg`` or ``ndcg@10``."""

    fit_s: float
    """Seconds spent training; NaN where not measured."""

    peak_mb: float
    """Peak memory, in megabytes of 10^6 bytes; NaN where not measured."""

    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    """What was tuned or learned; in the JSON document only."""

    def columns(self) -> dict[str, Interval]:
        """Return all that a table shows of the model: its metrics, then its costs."""
        return {
            **self.metrics,
            "fit_s": Interval.point(self.fit_s),
            "peak_mb": Interval.point(self.peak_mb),
        }


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines to be drawn: what x and y are, and the points of each line by growing x."""

    title: str
    """What the chart shows."""

    x_label: str
    """What x is, with its unit."""

    y_label: str
    """What y is, with its unit."""

    lines: Mapping[str, Sequence[tuple[float, float]]]
    """Points ``(x, y)`` by name of the line."""

    x_log: bool = False
    """Whether x is drawn on a logarithmic axis."""

    y_log: bool = False
    """Whether y is."""

    caption: str = ""
    """What a reader has to know to read it, such as how many statements a point holds."""

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the chart as JSON values."""
        return {
            "title": self.title,
            "x_label": self.x_label,
            "y_label": self.y_label,
            "lines": {name: [list(point) for point in line] for name, line in self.lines.items()},
            "x_log": self.x_log,
            "y_log": self.y_log,
            "caption": self.caption,
        }


@dataclass(frozen=True, slots=True)
class Section:
    """One more table of an evaluation: the same models, another question."""

    name: str
    """One word, unique in its report."""

    title: str
    """What is asked, as a headline."""

    models: Sequence[ModelResult]
    """One entry a model that can answer, in the order of the table; costs are NaN."""

    facts: Mapping[str, JsonValue] = field(default_factory=dict)
    """How it was asked: samples, counts."""

    notes: Sequence[str] = ()
    """What a reader has to know to read the numbers rightly."""

    charts: Sequence[Chart] = ()
    """Drawn in the page, as points in the JSON document."""

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the section as JSON values."""
        return {
            "name": self.name,
            "title": self.title,
            "facts": dict(self.facts),
            "models": [
                {"model": one.model, "metrics": {name: each.as_dict() for name, each in one.metrics.items()}}
                for one in self.models
            ],
            "notes": list(self.notes),
            "charts": [chart.as_dict() for chart in self.charts],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Section:
        """Return the section that `as_dict` wrote."""
        return cls(
            document["name"],
            document["title"],
            [
                ModelResult(
                    one["model"], {name: _interval(ends) for name, ends in one["metrics"].items()}, math.nan, math.nan
                )
                for one in document["models"]
            ],
            document["facts"],
            document["notes"],
            [
                Chart(
                    **{
                        **chart,
                        "lines": {
                            name: [(_number(x), _number(y)) for x, y in line] for name, line in chart["lines"].items()
                        },
                    }
                )
                for chart in document["charts"]
            ],
        )


@dataclass(frozen=True, slots=True)
class Report:
    """One evaluation: how it was done, on what, by which code, and what each model scored."""

    data: JsonValue
    """Name or description of the data set."""

    protocol: Mapping[str, JsonValue]
    """How queries were made and scored: split, list length, resamples."""

    commit: str | None
    """Commit of the code that ran, as of `current_commit`."""

    seed: int
    """Seed of all chance in the run."""

    config_hash: str
    """Hash of the resolved configuration."""

    data_hash: str
    """Hash of the events that were read."""

    created_at: datetime
    """When the run ended, with its time zone."""

    models: Sequence[ModelResult]
    """One entry a model, in the order of the table."""

    notes: Sequence[str] = ()
    """What a reader has to know to read the numbers rightly."""

    sections: Sequence[Section] = ()
    """Further tables."""

    def as_dict(self) -> dict[str, JsonValue]:
        """Return the document as JSON values; numbers that are not finite become None."""
        document: dict[str, JsonValue] = {
            "data": self.data,
            "protocol": self.protocol,
            "commit": self.commit,
            "seed": self.seed,
            "config_hash": self.config_hash,
            "data_hash": self.data_hash,
            "created_at": self.created_at.isoformat(),
            "models": [
                {
                    "model": one.model,
                    "metrics": {name: interval.as_dict() for name, interval in one.metrics.items()},
                    "fit_s": one.fit_s,
                    "peak_mb": one.peak_mb,
                    "settings": dict(one.settings),
                }
                for one in self.models
            ],
            "notes": list(self.notes),
            "sections": [section.as_dict() for section in self.sections],
        }
        return {name: _finite(value) for name, value in document.items()}

    def to_json(self) -> str:
        """Return the document as JSON text, keys in a fixed order."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Return the report that `to_json` wrote; null numbers become NaN.

        Raises:
            FormatError: If the text is not such a document.
        """
        try:
            document = json.loads(text)
            models = [
                ModelResult(
                    model=one["model"],
                    metrics={name: _interval(ends) for name, ends in one["metrics"].items()},
                    fit_s=_number(one["fit_s"]),
                    peak_mb=_number(one["peak_mb"]),
                    settings=one.get("settings", {}),
                )
                for one in document.pop("models")
            ]
            created_at = datetime.fromisoformat(document.pop("created_at"))
            sections = [Section.from_dict(one) for one in document.pop("sections", [])]
            return cls(**document, created_at=created_at, models=models, sections=sections)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FormatError(f"not an evaluation report: {error!r}") from error


def print_report(report: Report, console: Console) -> None:
    """Print the report as tables no wider than the console, the best value of each column in bold.

    An arrow at a column's name says whether higher or lower is better; after ± stands half the interval.
    """
    console.print(Text(f"Evaluation of {_as_text(report.data)}", style="bold"))
    console.print(Text(", ".join(f"{name} {value}" for name, value in _provenance(report).items()), style="dim"))
    _print_tables(report.models, console)
    for note in report.notes:
        console.print(Text(f"Note: {note}"))
    for section in report.sections:
        console.print()
        console.print(Text(section.title, style="bold"))
        if section.facts:
            facts = ", ".join(f"{name} {_as_text(value)}" for name, value in section.facts.items())
            console.print(Text(facts, style="dim"))
        _print_tables(section.models, console)
        for note in section.notes:
            console.print(Text(f"Note: {note}"))


def _print_tables(models: Sequence[ModelResult], console: Console) -> None:
    columns = [_column(models, name) for name in _column_names(models)]
    model_width = max([len("model"), *(len(one.model) for one in models)])
    while columns:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("model", no_wrap=True)
        # At least one column a table, however narrow the console.
        room = console.width - model_width - 2
        cells: list[Sequence[Text]] = []
        while columns and (not cells or _column_width(columns[0]) + 3 <= room):
            room -= _column_width(columns[0]) + 3
            cells.append(columns.pop(0))
            table.add_column(cells[-1][0], justify="right", no_wrap=True)
        for row, one in enumerate(models):
            table.add_row(Text(one.model), *(column[row + 1] for column in cells))
        console.print(table)


def html_report(report: Report) -> str:
    """Return one HTML page that needs nothing from elsewhere: a table, and a plot for each metric.

    It follows the reader's light or dark setting, and every plot carries its numbers as text.
    """
    title = escape(f"Evaluation of {_as_text(report.data)}")
    notes = _html_notes(report.notes)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1>{_html_facts(_provenance(report))}"
        f"{_html_table(report.models, 'Results')}{f'<h2>Notes</h2>{notes}' if notes else ''}"
        f"{_html_plots(report.models, 1)}"
        f"{''.join(_html_section(section) for section in report.sections)}</main></body></html>\n"
    )


def _html_section(section: Section) -> str:
    charts = "".join(
        f"<h3>{escape(chart.title)}</h3>{_chart(chart)}{f'<p>{escape(chart.caption)}</p>' if chart.caption else ''}"
        for chart in section.charts
    )
    facts = {name: _as_text(value) for name, value in section.facts.items()}
    return (
        f'<section id="{escape(section.name)}"><h2>{escape(section.title)}</h2>{_html_facts(facts)}'
        f"{_html_table(section.models, section.title)}{_html_notes(section.notes)}{charts}"
        f"<details><summary>A plot of each column</summary>{_html_plots(section.models)}</details></section>"
    )


def _html_facts(facts: Mapping[str, str]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(k)}</dt><dd>{escape(v)}</dd>' for k, v in facts.items())}</dl>"


def _html_notes(notes: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>" if notes else ""


def _html_table(models: Sequence[ModelResult], label: str) -> str:
    names = _column_names(models)
    best = {name: _best(models, name) for name in names}
    head = "".join(f'<th scope="col">{escape(_headline(name))}</th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{escape(one.model)}</th>'
        + "".join(_html_cell(one.columns().get(name), name, best[name]) for name in names)
        + "</tr>"
        for one in models
    )
    return (
        f'<div class="wide" role="region" aria-label="{escape(label)}" tabindex="0"><table>'
        f"<caption>The best value of each column is bold; ↑ higher is better, ↓ lower is better; "
        f"in brackets the interval.</caption>"
        f'<thead><tr><th scope="col">model</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _html_plots(models: Sequence[ModelResult], first: int | None = None) -> str:
    """Return a plot of each column; those behind the ``first`` ones are folded away."""
    metrics = [name for name in _column_names(models) if name not in COSTS]
    plots = [f"<h3>{escape(_headline(name))}</h3>{_plot(models, name)}" for name in metrics]
    shown, rest = "".join(plots[:first]), "" if first is None else "".join(plots[first:])
    return f"{shown}<details><summary>A plot of each other column</summary>{rest}</details>" if rest else shown


def _chart(chart: Chart) -> str:
    return line_chart_svg(
        chart.lines, chart.title, chart.y_label, x_label=chart.x_label, x_log=chart.x_log, y_log=chart.y_log
    )


def current_commit() -> str | None:
    """Return the git commit that holds this code, or None where there is none, as in an installed package."""
    git = shutil.which("git")
    if git is None:
        return None
    here = Path(__file__)
    # Asking for this file too refuses a repository that only holds the environment we are installed in.
    command = [git, "rev-parse", "HEAD", f"HEAD:./{here.name}"]
    try:
        answer = subprocess.run(  # noqa: S603 - fixed words and the full path of git
            command, cwd=here.parent, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.split()[0] if answer.returncode == 0 else None


def peak_mb() -> float:
    """Return the largest memory this process has held so far, in megabytes of 10^6 bytes; NaN on Windows.

    It never falls: to measure one model, run it in a process of its own.
    """
    if sys.platform == "win32":
        return math.nan
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6  # bytes on macOS, KiB on Linux


def _finite(value: JsonValue) -> JsonValue:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(one) for one in value]
    return value


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _interval(ends: Mapping[str, float | None]) -> Interval:
    return Interval(_number(ends["value"]), _number(ends["low"]), _number(ends["high"]))


def _as_text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(_finite(value), ensure_ascii=False)


def _provenance(report: Report) -> dict[str, str]:
    return {
        **{name: _as_text(value) for name, value in report.protocol.items()},
        "seed": str(report.seed),
        "commit": report.commit or "unknown",
        "config": report.config_hash,
        "data": report.data_hash,
        "created": report.created_at.isoformat(timespec="seconds"),
    }


def _column_names(models: Sequence[ModelResult]) -> list[str]:
    """Return the metrics of all models in order of first appearance, then the costs that were measured."""
    metrics = dict.fromkeys(name for one in models for name in one.metrics)
    costs = [name for name in COSTS if _best(models, name) is not None]
    return [*metrics, *costs]


def _lower_is_better(name: str) -> bool:
    return name.partition("@")[0] in LOWER_IS_BETTER


def _is_ranked(name: str) -> bool:
    return name.partition("@")[0] not in NEITHER_IS_BETTER


def _headline(name: str) -> str:
    return f"{name} {'↓' if _lower_is_better(name) else '↑'}" if _is_ranked(name) else name


def _known(models: Sequence[ModelResult], name: str) -> list[float]:
    values = [one.columns()[name].value for one in models if name in one.columns()]
    return [value for value in values if math.isfinite(value)]


def _best(models: Sequence[ModelResult], name: str) -> float | None:
    values = _known(models, name) if _is_ranked(name) else []
    return (min if _lower_is_better(name) else max)(values) if values else None


def _column(models: Sequence[ModelResult], name: str) -> list[Text]:
    """Return the headline and a cell for each model, fewer decimals where values are large."""
    largest = max((abs(value) for value in _known(models, name)), default=0.0)
    decimals = 4 if largest < 10 else 2 if largest < 1000 else 0
    best = _best(models, name)
    cells = [Text(_headline(name))]
    for one in models:
        interval = one.columns().get(name)
        if interval is None or not math.isfinite(interval.value):
            cells.append(Text("-"))
            continue
        text = Text(f"{interval.value:.{decimals}f}", style="bold" if interval.value == best else "")
        half = (interval.high - interval.low) / 2.0
        if math.isfinite(half):
            text.append(f" ±{half:.{decimals}f}", style="dim")
        cells.append(text)
    return cells


def _column_width(column: Sequence[Text]) -> int:
    return max(cell.cell_len for cell in column)


def _html_cell(interval: Interval | None, name: str, best: float | None) -> str:
    if interval is None or not math.isfinite(interval.value):
        return "<td>-</td>"
    value = f"{interval.value:.4g}"
    ends = f" <small>[{interval.low:.4g}, {interval.high:.4g}]</small>" if math.isfinite(interval.low) else ""
    return f"<td><strong>{value}</strong>{ends}</td>" if interval.value == best else f"<td>{value}{ends}</td>"


def _plot(models: Sequence[ModelResult], name: str) -> str:
    columns = {one.model: one.columns() for one in models}
    return interval_plot_svg({model: all_[name] for model, all_ in columns.items() if name in all_}, _headline(name))


_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--page:#fff;--line:#d5d9de}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--page:#15181c;--line:#3a4047}}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;font-size:.85rem}
dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
caption{text-align:left;font-size:.85rem;padding:.5rem 0}
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child{text-align:left}
h2{font-size:1.3rem;margin:2.5rem 0 .3rem}
h3{font-size:1.05rem;margin:1.5rem 0 .3rem}
summary{margin:1rem 0;cursor:pointer}
svg{max-width:100%;height:auto}
"""
