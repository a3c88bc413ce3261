"""For tests of one's own parts: contract suites to inherit, a clock to set, a toy log with a known truth.

The suites need pytest; nothing else here or elsewhere in penchant does.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penchant.testing.clock import SettableClock
    from penchant.testing.learner_contract import LearnerContract
    from penchant.testing.log_contract import EventLogContract
    from penchant.testing.model_contract import ItemModelContract
    from penchant.testing.source_contract import SourceContract
    from penchant.testing.toy import ToyLog, as_rows, toy_log

_HOME = {
    "EventLogContract": "log_contract",
    "ItemModelContract": "model_contract",
    "LearnerContract": "learner_contract",
    "SettableClock": "clock",
    "SourceContract": "source_contract",
    "ToyLog": "toy",
    "as_rows": "toy",
    "toy_log": "toy",
}

__all__ = [
    "EventLogContract",
    "ItemModelContract",
    "LearnerContract",
    "SettableClock",
    "SourceContract",
    "ToyLog",
    "as_rows",
    "toy_log",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name in _HOME:
        return getattr(import_module(f"penchant.testing.{_HOME[name]}"), name)
    raise AttributeError(f"module 'penchant.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
