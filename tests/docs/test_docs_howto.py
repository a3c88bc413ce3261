"""What the how-to pages add can be added as they say, and passes the public suites."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from docs_pages import blocks

from penchant import Engine
from penchant.clock import fixed
from penchant.config import Settings
from penchant.evaluate import METRICS
from penchant.interest import TOPIC_MODELS
from penchant.interest.models import MODELS
from penchant.loop.evaluating import Evaluation
from penchant.profile import LEARNERS
from penchant.recommend import SOURCES
from penchant.testing import ToyLog

ADDING = ("add-a-model", "add-a-source-of-candidates", "add-a-metric")


def write_files(page: str, folder: Path) -> list[str]:
    """Write the files that a page shows; return their names."""
    names = []
    for block in blocks(f"docs/how-to/{page}.md"):
        if block.mark.startswith("file: "):
            names.append(block.mark.removeprefix("file: "))
            (folder / names[-1]).write_text(block.body, encoding="utf-8")
    return names


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with what the pages show, as packages install it: modules and entry points."""
    points = []
    for page in ADDING:
        write_files(page, tmp_path)
        for block in blocks(f"docs/how-to/{page}.md"):
            if block.mark == "entry point":
                for group, lines in tomllib.loads(block.body)["project"]["entry-points"].items():
                    points.append(f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in lines.items()))
    assert len(points) == 5
    metadata = tmp_path / "outside-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text("\n".join(points) + "\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    for registry in (METRICS, TOPIC_MODELS, MODELS, LEARNERS, SOURCES):
        monkeypatch.setattr(registry, "_outside", None)  # what was found before this folder was there
    return tmp_path


@pytest.fixture
def evaluation(installed: Path, toy: ToyLog) -> Evaluation:
    """An evaluation of the toy log with everything installed."""

    def make() -> Engine:
        return Engine.open(clock=fixed(toy.ends))

    with make() as engine:
        engine.ingest(toy.events)
        return Evaluation("toy", engine.ledger.events(), make)


def test_the_topic_model_stands_in_the_table(evaluation: Evaluation) -> None:
    rows = {one.model: one for one in evaluation.tracking().models}
    assert "tracker" in rows
    assert 0 < rows["again"].settings["share"] < 1  # type: ignore[operator]
    assert rows["again"].metrics["log_loss"].value < rows["popularity"].metrics["log_loss"].value


def test_the_source_and_the_metric_stand_in_the_table(evaluation: Evaluation) -> None:
    rows = {one.model: one for one in evaluation.ranking(test=0.3, models=()).models}
    assert {"pipeline", "popular", "rising"} <= set(rows)
    assert 0 <= rows["rising"].metrics["tail_precision@10"].value <= 1


def test_the_item_model_is_fitted_and_asked_by_name(installed: Path, toy: ToyLog) -> None:
    with Engine.open(clock=fixed(toy.ends)) as engine:
        engine.ingest(toy.events)
        assert "after_that" in engine.fit(["after_that"])
        found = [one for user in toy.before for one in engine.recommend(user, strategy="after_that")]
        assert {one.source for one in found} == {"after_that"}


def test_the_metrics_own_example_runs(installed: Path) -> None:
    import doctest
    import importlib

    result = doctest.testmod(importlib.import_module("tail_precision"))
    assert result.attempted >= 3
    assert result.failed == 0


def test_the_source_takes_part_in_the_pipeline(installed: Path, toy: ToyLog) -> None:
    toml = next(block.body for block in blocks("docs/how-to/add-a-source-of-candidates.md") if block.mark == "rising")
    (installed / "penchant.toml").write_text(toml, encoding="utf-8")
    with Engine.open("memory", settings=Settings.load(installed / "penchant.toml"), clock=fixed(toy.ends)) as engine:
        engine.ingest(toy.events)
        assert engine.recommender.pipeline.sources["rising"].config.fast_days == 3.0  # type: ignore[attr-defined]
        assert any("rising" in one.parts for one in engine.recommend("user-0"))
        assert {one.source for one in engine.recommend("user-0", strategy="rising")} == {"rising"}


def test_the_learner_is_folded_kept_and_forgotten(
    installed: Path, toy: ToyLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = next(block.body for block in blocks("docs/how-to/add-a-model.md") if block.mark.startswith("not run"))
    url = f"sqlite:///{tmp_path / 'log.db'}"
    monkeypatch.setattr(LEARNERS, "_outside", {})
    with Engine.open(url, clock=fixed(toy.ends)) as engine:
        engine.ingest(toy.events)
        assert ("night", "user-0") not in engine.ledger.states.as_bytes()
    monkeypatch.setattr(LEARNERS, "_outside", None)
    with Engine.open(url, clock=fixed(toy.ends)) as engine:  # folds the whole log anew
        before = engine.ledger.states.as_bytes()
        assert ("night", "user-0") in before
    with Engine.open(url, clock=fixed(toy.ends)) as engine:
        assert engine.ledger.states.as_bytes() == before
        names = {"engine": engine}
        exec(code.replace('"ann"', '"user-0"'), names)  # noqa: S102 - our own page
        assert 0 < names["share"] < 1  # type: ignore[operator]
        engine.forget("user-0")
        assert ("night", "user-0") not in engine.ledger.states.as_bytes()


def test_the_public_suites_pass_as_the_pages_say(tmp_path: Path) -> None:
    tests = [name for page in ADDING for name in write_files(page, tmp_path) if name.startswith("test_")]
    assert tests == ["test_after_that.py", "test_night.py", "test_rising.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *tests]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    assert ran.returncode == 0, ran.stdout[-3000:]
    passed = re.search(r"(\d+) passed", ran.stdout)
    assert passed is not None
    assert int(passed[1]) >= 40


@pytest.mark.postgres
def test_the_postgresql_page_works(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Engine.open("sqlite:///old.db") as engine:
        engine.ingest({"type": "like", "user_id": "bob", "item_id": "t1", "at": "2025-01-05"})
    shown = [b.body for b in blocks("docs/how-to/run-on-postgresql.md") if b.mark.startswith("not run: needs a server")]
    assert len(shown) == 2
    there = [code.replace("postgresql+psycopg://penchant@127.0.0.1/interests", postgres_url) for code in shown]
    assert [printed(code) for code in there] == ["tea", "1"]


def printed(code: str) -> str:
    """Return what a page's code prints."""
    out = io.StringIO()
    with redirect_stdout(out):
        exec(code, {"__name__": "page"})  # noqa: S102 - our own pages
    return out.getvalue().strip()
