from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from collections import OrderedDict

import pytest

from penchant import registry as registry_module
from penchant.collect import LOGS
from penchant.errors import UnknownNameError
from penchant.interest import LEARNERS as INTEREST
from penchant.interest import TOPIC_MODELS
from penchant.profile import LEARNERS as PROFILE
from penchant.recommend import RANKERS, RERANKERS, SOURCES
from penchant.registry import Registry

TABLE = {"ordered": "collections:OrderedDict", "broken": "collections:NoSuchThing", "absent": "no_such_module_4711:X"}


@pytest.fixture
def registry():
    return Registry("dictionary", "penchant.tests.none", TABLE)


def test_names_are_imported_when_asked_for(registry):
    assert registry["ordered"] is OrderedDict
    assert list(registry) == ["ordered", "broken", "absent"]
    assert len(registry) == 3
    assert "ordered" in registry
    assert "broken" in registry  # known, though it cannot be loaded


def test_an_unknown_name_lists_the_known_ones(registry):
    with pytest.raises(
        UnknownNameError, match="no dictionary named 'orderd'; known: absent, broken, ordered"
    ) as caught:
        _ = registry["orderd"]
    assert caught.value.known == ("absent", "broken", "ordered")


def test_asking_whether_a_name_is_there_is_no_error(registry):
    assert "orderd" not in registry
    assert registry.get("orderd") is None
    assert registry.get("orderd", 3) == 3
    assert registry.get("ordered") is OrderedDict


def test_what_is_listed_but_cannot_be_loaded_says_so(registry):
    with pytest.raises(AttributeError, match="NoSuchThing"):
        _ = registry["broken"]
    with pytest.raises(ModuleNotFoundError, match="no_such_module_4711"):
        _ = registry["absent"]


def test_the_table_given_is_not_the_table_kept():
    table = dict(TABLE)
    registry = Registry("dictionary", "penchant.tests.none", table)
    table.clear()
    assert len(registry) == 3


@pytest.mark.parametrize(
    ("registry", "count"),
    [(LOGS, 3), (PROFILE, 10), (INTEREST, 1), (TOPIC_MODELS, 11), (SOURCES, 7), (RANKERS, 3), (RERANKERS, 7)],
    ids=["logs", "profile", "interest", "topic models", "sources", "rankers", "rerankers"],
)
def test_everything_registered_can_be_loaded(registry, count):
    assert len(registry) == count
    for name in registry:
        assert isinstance(registry[name], type)


def test_a_package_outside_adds_components_by_entry_points(tmp_path):
    """A distribution of its own, found by a fresh interpreter as if it were installed."""
    info = tmp_path / "greetings-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greetings\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[penchant.recommend.source]\ngreeting = greetings:Greeting\npopular = greetings:Impostor\n"
    )
    (tmp_path / "greetings.py").write_text(
        textwrap.dedent(
            """
            from penchant.recommend.popular import Popular, PopularConfig

            class Greeting(Popular):
                name = "greeting"

            class Impostor(Popular):
                pass
            """
        )
    )
    code = textwrap.dedent(
        """
        from penchant import Engine
        from penchant.recommend import SOURCES
        from penchant.recommend.popular import Popular
        assert "greeting" in SOURCES and len(SOURCES) == 8
        assert SOURCES["popular"] is Popular, "a name of our own cannot be taken over"
        engine = Engine.open(components={
            "pipeline": {"sources": ["greeting"]}, "greeting": {"half_life_days": 3}, "blend": {"weights": {"greeting": 1}}
        })
        engine.ingest({"type": "view", "user_id": "ann", "item_id": "tea"})
        print([(one.item_id, one.source) for one in engine.recommend("bob")], end="")
        """
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}, check=False
    )
    assert (done.returncode, done.stdout) == (0, "[('tea', 'greeting')]"), done.stderr


def test_the_doc_of_the_module_names_the_groups():
    assert "penchant.recommend.source" in (importlib.import_module(registry_module.__name__).__doc__ or "")
