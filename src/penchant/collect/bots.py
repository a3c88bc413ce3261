"""Which user agents are robots: by the list of the package crawler-user-agents, each different one looked up once."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from penchant.errors import NotInstalledError

_KEPT = 100_000
_AT_ONCE = 50
"""Patterns tried in one regular expression: more of them in one get slower, not faster."""
_LONGEST = 2_000


class Bots:
    """Tells robots by their user agent; a client that names none is one too."""

    def __init__(self, more: Sequence[str] = ()) -> None:
        self._more = re.compile("|".join(f"(?:{one})" for one in more)) if more else None
        patterns = _listed()
        self._listed = [
            "|".join(f"(?:{one})" for one in patterns[i : i + _AT_ONCE]) for i in range(0, len(patterns), _AT_ONCE)
        ]
        self._known: dict[str, bool] = {"": True, "-": True}

    def are(self, agents: pl.Series) -> pl.Series:
        """Return which of a column of user agents are robots; ``-`` and "" name none, null is not known."""
        if len(self._known) > _KEPT:
            self._known = {"": True, "-": True}
        different = agents.drop_nulls().unique()
        new = different.filter(pl.Series([one not in self._known for one in different], dtype=pl.Boolean))
        self._known.update(zip(new, self._look(new), strict=True))
        if different.is_empty():
            return pl.Series([False] * agents.len(), dtype=pl.Boolean)
        verdicts = pl.Series([self._known[one] for one in different], dtype=pl.Boolean)
        return agents.replace_strict(different, verdicts, default=False)

    def _look(self, agents: pl.Series) -> list[bool]:
        shown = agents.str.slice(0, _LONGEST)
        found = pl.Series([False] * agents.len(), dtype=pl.Boolean)
        for pattern in self._listed if agents.len() else ():
            try:
                found |= shown.str.contains(pattern)
            except pl.exceptions.ComputeError:  # a pattern that only Python's regular expressions know
                found |= pl.Series([re.search(pattern, one) is not None for one in shown], dtype=pl.Boolean)
        more = self._more
        return [
            bot or (more is not None and more.search(one) is not None) for bot, one in zip(found, shown, strict=True)
        ]


def _listed() -> list[str]:
    try:
        from crawleruseragents import CRAWLER_USER_AGENTS_DATA
    except ImportError as error:
        raise NotInstalledError(
            "the list of robots (crawler-user-agents)", "pip install 'penchant[weblogs]'"
        ) from error
    return [str(one["pattern"]) for one in CRAWLER_USER_AGENTS_DATA]
