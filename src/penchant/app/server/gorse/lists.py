"""Lists as Gorse gives them: without what is hidden, deleted or read; by category; from an offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from penchant.app.server.gorse.objects import gone
from penchant.app.server.gorse.rows import rows_of_user
from penchant.clock import parse_moment
from penchant.engine import Engine
from penchant.errors import UnknownNameError

MOST = 1000
"""Length of a list at most."""


class Score(msgspec.Struct, rename="pascal"):
    """An item or user with its score."""

    id: str
    score: float


class Lists:
    """Answers lists from an engine. Knows which items are not to be shown, and follows the catalogue."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._unseen: set[str] = set()
        self._begun = False

    def _watch(self, learner: str, changed: Mapping[str, Any]) -> None:
        if learner == "catalog":
            for item_id, item in changed.items():
                if item is not None and (gone(item) or item.attributes.get("hidden")):
                    self._unseen.add(item_id)
                else:
                    self._unseen.discard(item_id)

    @property
    def unseen(self) -> set[str]:
        """Return the items that are hidden or deleted."""
        if not self._begun:
            with self._engine.ledger.locked():
                self._watch("catalog", self._engine.ledger.states.every("catalog"))
                if not self._begun:
                    self._engine.ledger.watchers.append(self._watch)
                self._begun = True
        return self._unseen

    def read_by(self, user_id: str) -> set[str]:
        """Return the items that a user has dealt with by now."""
        now = datetime.fromtimestamp(self._engine.now(), tz=parse_moment(0).tzinfo)
        rows = rows_of_user(self._engine, user_id).values() if user_id else ()
        return {row.item_id for row in rows if parse_moment(row.updated) <= now}

    def recommend(
        self,
        user_id: str,
        categories: Sequence[str],
        n: int,
        offset: int = 0,
        strategy: str | None = None,
        without: set[str] | None = None,
    ) -> list[Score]:
        """Return a list for a user; ``without``: items to leave out beside the hidden ones."""
        wanted = min(n + offset, MOST)
        exclude = self.unseen | (without or set())
        # Quotes and backslashes of a category are letters of it.
        quoted = [category.replace("\\", "\\\\").replace('"', '\\"') for category in categories if category]
        rule = " and ".join(f'topic = "{one}"' for one in quoted) or None
        try:
            found = self._engine.recommend(user_id, max(1, wanted), exclude=exclude, strategy=strategy, filter=rule)
        except UnknownNameError:
            if rule is None:
                raise
            return []  # nothing is of that category
        return [Score(one.item_id, one.score) for one in found][offset : offset + n]

    def like_item(self, item_id: str, categories: Sequence[str], n: int, offset: int, without: set[str]) -> list[Score]:
        """Return items like one."""
        found = self._engine.similar_items(item_id, min(MOST, n + offset + len(self.unseen) + len(without)))
        return self._shown([(one.item_id, one.score) for one in found], categories, without)[offset : offset + n]

    def like_user(self, user_id: str, n: int, offset: int) -> list[Score]:
        """Return users like one."""
        found = self._engine.similar_users(user_id, min(MOST, n + offset))
        return [Score(one.user_id, one.similarity) for one in found][offset : offset + n]

    def session(self, item_ids: Sequence[str], categories: Sequence[str], n: int, offset: int) -> list[Score]:
        """Return what is like the items of a session, by the sum of their scores."""
        total: dict[str, float] = {}
        for item_id in dict.fromkeys(item_ids):
            for one in self._engine.similar_items(item_id, 100):
                total[one.item_id] = total.get(one.item_id, 0.0) + one.score
        best = sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))
        return self._shown(best, categories, set(item_ids))[offset : offset + n]

    def _shown(self, found: Sequence[tuple[str, float]], categories: Sequence[str], without: set[str]) -> list[Score]:
        wanted = {category for category in categories if category}
        hidden = self.unseen | without
        return [
            Score(item_id, score)
            for item_id, score in found
            if item_id not in hidden and wanted <= set(self._engine.item(item_id).topics)
        ]
