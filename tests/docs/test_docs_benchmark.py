"""The tracker that the page shows stands in every table of the benchmark."""

from __future__ import annotations

import importlib
import math
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from docs_pages import Block, blocks

from penchant.interest import TOPIC_MODELS
from penchant.interest.contract import SaysActivity, SaysChanges, SaysStrengths

PAGE = "docs/how-to/benchmark-your-tracker.md"


def the_block(mark: str) -> Block:
    [found] = [block for block in blocks(PAGE) if block.mark.startswith(mark)]
    return found


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The model of the page, as a package installs it: a module and an entry point."""
    (tmp_path / "two_speeds.py").write_text(the_block("file: two_speeds.py").body, encoding="utf-8")
    [(group, lines)] = tomllib.loads(the_block("entry point").body)["project"]["entry-points"].items()
    points = [f"{name} = {value}" for name, value in lines.items()]
    metadata = tmp_path / "speeds-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: speeds\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(f"[{group}]\n" + "\n".join(points) + "\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "two_speeds", raising=False)
    monkeypatch.setattr(TOPIC_MODELS, "_outside", None)
    return tmp_path


def test_the_model_keeps_all_contracts(installed: Path) -> None:
    model = importlib.import_module("two_speeds").TwoSpeeds()
    assert isinstance(model, SaysActivity)
    assert isinstance(model, SaysChanges)
    assert isinstance(model, SaysStrengths)


@pytest.fixture
def report(installed: Path) -> Any:
    names: dict[str, Any] = {}
    exec(the_block("not run: needs the entry point").body, names)  # noqa: S102 - our own page
    return names["report"]


def test_it_stands_in_every_table(report: Any) -> None:
    sections = {section.name: section for section in report.sections}
    assert list(sections) == [
        *("recall", "activity", "horizons", "change", "back", "burst", "gradual", "detection", "quiet")
    ]
    for section in sections.values():
        assert "two_speeds" in {one.model for one in section.models}, section.name
    assert {one.model for one in sections["detection"].models} == {"two_speeds"}
    assert {one.model for one in report.models} == {"static", "ema", "two_speeds"}
    scored = {one.model: one.metrics for one in report.models}
    assert scored["two_speeds"]["log_loss"].value < scored["static"]["log_loss"].value  # toy users change for good


def test_the_toy_users_changes_are_seen_in_the_numbers(report: Any) -> None:
    tables = {section.name: {one.model: one.metrics for one in section.models} for section in report.sections}
    change = tables["change"]
    assert change["two_speeds"]["adapt_50"].value < change["static"]["adapt_50"].value
    assert change["two_speeds"]["regret@50"].value < change["static"]["regret@50"].value
    assert tables["quiet"]["static"]["nervousness"].value == 0.0
    assert 0.0 < tables["detection"]["two_speeds"]["found@50"].value <= 1.0
    crossing = tables["horizons"]["two_speeds"]["crossing_days"].value
    assert crossing >= 0.0 or math.isnan(crossing)
    for section in report.sections:
        for one in section.models:
            for interval in one.metrics.values():
                if math.isfinite(interval.low):
                    assert interval.low <= interval.high
    again = type(report).from_json(report.to_json())
    assert again.to_json() == report.to_json()
    assert np.isfinite(again.sections[1].charts[0].lines["perfect"]).all()
