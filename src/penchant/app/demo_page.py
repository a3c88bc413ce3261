"""The demonstration as one HTML page: steps, charts, lists with reasons, tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from penchant.app.demo import Household, Newcomer, Step
from penchant.domain.slate import Recommendation
from penchant.evaluate.plots import line_chart_svg
from penchant.evaluate.report import Report, html_report

_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:.5rem 0 1.5rem;width:100%}
th,td{padding:.3rem .6rem;text-align:left;vertical-align:top}
th,td{border-bottom:1px solid color-mix(in srgb,currentColor 20%,transparent)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
svg{max-width:100%;height:auto}
section{overflow-x:auto}
.note{opacity:.75}
"""


def demo_page(
    steps: Sequence[Step], households: Sequence[Household], newcomer: Newcomer, reports: Sequence[tuple[str, Report]]
) -> str:
    """Return the page; needs nothing from the network."""
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width,initial-scale=1'>",
        f"<title>penchant: a year of groceries</title><style>{_STYLE}</style></head><body>",
        "<h1>A year of groceries</h1>",
        "<p class='note'>Data: completejourney, 1.47 million purchases of 2,469 households in 2017, which its authors call "
        "simulated on real patterns.</p>",
        "<h2>Steps</h2>",
        _table(
            ["step", "seconds", "counts"],
            [[s.name, f"{s.seconds:.1f}", ", ".join(f"{k} {_figure(v)}" for k, v in s.counts.items())] for s in steps],
        ),
        "<h2>Three households whose interests changed</h2>",
    ]
    for one in households:
        labels = [(float(i), f"{month:%b}") for i, month in enumerate(one.months)]
        series = {topic: [(float(i), share) for i, share in enumerate(line)] for topic, line in one.shares.items()}
        parts += [
            f"<h3>Household {escape(one.user_id)}</h3>",
            f"<p>More {escape(one.rising)}, less {escape(one.falling)}.</p>",
            line_chart_svg(series, f"Short-term interests of household {one.user_id}", "share of interest", labels),
            _list(one.recommendations),
        ]
    parts += [
        "<h2>One live event</h2>",
        f"<p>A visitor of whom nothing is known takes item {escape(str(newcomer.event['item_id']))}. The event is in the log "
        f"and the profile is changed after {newcomer.milliseconds:.1f} ms; "
        f"interests now: {escape(', '.join(newcomer.interests_after))}.</p>",
        "<h3>Before</h3>",
        _list(newcomer.list_before),
        "<h3>After</h3>",
        _list(newcomer.list_after),
    ]
    for title, report in reports:
        page = html_report(report)
        body = page[page.index("<body") :]
        body = body[body.index(">") + 1 : body.index("</body>")]
        parts += [f"<section aria-label='{escape(title)}'>", body, "</section>"]
    return "\n".join([*parts, "</body></html>"])


def _figure(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _list(recommendations: Sequence[Recommendation]) -> str:
    rows = [[one.title or one.item_id, one.source, one.reason, ", ".join(one.evidence)] for one in recommendations]
    return _table(["recommended", "source", "why", "evidence"], rows)
