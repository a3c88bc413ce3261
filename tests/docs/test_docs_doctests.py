"""The examples in docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import penchant

MODULES = ["penchant"] + [
    module.name
    for module in pkgutil.walk_packages(penchant.__path__, "penchant.")
    if ".migrations." not in module.name  # Alembic runs those
]


def examples_of(module: str) -> list[doctest.DocTest]:
    """Return the doctests of a module that hold an example."""
    return [test for test in doctest.DocTestFinder().find(importlib.import_module(module)) if test.examples]


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings_run(module: str) -> None:
    for test in examples_of(module):
        failed, _ = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
        assert failed == 0, f"{test.name}: see the output above"


def test_there_are_examples_in_docstrings() -> None:
    marked = sum(">>> " in path.read_text(encoding="utf-8") for path in Path(penchant.__path__[0]).rglob("*.py"))
    found = {module: sum(len(test.examples) for test in examples_of(module)) for module in MODULES}
    assert sum(n > 0 for n in found.values()) == marked  # none is passed over
    assert sum(found.values()) >= 80
