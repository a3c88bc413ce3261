"""Import a file in one line, look into the quarantine, find the data sets for development."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from log_target import LogTarget

from penchant import Engine
from penchant.clock import fixed
from penchant.collect.importer import CollectReport, Source, collect
from penchant.collect.mapping import Mapping
from penchant.collect.quarantine import Quarantine
from penchant.collect.sources.contract import SourceFile


@pytest.fixture
def target() -> LogTarget:
    return LogTarget()


@pytest.fixture
def load(tmp_path: Path, target: LogTarget) -> Callable[..., CollectReport]:
    """Import one file with a mapping given as TOML text; check the account; return the report."""

    def run(file: Path, mapping: str, into: LogTarget = target) -> CollectReport:
        source = Source("test", Mapping.parse(mapping), (SourceFile(file),), str(file.parent))
        with Quarantine(tmp_path / "quarantine.jsonl") as quarantine:
            report = collect(source, into, quarantine)
        assert report.read == report.accepted + report.duplicates + report.refused + report.skipped
        assert sum(report.reasons.values()) == report.refused + report.skipped
        return report

    return run


@pytest.fixture
def put_aside(tmp_path: Path) -> Callable[[], list[tuple[int, str]]]:
    """Return ``(line, reason)`` of everything in the quarantine."""

    def read() -> list[tuple[int, str]]:
        path = tmp_path / "quarantine.jsonl"
        return [(row["line"], row["reason"]) for row in pl.read_ndjson(path).to_dicts()] if path.exists() else []

    return read


@pytest.fixture
def data() -> Path:
    """Return the folder of data sets for development; skip where there is none."""
    folder = Path(os.environ.get("PENCHANT_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data sets in {folder}; set PENCHANT_DATA")
    return folder


@pytest.fixture
def clock_engine() -> Callable[[], Engine]:
    """Return a function that opens an engine in memory whose clock stands in 2026."""
    return lambda: Engine.open(clock=fixed("2026-01-01"))
