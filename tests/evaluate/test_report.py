"""The report says the same in JSON, in a terminal and in a page, and trusts no text it is given."""

import dataclasses
import io
import json
import math
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from rich.console import Console

from penchant.errors import FormatError
from penchant.evaluate import report as report_module
from penchant.evaluate.plots import COLOURS, interval_plot_svg, line_chart_svg, terminal_chart
from penchant.evaluate.report import (
    Chart,
    ModelResult,
    Report,
    Section,
    current_commit,
    html_report,
    peak_mb,
    print_report,
)
from penchant.evaluate.statistics import Interval

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def report():
    tracker = {
        "ndcg": Interval(0.27, 0.25, 0.29),
        "log_loss": Interval(3.0, 2.9, 3.1),
        "coverage": Interval.point(0.5),
    }
    popular = {
        "ndcg": Interval(0.21, 0.2, 0.22),
        "log_loss": Interval(4.0, 3.9, 4.1),
        "coverage": Interval.point(0.1),
    }
    return Report(
        data="toy",
        protocol={"split": "last week", "n": 10, "seen": False},
        commit="0123abcd",
        seed=7,
        config_hash="c0ffee",
        data_hash="beef",
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        models=[ModelResult("tracker", tracker, 1.5, 300.0), ModelResult("popular", popular, 0.25, 100.0)],
        notes=["Simulated data."],
    )


def printed(report, width=100):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_report(report, console)
    return console.file.getvalue()


def test_json_has_exactly_the_documented_keys(report):
    document = json.loads(report.to_json())
    assert list(document) == [
        *("data", "protocol", "commit", "seed", "config_hash", "data_hash", "created_at", "models", "notes", "sections")
    ]
    assert document["created_at"] == "2026-01-02T03:04:05+00:00"
    assert document["protocol"] == {"split": "last week", "n": 10, "seen": False}
    assert document["models"][0] == {
        "model": "tracker",
        "metrics": {
            "ndcg": {"value": 0.27, "low": 0.25, "high": 0.29},
            "log_loss": {"value": 3.0, "low": 2.9, "high": 3.1},
            "coverage": {"value": 0.5, "low": None, "high": None},
        },
        "fit_s": 1.5,
        "peak_mb": 300.0,
        "settings": {},
    }


def test_json_round_trip(report):
    again = Report.from_json(report.to_json())
    assert again.to_json() == report.to_json()
    assert again.created_at == report.created_at
    assert again.models[0].metrics["ndcg"] == Interval(0.27, 0.25, 0.29)
    assert math.isnan(again.models[0].metrics["coverage"].low)


def test_numbers_that_are_not_finite_become_null(report):
    odd = ModelResult("odd", {"ndcg": Interval(math.nan, -math.inf, math.inf)}, math.nan, math.nan)
    changed = dataclasses.replace(report, models=[odd], protocol={"deep": [{"x": math.nan}]}, commit=None)
    document = json.loads(changed.to_json(), parse_constant=pytest.fail)
    assert document["models"][0]["metrics"]["ndcg"] == {"value": None, "low": None, "high": None}
    assert document["models"][0]["fit_s"] is None
    assert document["protocol"] == {"deep": [{"x": None}]}
    assert document["commit"] is None
    # Such a model still has its row everywhere.
    assert "odd" in printed(changed)
    assert "odd" in html_report(changed)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"models": [], "created_at": "then"}'])
def test_other_json_is_refused(text):
    with pytest.raises(FormatError, match="not an evaluation report"):
        Report.from_json(text)


def test_terminal_table_names_the_direction_and_the_interval(report):
    text = printed(report)
    assert "ndcg ↑" in text
    assert "log_loss ↓" in text
    assert "0.2700 ±0.0200" in text
    assert re.search(r"coverage.*\n.*\n.*0\.5000(?! ±)", text)
    assert "Note: Simulated data." in text


def test_terminal_table_marks_the_best_in_bold(report):
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system="standard")
    print_report(report, console)
    bold = re.findall(r"\x1b\[1m *([0-9.]+)", console.file.getvalue())
    # The tracker leads in ndcg, log loss and coverage; the popular list in both costs.
    assert bold == ["0.2700", "3.0000", "0.5000", "0.2500", "100.00"]


@pytest.mark.parametrize("width", [60, 100, 200])
def test_terminal_table_fits_the_width(report, width):
    many = {f"metric_{i}": Interval(0.1 * i, 0.1 * i - 0.01, 0.1 * i + 0.01) for i in range(12)}
    wide = dataclasses.replace(report, models=[ModelResult("a", many, 1.0, 2.0)])
    text = printed(wide, width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert all(f"metric_{i} ↑" in text for i in range(12))
    assert "…" not in text


def test_terminal_text_is_not_read_as_markup(report):
    sly = dataclasses.replace(report, models=[ModelResult("[red]x[/red]", {}, 1.0, 2.0)], notes=["[bold]n"])
    assert "[red]x[/red]" in printed(sly)
    assert "[bold]n" in printed(sly)


def test_page_escapes_all_it_is_given(report):
    bad = "<script>alert('1')</script>\"&"
    metrics = {bad: Interval(0.5, 0.4, 0.6)}
    sly = dataclasses.replace(
        report,
        data=bad,
        protocol={bad: bad},
        commit=bad,
        config_hash=bad,
        data_hash=bad,
        models=[ModelResult(bad, metrics, 1.0, 2.0)],
        notes=[bad],
    )
    page = html_report(sly)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 10
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(svg)  # noqa: S314 - text we made ourselves


def test_page_asks_for_nothing_from_elsewhere(report):
    page = html_report(report)
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(link|script|img|iframe)|url\(|@import|src=", page)


def test_page_has_a_table_and_a_plot_for_each_metric(report):
    page = html_report(report)
    assert page.count("<svg") == 3
    assert page.count('role="img"') == 3
    assert "prefers-color-scheme:dark" in page
    assert "<strong>0.27</strong> <small>[0.25, 0.29]</small>" in page
    assert "<strong>3</strong>" in page
    assert '<th scope="row">tracker</th>' in page
    assert "tracker: 0.27, from 0.25 to 0.29; popular: 0.21, from 0.2 to 0.22" in page


def test_costs_that_were_not_measured_have_no_column(report):
    unmeasured = [dataclasses.replace(one, fit_s=math.nan, peak_mb=math.nan) for one in report.models]
    page = html_report(dataclasses.replace(report, models=unmeasured))
    assert "fit_s" not in page
    assert "peak_mb" not in printed(dataclasses.replace(report, models=unmeasured))


def test_metrics_may_name_their_list_length(report):
    one = ModelResult("a", {"log_loss@5": Interval.point(1.0), "ndcg@5": Interval.point(0.5)}, 1.0, 1.0)
    text = printed(dataclasses.replace(report, models=[one]))
    assert "log_loss@5 ↓" in text
    assert "ndcg@5 ↑" in text


def test_a_report_of_no_models_is_still_a_report(report):
    empty = dataclasses.replace(report, models=[])
    assert "toy" in printed(empty)
    assert "toy" in html_report(empty)


def test_interval_plot_puts_values_in_order():
    svg = ElementTree.fromstring(  # noqa: S314 - text we made ourselves
        interval_plot_svg({"a": Interval(1.0, 0.5, 1.5), "b": Interval.point(2.0), "c": Interval.point(math.nan)}, "t")
    )
    dots = [float(dot.get("cx")) for dot in svg.iter(f"{SVG}circle")]
    assert len(dots) == 2
    assert dots[0] < dots[1]
    (bar,) = [line for line in svg.iter(f"{SVG}line") if line.get("stroke-width") == "3"]
    assert float(bar.get("x1")) < dots[0] < float(bar.get("x2"))
    assert "c: unknown" in svg.find(f"{SVG}desc").text
    assert interval_plot_svg({"a": Interval.point(0.0)}, "all alike").count("<circle") == 1
    assert interval_plot_svg({}, "nothing").count("<circle") == 0


def test_line_chart_draws_each_series_and_breaks_at_gaps():
    series = {
        "tea & <milk>": [(0.0, 0.1), (1.0, 0.2), (2.0, math.nan), (3.0, 0.3), (4.0, 0.4)],
        "coffee": [(0.0, 0.4), (4.0, 0.4)],
        "nothing": [],
    }
    text = line_chart_svg(series, "Interest <over> time", "share", [(0.0, "May"), (4.0, "June"), (9.0, "later")])
    svg = ElementTree.fromstring(text)  # noqa: S314 - text we made ourselves
    lines = [line for line in svg.iter(f"{SVG}polyline") if " " in line.get("points")]
    # Three pieces of line and two leaders from the line ends to the names.
    assert len(lines) == 5
    words = [label.text for label in svg.iter(f"{SVG}text")]
    assert {"tea & <milk>", "coffee", "share", "May", "June"} <= set(words)
    assert "later" not in words
    assert svg.get("aria-label") == "Interest <over> time"
    assert "nothing: no values" in svg.find(f"{SVG}desc").text


def test_line_chart_keeps_names_apart():
    series = {f"s{i}": [(0.0, 0.5), (1.0, 0.5)] for i in range(30)}
    svg = ElementTree.fromstring(line_chart_svg(series, "t", "y"))  # noqa: S314 - text we made ourselves
    places = sorted(float(label.get("y")) for label in svg.iter(f"{SVG}text") if label.text.startswith("s"))
    assert len(places) == 30
    assert min(b - a for a, b in pairwise(places)) >= 14.9
    assert places[0] > 0
    assert places[-1] < float(svg.get("viewBox").split()[3])


@pytest.mark.parametrize("series", [{}, {"one": [(5.0, 0.0)]}, {"gone": [(0.0, math.nan)]}])
def test_charts_of_nearly_nothing_do_not_fail(series):
    ElementTree.fromstring(line_chart_svg(series, "t", "y"))  # noqa: S314 - text we made ourselves
    assert terminal_chart(series).endswith("─")


def test_line_colours_can_be_told_from_both_backgrounds():
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark = luminance(re.search(r"dark\).*--page:(#\w{6})", report_module._STYLE).group(1))
    for colour in COLOURS:
        assert 1.05 / (luminance(colour) + 0.05) >= 3.0
        assert (luminance(colour) + 0.05) / (dark + 0.05) >= 3.0


def test_terminal_chart_shows_the_shape():
    rising = [(float(x), float(x)) for x in range(10)]
    chart = terminal_chart({"up": rising, "flat": [(0.0, 4.5), (9.0, 4.5)]}, width=18, height=1, ends=("a", "b"))
    assert chart.splitlines() == [
        "up   9 ┤ ▁▂▃▄▅▆▇██",
        "flat 9 ┤▄▄▄▄▄▄▄▄▄▄",
        "       └──────────",
        "        a        b",
    ]


def test_terminal_chart_keeps_its_width_and_its_hands_off_the_terminal():
    series = {
        "\x1b[31mred": [(0.0, 1.0), (1.0, 2.0)],
        "兴趣": [(0.0, 2.0), (1.0, -1.0)],
        "x" * 99: [(0.5, 1.0)],
    }
    chart = terminal_chart(series, width=60, height=4)
    assert "\x1b" not in chart
    assert max(len(line) for line in chart.splitlines()) <= 60
    assert "兴趣" in chart


def test_commit_is_that_of_the_code_or_none():
    commit = current_commit()
    assert commit is None or re.fullmatch(r"[0-9a-f]{40}", commit)


def test_commit_refuses_a_repository_that_only_surrounds_us(tmp_path, monkeypatch):
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")

    def run(*words):
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        subprocess.run([git, *identity, *words], cwd=tmp_path, check=True, capture_output=True)  # noqa: S603

    ours = tmp_path / "site" / "report.py"
    ours.parent.mkdir()
    ours.write_text("", encoding="utf-8")
    monkeypatch.setattr(report_module, "__file__", str(ours))
    assert current_commit() is None  # no repository
    run("init")
    run("commit", "--allow-empty", "-m", "theirs")
    assert current_commit() is None  # a repository, but not one that holds the file
    run("add", ".")
    run("commit", "-m", "ours")
    assert re.fullmatch(r"[0-9a-f]{40}", current_commit())
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert current_commit() is None  # no git


def test_peak_memory_is_plausible():
    assert 10 < peak_mb() < 100_000


@pytest.fixture
def longer(report):
    measured = {"adapt_50": Interval(12.0, 10.0, 15.0), "return_ratio": Interval(0.5, 0.4, 0.6)}
    other = {"adapt_50": Interval(8.0, 7.0, 9.0), "return_ratio": Interval(1.5, 1.4, 1.6)}
    section = Section(
        "change",
        "How soon is <it> noticed?",
        [ModelResult("tracker", measured, math.nan, math.nan), ModelResult("last_k", other, math.nan, math.nan)],
        {"pairs": 40},
        ["Not reached counts as the last."],
        [Chart("Extra loss", "events", "nats", {"tracker": [(1.0, 0.5), (2.0, 0.25)]}, caption="Means over pairs.")],
    )
    return dataclasses.replace(report, sections=[section])


def test_sections_survive_json(longer):
    again = Report.from_json(longer.to_json())
    assert again.to_json() == longer.to_json()
    assert again.sections[0].models[1].metrics["adapt_50"] == Interval(8.0, 7.0, 9.0)
    assert again.sections[0].charts[0].lines["tracker"] == [(1.0, 0.5), (2.0, 0.25)]
    document = json.loads(longer.to_json())["sections"][0]
    assert list(document) == ["name", "title", "facts", "models", "notes", "charts"]


def test_a_report_from_before_sections_is_read(report):
    document = json.loads(report.to_json())
    del document["sections"]
    assert Report.from_json(json.dumps(document)).sections == []


@pytest.mark.parametrize("broken", [[{}], [{"name": "x"}], 3, [3]])
def test_broken_sections_are_refused(report, broken):
    document = json.loads(report.to_json()) | {"sections": broken}
    with pytest.raises(FormatError):
        Report.from_json(json.dumps(document))


def test_sections_are_printed_below(longer):
    text = printed(longer)
    below = text[text.index("How soon is <it> noticed?") :]
    for said in ("pairs 40", "adapt_50 ↓", "return_ratio", "12.00 ±2.50", "Note: Not reached"):
        assert said in below
    assert "return_ratio ↑" not in below
    assert "fit_s" not in below


def test_sections_are_part_of_the_page(longer):
    page = html_report(longer)
    assert "How soon is &lt;it&gt; noticed?" in page
    assert "<it>" not in page
    assert "<strong>8</strong>" in page  # fewer events are better
    assert "<strong>0.5</strong> <small>[0.4" not in page  # neither is
    assert "Means over pairs." in page
    for svg in re.findall(r"<svg.*?</svg>", page):
        ElementTree.fromstring(svg)  # noqa: S314 - our own page


def test_a_logarithmic_chart_spaces_powers_of_ten_evenly():
    line = [(0.001, 0.01), (0.1, 0.1), (10.0, 1.0), (0.0, 0.5)]
    svg = line_chart_svg({"a": line}, "t", "y", x_label="days", x_log=True, y_log=True)
    chart = ElementTree.fromstring(svg)  # noqa: S314 - our own chart
    [points] = [one.get("points") for one in chart.iter(f"{SVG}polyline") if one.get("points").count(",") == 3]
    xs, ys = zip(*[map(float, point.split(",")) for point in points.split()], strict=True)
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1])
    assert ys[1] - ys[0] == pytest.approx(ys[2] - ys[1])
    texts = [one.text for one in chart.iter(f"{SVG}text")]
    assert {"0.001", "0.1", "10", "days"} <= set(texts)
    assert "lowest 0.01, highest 1" in chart.find(f"{SVG}desc").text


@pytest.mark.parametrize("line", [[], [(0.0, 0.0)], [(1.0, 1.0)], [(-1.0, 2.0), (1.0, 2.0)]])
def test_a_logarithmic_chart_of_nearly_nothing_is_still_a_chart(line):
    ElementTree.fromstring(line_chart_svg({"a": line}, "t", "y", x_log=True, y_log=True))  # noqa: S314 - our own
