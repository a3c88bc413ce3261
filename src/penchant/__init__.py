"""penchant: live, dated, explainable interest profiles, and recommendations from them.

>>> from penchant import Engine
>>> engine = Engine.open()
>>> engine.ingest({"type": "item", "item_id": "t1", "title": "Green tea", "topics": ["tea"], "at": "2026-01-01"}).accepted
1
>>> engine.ingest({"type": "purchase", "user_id": "ann", "item_id": "t1", "at": "2026-01-02"}).accepted
1
>>> engine.interests("ann", at="2026-01-03")[0].topic
'tea'
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penchant.config import Settings
    from penchant.domain.event import Event, Receipt
    from penchant.engine import Engine
    from penchant.errors import PenchantError

__version__ = "0.1.0"

_HOME = {
    "Engine": "penchant.engine",
    "Event": "penchant.domain.event",
    "PenchantError": "penchant.errors",
    "Receipt": "penchant.domain.event",
    "Settings": "penchant.config",
}

__all__ = ["Engine", "Event", "PenchantError", "Receipt", "Settings", "__version__"]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that ``import penchant`` stays quick."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'penchant' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
