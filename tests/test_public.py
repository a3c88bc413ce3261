"""What other people may import, and what importing it costs them."""

from __future__ import annotations

import doctest
import importlib.metadata
import subprocess
import sys

import pytest

import penchant
import penchant.testing
from penchant import errors


def modules_after(statement):
    """Return the modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    return set(done.stdout.split())


def test_the_public_names_are_exactly_these():
    assert penchant.__all__ == ["Engine", "Event", "PenchantError", "Receipt", "Settings", "__version__"]
    assert dir(penchant) == penchant.__all__
    for name in penchant.__all__:
        assert getattr(penchant, name) is not None
    assert penchant.__version__ == importlib.metadata.version("penchant")
    with pytest.raises(AttributeError, match="module 'penchant' has no attribute 'engines'"):
        _ = penchant.engines


def test_the_public_names_of_testing_are_exactly_these():
    assert penchant.testing.__all__ == [
        "EventLogContract",
        "ItemModelContract",
        "LearnerContract",
        "SettableClock",
        "SourceContract",
        "ToyLog",
        "as_rows",
        "toy_log",
    ]
    for name in penchant.testing.__all__:
        assert getattr(penchant.testing, name).__module__.startswith("penchant.testing.")
    with pytest.raises(AttributeError, match="no attribute 'mock'"):
        _ = penchant.testing.mock


def test_a_star_import_brings_the_public_names_and_nothing_else():
    loaded: dict[str, object] = {}
    exec("from penchant import *", loaded)  # noqa: S102
    assert set(loaded) - {"__builtins__"} == set(penchant.__all__)


def test_importing_penchant_loads_nothing_heavy():
    loaded = modules_after("import penchant")
    assert "penchant" in loaded
    heavy = {"numpy", "polars", "sqlalchemy", "numba", "scipy", "pydantic", "msgspec", "alembic", "typer", "rich"}
    assert not loaded & heavy


def test_importing_the_engine_loads_no_optional_part_and_compiles_nothing():
    loaded = modules_after("from penchant import Engine")
    assert "penchant.engine" in loaded
    assert not loaded & {"torch", "sklearn", "transformers", "lightgbm", "river", "ranx", "pytest", "psycopg"}
    assert not loaded & {"numba", "polars", "scipy", "alembic", "matplotlib"}
    assert not any(name.startswith(("penchant.testing", "penchant.app", "penchant.evaluate")) for name in loaded)


def test_pytest_is_needed_by_the_suites_only():
    assert "pytest" not in modules_after(
        "import penchant.testing; penchant.testing.toy_log; penchant.testing.SettableClock"
    )
    assert "pytest" in modules_after("from penchant.testing import LearnerContract")


def test_the_example_in_the_package_runs():
    results = doctest.testmod(penchant)
    assert results.attempted >= 5
    assert results.failed == 0


def test_every_error_is_a_penchant_error_and_the_builtin_it_resembles():
    found = {
        name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)
    }
    builtin = {
        "ConfigError": ValueError,
        "NotInstalledError": ImportError,
        "UnknownNameError": LookupError,
        "EventError": ValueError,
        "SourceError": OSError,
        "StorageError": OSError,
        "LogLockedError": OSError,
        "NotFittedError": RuntimeError,
        "FormatError": ValueError,
    }
    assert set(found) == {"PenchantError", *builtin}
    for name, kind in builtin.items():
        assert issubclass(found[name], errors.PenchantError)
        assert issubclass(found[name], kind)
        assert name in (errors.__doc__ or "")
    assert errors.PenchantError is penchant.PenchantError


def test_errors_say_what_to_do():
    missing = errors.NotInstalledError("torch", "pip install 'penchant[deep]'")
    assert str(missing) == "torch is not installed; install it with: pip install 'penchant[deep]'"
    assert (missing.what, missing.install) == ("torch", "pip install 'penchant[deep]'")
    unknown = errors.UnknownNameError("source", "popluar", ["recent", "popular"])
    assert str(unknown) == "no source named 'popluar'; known: popular, recent"
    assert (unknown.kind, unknown.name, unknown.known) == ("source", "popluar", ("popular", "recent"))
    assert str(errors.UnknownNameError("source", "x", [])) == "no source named 'x'; known: none"
