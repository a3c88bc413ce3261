"""Every name that a user meets has its place in the reference."""

from __future__ import annotations

import re

import pytest
from docs_pages import name, pages, read

import penchant
from penchant import Engine, errors, testing
from penchant.collect import LOGS, READERS
from penchant.collect.datasets import datasets
from penchant.domain.event import EVENT_TYPES, EVIDENCE_WEIGHT, FIELDS, ITEM_REQUIRED, PAYLOAD_FIELDS
from penchant.evaluate import METRICS
from penchant.evaluate.report import LOWER_IS_BETTER
from penchant.interest import LEARNERS as INTEREST_LEARNERS
from penchant.interest import TOPIC_MODELS
from penchant.interest.models import MODELS
from penchant.process.validate import MAX_AMOUNT, MAX_DEPTH, MAX_ID, MAX_PAYLOAD, MAX_TOPICS
from penchant.profile import LEARNERS as PROFILE_LEARNERS
from penchant.recommend import RANKERS, RATINGS, RERANKERS, SOURCES
from penchant.storage.tables import metadata


def first_cells(page: str) -> dict[str, list[str]]:
    """Return the rows of a page's tables whose first cell is a name in backticks: name -> the other cells."""
    rows = {}
    for line in read(page).splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if line.startswith("| `") and len(cells) > 1:
            rows[cells[0].strip("`")] = cells[1:]
    return rows


def test_every_event_type_has_its_row_with_its_weight() -> None:
    rows = first_cells("docs/reference/events.md")
    for kind in EVENT_TYPES:
        needs_item, weight, meaning = rows[kind][0], rows[kind][1], rows[kind][2]
        assert (needs_item == "yes") == (kind in ITEM_REQUIRED), kind
        stated = float(re.match(r"-?[0-9.]+", weight.replace("−", "-"))[0])  # type: ignore[index]
        assert stated == EVIDENCE_WEIGHT[kind], kind
        assert meaning, kind


def test_every_event_field_and_limit_is_told() -> None:
    page, rows = read("docs/reference/events.md"), first_cells("docs/reference/events.md")
    for field in (*FIELDS, *PAYLOAD_FIELDS):
        assert field in rows, field
    for limit in (MAX_ID, MAX_TOPICS, MAX_PAYLOAD, MAX_DEPTH, int(MAX_AMOUNT)):
        assert f"{limit:,}" in page, limit


def test_every_metric_has_its_formula() -> None:
    rows = first_cells("docs/reference/metrics.md")
    for metric in METRICS:
        formula, direction = rows[metric][0], rows[metric][1]
        assert "`" in formula, metric
        assert direction == ("lower" if metric in LOWER_IS_BETTER else "higher"), metric


@pytest.mark.parametrize("metric", ["log_loss", "brier", "brier_skill", "ece", "top_1", "mae", "rmse"])
def test_every_other_measure_has_its_formula(metric: str) -> None:
    assert "`" in first_cells("docs/reference/metrics.md")[metric][0]


REGISTRIES = {
    "docs/collect.md": [LOGS, READERS, datasets()],
    "docs/profile.md": [PROFILE_LEARNERS],
    "docs/interest.md": [INTEREST_LEARNERS, TOPIC_MODELS],
    "docs/recommend.md": [SOURCES, RANKERS, RERANKERS, RATINGS],
}


@pytest.mark.parametrize("page", REGISTRIES)
def test_every_component_stands_in_its_chapter(page: str) -> None:
    rows = first_cells(page)
    for registry in REGISTRIES[page]:
        assert len(registry) > 0
        for component in registry:
            assert component in rows, component


@pytest.mark.parametrize("page", ["docs/recommend.md"])
def test_every_item_model_stands_in_the_chapter(page: str) -> None:
    table = read(page).partition("## Item models")[2].partition("\n## ")[0]
    assert len(MODELS) >= 20
    for model in MODELS:
        assert f"`{model}`" in table, model


def test_every_table_of_the_database_is_described() -> None:
    rows = first_cells("docs/reference/storage.md")
    for table in metadata.tables.values():
        described = " ".join(rows[table.name])
        for column in table.columns:
            assert f"`{column.name}`" in described, (table.name, column.name)


def test_every_public_name_and_method_stands_in_the_api_page() -> None:
    page = read("docs/reference/api.md")
    for public in (*penchant.__all__, *testing.__all__):
        assert f"`{public}`" in page, public
    methods = [method for method in vars(Engine) if not method.startswith("_")]
    assert len(methods) >= 14
    for method in methods:
        assert re.search(rf"`(Engine\.|engine\.)?{method}[(`]", page), method
    for error in vars(errors).values():
        if isinstance(error, type) and issubclass(error, errors.PenchantError):
            assert f"`{error.__name__}`" in page, error


def test_the_six_rooms_are_chapters_in_both_languages() -> None:
    rooms = ["collect", "process", "profile", "interest", "recommend", "evaluate"]
    for folder in ("docs", "docs/zh"):
        places = [read(f"{folder}/index.md").index(f"({room}.md)") for room in rooms]
        assert places == sorted(places)


def test_the_index_leads_to_every_page() -> None:
    index = read("docs/index.md") + read("docs/zh/index.md")
    for page in pages():
        path = name(page)
        if path.startswith("docs/") and not path.endswith("index.md"):
            inside = path.removeprefix("docs/")
            assert f"({inside})" in index or f"({inside.removeprefix('zh/')})" in index, path


def test_the_places_for_figures_are_there() -> None:
    for page in ("README.md", "README.zh-CN.md", "docs/benchmarks.md"):
        text = read(page)
        assert text.count("<!-- figures:begin -->") == 1
        assert text.index("<!-- figures:begin -->") < text.index("<!-- figures:end -->")
