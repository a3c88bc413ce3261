"""Evaluate: reports with their intervals, and work in the background: fit, evaluate."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from nicegui import ui
from nicegui.events import UploadEventArguments

from penchant.app.dashboard.desk import Desk
from penchant.app.server.tasks import Task, TaskBody
from penchant.errors import FormatError
from penchant.evaluate.report import Chart, ModelResult, Report
from penchant.evaluate.statistics import Interval

MAX_REPORT = 8 * 2**20
"""Bytes of a report that is loaded."""
LOOK_S = 1.0
"""Seconds between two looks at the tasks."""
TASKS = 10


async def build(desk: Desk) -> None:
    """Draw the tab."""
    view = ui.column().classes("w-full gap-0")
    _tasks(desk, view)
    desk.headline("load_report")
    desk.text("load_means")

    async def load(event: UploadEventArguments) -> None:
        try:
            report = Report.from_json((await event.file.read()).decode("utf-8"))
        except (FormatError, UnicodeDecodeError) as error:
            ui.notify(f"{event.file.name}: {error}", type="negative", close_button=desk.word("close"))
            return
        show_report(desk, view, report)

    upload = ui.upload(
        on_upload=load,
        on_rejected=lambda: ui.notify(desk.word("too_large"), type="negative"),
        auto_upload=True,
        max_file_size=MAX_REPORT,
    )
    # Quasar's own box has no words for screen readers; it stays out of sight behind a button.
    upload.props("accept=.json").classes("hidden")
    desk.button("choose_file", None).on("click", js_handler=f"() => getElement({upload.id}).pickFiles()")
    view.move(target_index=-1)


# -- work in the background ----------------------------------------------------------------------------------------


def _tasks(desk: Desk, view: ui.column) -> None:
    desk.headline("tasks")
    desk.text("tasks_mean")

    def beginning(kind: Any) -> Any:
        async def begin() -> None:
            task = await desk.ask(desk.service.tasks.add, TaskBody(kind=kind))
            if task is not None:
                look()

        return begin

    with ui.row().classes("gap-2"):
        desk.button("fit", beginning("fit"))
        desk.button("evaluate_now", beginning("evaluate"))
    table = ui.column().classes("w-full gap-0").props("aria-live=polite")
    shown: list[Any] = []

    def look() -> None:
        tasks = desk.service.tasks.every()[:TASKS]
        now = [(task.id, task.state, task.progress) for task in tasks]
        if now != shown:
            shown[:] = now
            table.clear()
            with table:
                _task_table(desk, tasks, view)

    look()
    if not shown:
        with table:
            desk.text("no_tasks")
    ui.timer(LOOK_S, look)


def _task_table(desk: Desk, tasks: Sequence[Task], view: ui.column) -> None:
    def show(task: Task) -> Any:
        def draw() -> None:
            if task.state == "running":
                ui.linear_progress(show_value=False).props(f'indeterminate aria-label="{desk.word("wait")}"')
            if task.progress or task.error:
                ui.label(task.progress or task.error or "")
            elif task.result and task.asked.kind == "evaluate":
                desk.button("show", lambda: _show_result(desk, view, task), of=task.id)
            elif task.result and task.asked.kind == "fit":
                ui.label(fitted(task.result))

        return draw

    rows = [
        [task.asked_at[:19].replace("T", " "), desk.word(f"task_{task.asked.kind}"), desk.word(task.state), show(task)]
        for task in tasks
    ]
    desk.table(desk.word("tasks"), [desk.word(k) for k in ("when", "task", "state", "progress")], rows)


def fitted(result: dict[str, Any]) -> str:
    """Return what was fitted and how long it took."""
    steps = {name: step["seconds"] for name, step in result.items() if isinstance(step, dict) and "seconds" in step}
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in steps.items())


def _show_result(desk: Desk, view: ui.column, task: Task) -> None:
    try:
        show_report(desk, view, Report.from_json(json.dumps(task.result)))
    except FormatError as error:
        ui.notify(str(error), type="negative", close_button=desk.word("close"))


# -- a report ------------------------------------------------------------------------------------------------------


def show_report(desk: Desk, view: ui.column, report: Report) -> None:
    """Show a report: what was measured how, each table, each chart with its points as a table."""
    view.clear()
    with view:
        data = report.data if isinstance(report.data, str) else json.dumps(report.data)
        desk.headline("report_of", data=data)
        about = {
            **report.protocol,
            "seed": report.seed,
            "commit": report.commit,
            "created": report.created_at.isoformat(),
        }
        pairs = [[name, value if isinstance(value, str) else json.dumps(value)] for name, value in about.items()]
        with ui.expansion(desk.word("how")).props("dense").classes("w-full"):
            desk.table(desk.word("how"), [desk.word("fact"), desk.word("value")], pairs)
        _models(desk, data, report.models)
        for section in report.sections:
            ui.label(section.title).classes("text-lg mt-4").props("role=heading aria-level=3")
            _models(desk, section.title, section.models)
            for chart in section.charts:
                _lines(desk, chart)
            for note in section.notes:
                ui.label(note).classes("opacity-80")
        for note in report.notes:
            ui.label(note).classes("opacity-80")


def _models(desk: Desk, caption: str, models: Sequence[ModelResult]) -> None:
    names = list(dict.fromkeys(name for one in models for name, at in one.metrics.items() if math.isfinite(at.value)))
    rows = [[one.model, *(figure(one.metrics.get(name)) for name in names)] for one in models]
    right = "".join(str(i + 1) for i in range(min(9, len(names))))
    desk.table(caption, [desk.word("model"), *names], rows, right=right)
    if len(models) > 1 and names:
        view = ui.column().classes("w-full gap-0")

        def draw(metric: str) -> None:
            view.clear()
            with view:
                _interval_chart(desk, metric, models)

        chosen = ui.select(names, value=names[0], label=desk.word("metric"), on_change=lambda event: draw(event.value))
        chosen.props("dense outlined").classes("w-64 mt-3")
        draw(names[0])
        view.move(target_index=-1)


def figure(at: Interval | None) -> str:
    """Return a value and half its interval; a dash where nothing was measured."""
    if at is None or not math.isfinite(at.value):
        return "–"
    half = (at.high - at.low) / 2
    return f"{at.value:.4g} ± {half:.2g}" if math.isfinite(half) else f"{at.value:.4g}"


def _interval_chart(desk: Desk, metric: str, models: Sequence[ModelResult]) -> None:
    have = [one for one in models if metric in one.metrics and math.isfinite(one.metrics[metric].value)][::-1]
    names = [one.model for one in have]
    ends = [one.metrics[metric] for one in have]
    bars: list[dict[str, Any]] = [
        {"type": "line", "name": "95 %", "symbol": "none", "data": [[end.low, name], [end.high, name]]}
        for name, end in zip(names, ends, strict=True)
        if math.isfinite(end.low)
    ]
    for bar in bars:
        bar |= {"lineStyle": {"color": "#0072b2", "width": 3}, "silent": True}
    points = {"type": "scatter", "name": metric, "data": [[e.value, n] for n, e in zip(names, ends, strict=True)]}
    options: dict[str, Any] = {
        "xAxis": {"type": "value", "scale": True, "name": metric, "nameLocation": "middle", "nameGap": 24},
        "yAxis": {"type": "category", "data": names},
        "series": [*bars, points | {"symbolSize": 10}],
        "legend": {"show": False},
        "tooltip": {"trigger": "item", "renderMode": "richText", "confine": True},
        "grid": {"left": 8, "right": 24, "top": 8, "bottom": 36, "containLabel": True},
    }
    desk.chart(f"{metric}, 95 %", options, f"{5 + 2 * len(names)}rem")


def _lines(desk: Desk, chart: Chart) -> None:
    label = {"nameLocation": "middle"}
    options: dict[str, Any] = {
        "xAxis": {"type": "log" if chart.x_log else "value", "name": chart.x_label, "nameGap": 24, **label},
        "yAxis": {"type": "log" if chart.y_log else "value", "name": chart.y_label, "nameGap": 40, **label},
        "series": [
            {"type": "line", "name": name, "showSymbol": False, "data": [list(point) for point in line]}
            for name, line in chart.lines.items()
        ],
        "grid": {"left": 32, "right": 24, "top": 44, "bottom": 36, "containLabel": True},
    }
    ui.label(chart.title).classes("mt-3")
    desk.chart(chart.title, options)
    if chart.caption:
        ui.label(chart.caption).classes("opacity-80")
    rows = [[name, f"{x:.4g}", f"{y:.4g}"] for name, line in chart.lines.items() for x, y in line]
    with ui.expansion(desk.word("as_table")).props("dense").classes("w-full"):
        desk.table(chart.title, [desk.word("line"), chart.x_label, chart.y_label], rows, right="12")
