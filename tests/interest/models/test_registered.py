"""Every registered item model has the name that it is registered under, and a contract that tests it."""

from __future__ import annotations

import re
from pathlib import Path

from penchant.interest.models import MODELS

HERE = Path(__file__).parent


def test_every_model_is_called_as_it_is_registered():
    assert len(MODELS) >= 20
    for name in MODELS:
        kind = MODELS[name]
        assert kind.name == name
        assert kind.Config().model_config["extra"] == "forbid"


def test_every_model_has_a_contract():
    """Somewhere below this folder a test class inherits the contract, in a file that names the model's class."""
    texts = [path.read_text(encoding="utf-8") for path in HERE.rglob("test_*.py")]
    contracts = [text for text in texts if re.search(r"class \w+\((\w+, )*\w*Contract\)", text)]
    assert len(contracts) >= 3
    for name in MODELS:
        kind = MODELS[name].__name__
        assert any(re.search(rf"\b{kind}\b", text) or f'"{name}"' in text for text in contracts), name
