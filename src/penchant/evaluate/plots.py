"""Plots without a plotting library: SVG for pages, block characters for terminals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from rich.cells import cell_len, set_cell_size

from penchant.evaluate.statistics import Interval
from penchant.math.arrays import FloatArray

COLOURS = ("#3b7dd8", "#c8681a", "#2e8f5b", "#c2527f", "#8a63c9", "#1b8a98", "#9a7430", "#7a7f87")
"""Line colours, each with a contrast of at least 3 on white and on the dark background of our pages."""

DASHES = ("none", "6 3", "2 3", "9 3 2 3")
"""Line patterns, so that a line is known without its colour; every second series takes the next one."""

EIGHTHS = " ▁▂▃▄▅▆▇█"

_WIDTH = 720
_LABEL_HEIGHT = 15
_LONGEST_LABEL = 24
_LEFT, _RIGHT, _TOP = 64.0, _WIDTH - 180.0, 30.0  # edges of the lines' area; names stand to the right of it


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where values lie on the page: the ranges of x and y fill the area from the edges to ``bottom``."""

    x: tuple[float, float]
    y: tuple[float, float]
    bottom: float

    def at(self, point: tuple[float, float]) -> tuple[float, float]:
        across = (point[0] - self.x[0]) / (self.x[1] - self.x[0])
        up = (point[1] - self.y[0]) / (self.y[1] - self.y[0])
        return _LEFT + across * (_RIGHT - _LEFT), self.bottom - up * (self.bottom - _TOP)


def interval_plot_svg(intervals: Mapping[str, Interval], title: str) -> str:
    """Return an SVG with a dot and its interval for each name, one below the other.

    A name whose value is NaN keeps its row and shows no dot. Colours follow the text colour of the page.

    >>> interval_plot_svg({"a": Interval(0.5, 0.4, 0.6)}, "ndcg").count("<circle")
    1
    """
    ends = [end for one in intervals.values() for end in (one.value, one.low, one.high) if math.isfinite(end)]
    low, high = _padded(ends)
    left, right, top = 190.0, _WIDTH - 20.0, 12.0
    bottom = top + 26.0 * len(intervals)

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    parts = [_upright(x(tick), top, bottom, f"{tick:.6g}") for tick in _ticks(low, high)]
    for row, (name, one) in enumerate(intervals.items()):
        y = top + 26.0 * row + 13.0
        parts.append(_label(left - 10.0, y, name, anchor="end"))
        if math.isfinite(one.low) and math.isfinite(one.high):
            parts.append(
                f'<line x1="{x(one.low):.1f}" y1="{y:.1f}" x2="{x(one.high):.1f}" y2="{y:.1f}" '
                f'stroke="{COLOURS[0]}" stroke-width="3" stroke-linecap="round" opacity="0.55"/>'
            )
        if math.isfinite(one.value):
            parts.append(f'<circle cx="{x(one.value):.1f}" cy="{y:.1f}" r="5" fill="{COLOURS[0]}"/>')
    said = "; ".join(f"{name}: {_said(one)}" for name, one in intervals.items())
    return _svg(parts, bottom + 24.0, title, said)


def line_chart_svg(
    series: Mapping[str, Sequence[tuple[float, float]]],
    title: str,
    y_label: str,
    x_labels: Sequence[tuple[float, str]] = (),
    *,
    x_label: str = "",
    x_log: bool = False,
    y_log: bool = False,
) -> str:
    """Return an SVG line chart with one line a series, each named at its right end.

    Args:
        series: Points ``(x, y)`` of each series by growing x; a y that is not finite breaks the line.
        title: What the chart shows, also its text alternative.
        y_label: What y is, with its unit.
        x_labels: Where the x axis is marked and with what, such as dates; round numbers where empty.
        x_label: What x is, with its unit; nothing is said where empty.
        x_log: Draw x on a logarithmic axis; points that are not above 0 are left out.
        y_log: Draw y on one likewise.

    Returns:
        One ``<svg>`` element that may stand in a page or in a file of its own.

    >>> line_chart_svg({"coffee": [(0.0, 0.2), (1.0, 0.4)]}, "Interest", "share").count("<circle")
    1
    """
    said = "; ".join(_said_line(name, line) for name, line in series.items())
    series = {name: [_scaled(point, x_log, y_log) for point in line] for name, line in series.items()}
    points = [point for line in series.values() for point in line if math.isfinite(point[1])]
    frame = _Frame(
        x=_range([x for x, _ in points]),
        y=_range([*([] if y_log else [0.0]), *(y for _, y in points)]),
        bottom=max(290.0, _TOP + _LABEL_HEIGHT * len(series)),
    )
    if x_log and not x_labels:
        x_labels = _decades(*frame.x)
    y_labels = _decades(*frame.y) if y_log else [(tick, f"{tick:.6g}") for tick in _ticks(*frame.y)]
    parts = [_label(_LEFT, _TOP - 16.0, y_label, longest=90), *_axes(frame, x_labels, y_labels)]
    if x_label:
        parts.append(_label(_RIGHT, frame.bottom + 32.0, x_label, anchor="end", longest=90))
    ends: dict[str, float] = {}
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(series)}
    for number, (name, line) in enumerate(series.items()):
        pieces = [[frame.at(point) for point in piece] for piece in _unbroken(line)]
        if pieces:
            x, ends[name] = pieces[-1][-1]
            dash = DASHES[number // 2 % len(DASHES)]
            parts += [_polyline(piece, colours[name], dash) for piece in pieces]
            parts.append(f'<circle cx="{x:.1f}" cy="{ends[name]:.1f}" r="3" fill="{colours[name]}"/>')
    for name, y in _spread(ends, _TOP, frame.bottom).items():
        # The name keeps the text colour, for small letters need its contrast; its leader has the line's.
        parts.append(_polyline([(_RIGHT + 4.0, ends[name]), (_RIGHT + 14.0, y)], colours[name], "none"))
        parts.append(_label(_RIGHT + 18.0, y, name))
    return _svg(parts, frame.bottom + (44.0 if x_label else 26.0), title, said)


def terminal_chart(
    series: Mapping[str, Sequence[tuple[float, float]]],
    width: int = 80,
    height: int = 3,
    ends: tuple[str, str] = ("", ""),
) -> str:
    """Return one small area chart a series, one below the other, on the same axes.

    Names stand beside their chart, so it reads without colour. A column shows the mean of its points, or lies
    on the line between its neighbours where it has none; points that are not finite are passed over.

    Args:
        series: Points ``(x, y)`` of each series by growing x.
        width: Columns of the terminal, names included.
        height: Rows of each chart, >= 1.
        ends: What the first and the last x are called, such as two dates.

    Returns:
        Lines without colours or control codes.

    >>> tea = [(0.0, 0.0), (1.0, 0.5), (2.0, 1.0)]
    >>> print(terminal_chart({"tea": tea}, width=20, height=2, ends=("May", "June")))
    tea 1 ┤       ▂▃▄▅▇█
        0 ┤ ▂▄▅▆▇███████
          └─────────────
           May      June
    """
    points = [(x, y) for line in series.values() for x, y in line if math.isfinite(y)]
    x_low, x_high = _range([x for x, _ in points])
    y_low, y_high = _range([0.0, *(y for _, y in points)])
    names = {name: "".join(c if c.isprintable() else "?" for c in name) for name in series}
    name_width = min(max((cell_len(name) for name in names.values()), default=0), _LONGEST_LABEL)
    marks = (f"{y_high:.3g}", f"{y_low:.3g}")
    mark_width = max(len(mark) for mark in marks)
    columns = max(width - name_width - mark_width - 3, 1)
    rows: list[str] = []
    for name, line in series.items():
        level = (_column_values(line, x_low, x_high, columns) - y_low) / (y_high - y_low) * height * 8
        for row in range(height):
            mark = marks[0] if row == 0 else marks[1] if row == height - 1 else ""
            head = set_cell_size(names[name] if row == 0 else "", name_width)
            bars = "".join(_block(one - 8 * (height - 1 - row)) for one in level)
            rows.append(f"{head} {mark:>{mark_width}} {'┤' if mark else '│'}{bars}".rstrip())
    indent = " " * (name_width + mark_width + 2)
    rows.append(f"{indent}└{'─' * columns}")
    if any(ends):
        gap = " " * max(columns - cell_len(ends[0]) - cell_len(ends[1]), 1)
        rows.append(f"{indent} {ends[0]}{gap}{ends[1]}")
    return "\n".join(rows)


def _column_values(line: Sequence[tuple[float, float]], low: float, high: float, columns: int) -> FloatArray:
    kept = np.array([point for point in line if math.isfinite(point[1])], dtype=np.float64).reshape(-1, 2)
    if len(kept) == 0:
        return np.full(columns, np.nan)
    xs, ys = kept[:, 0], kept[:, 1]
    column = np.minimum((xs - low) / (high - low) * columns, columns - 1).astype(np.int64)
    count = np.bincount(column, minlength=columns)
    total = np.bincount(column, weights=ys, minlength=columns)
    centres = low + (np.arange(columns) + 0.5) / columns * (high - low)
    between = np.interp(centres, xs, ys, left=np.nan, right=np.nan)
    return np.where(count > 0, total / np.maximum(count, 1), between)


def _block(eighths: float) -> str:
    return " " if math.isnan(eighths) else EIGHTHS[min(max(math.ceil(eighths - 1e-9), 0), 8)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return the lowest and the highest value, moved apart where they are one."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high > low else (low, low + 1.0)


def _padded(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Return three to eight multiples of 1, 2 or 5 times a power of ten between the two."""
    step = 10.0 ** math.floor(math.log10((high - low) / 3.0))
    step *= next(factor for factor in (5.0, 2.0, 1.0) if step * factor <= (high - low) / 3.0)
    return [number * step for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _unbroken(line: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    parts: list[list[tuple[float, float]]] = [[]]
    for point in line:
        if math.isfinite(point[1]):
            parts[-1].append(point)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def _spread(ends: Mapping[str, float], top: float, bottom: float) -> dict[str, float]:
    """Return a height for each label, near its line's end and a label's height from the next."""
    order = sorted(ends, key=lambda name: ends[name])
    places: list[float] = []
    for name in order:
        places.append(max(ends[name], places[-1] + _LABEL_HEIGHT if places else top))
    room = bottom
    for row in reversed(range(len(places))):
        places[row] = min(places[row], room)
        room = places[row] - _LABEL_HEIGHT
    return dict(zip(order, places, strict=True))


def _scaled(point: tuple[float, float], x_log: bool, y_log: bool) -> tuple[float, float]:
    """Return the point on its axes; y is NaN where it has no place on a logarithmic one."""
    x, y = point
    if (x_log and x <= 0) or (y_log and y <= 0):
        return (math.log10(x) if x_log and x > 0 else 0.0 if x_log else x), math.nan
    return math.log10(x) if x_log else x, math.log10(y) if y_log else y


def _decades(low: float, high: float) -> list[tuple[float, str]]:
    """Return marks of a logarithmic axis between two powers of ten: 1, 2 and 5 where there is room, else 1."""
    steps = (1, 2, 5) if high - low <= 2.5 else (1,)
    marks = [
        (power + math.log10(step), f"{step * 10.0**power:.6g}")
        for power in range(math.floor(low), math.ceil(high) + 1)
        for step in steps
    ]
    return [mark for mark in marks if low - 1e-9 <= mark[0] <= high + 1e-9]


def _axes(frame: _Frame, x_labels: Sequence[tuple[float, str]], y_labels: Sequence[tuple[float, str]]) -> list[str]:
    parts: list[str] = []
    for tick, text in y_labels:
        y = frame.at((frame.x[0], tick))[1]
        parts += [_rule(_LEFT, y, _RIGHT, y), _label(_LEFT - 8.0, y, text, anchor="end")]
    for x, text in x_labels or [(tick, f"{tick:.6g}") for tick in _ticks(*frame.x)]:
        if frame.x[0] <= x <= frame.x[1]:
            parts.append(_upright(frame.at((x, 0.0))[0], _TOP, frame.bottom, text))
    return parts


def _svg(parts: Sequence[str], height: float, title: str, said: str) -> str:
    # A page that inlines the element does not need the namespace; a file of its own does.
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(title)}" font-family="sans-serif" font-size="12">'
        f"<title>{escape(title)}</title><desc>{escape(said)}</desc>{''.join(parts)}</svg>"
    )


def _label(x: float, y: float, text: str, anchor: str = "start", longest: int = _LONGEST_LABEL) -> str:
    short = text if len(text) <= longest else text[: longest - 1] + "…"
    place = f'x="{x:.1f}" y="{y + 4.0:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="currentColor">{escape(short)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="currentColor" opacity="0.2"/>'


def _upright(x: float, top: float, bottom: float, text: str) -> str:
    return _rule(x, top, x, bottom) + _label(x, bottom + 14.0, text, anchor="middle")


def _polyline(points: Sequence[tuple[float, float]], colour: str, dash: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'


def _said(one: Interval) -> str:
    if not math.isfinite(one.value):
        return "unknown"
    if not (math.isfinite(one.low) and math.isfinite(one.high)):
        return f"{one.value:.4g}"
    return f"{one.value:.4g}, from {one.low:.4g} to {one.high:.4g}"


def _said_line(name: str, line: Sequence[tuple[float, float]]) -> str:
    ys = [y for _, y in line if math.isfinite(y)]
    if not ys:
        return f"{name}: no values"
    return f"{name}: from {ys[0]:.4g} to {ys[-1]:.4g}, lowest {min(ys):.4g}, highest {max(ys):.4g}"
