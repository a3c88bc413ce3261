"""A target that is real where it counts: an event log and the checks at the door."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl

from penchant.collect.log.memory import MemoryLog
from penchant.domain.event import Receipt, Refusal
from penchant.domain.row import Row
from penchant.process.validate import Limits
from penchant.process.validate_frame import fill_ids, prepare_frame, verdicts

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class LogTarget:
    """The way into an engine, without what an engine learns."""

    def __init__(self) -> None:
        self.log = MemoryLog()

    def ingest(
        self,
        events: pl.DataFrame,
        *,
        refused: Callable[[Refusal], None] | None = None,
        mark: tuple[str, str] | None = None,
    ) -> Receipt:
        prepared = prepare_frame(events, NOW)
        limits = Limits.around(NOW, timedelta(days=1), datetime(1970, 1, 1, tzinfo=UTC))
        reasons = verdicts(prepared, limits)
        lost = [(i, reason) for i, reason in enumerate(reasons) if reason is not None]
        for i, reason in lost:
            if refused:
                refused(Refusal(i, reason, ""))
        rows = [Row(*row) for row in fill_ids(prepared.filter(reasons.is_null())).rows()]
        accepted = int((self.log.append(rows) > 0).sum())
        if mark:
            self.log.set_mark(*mark)
        return Receipt(accepted, len(rows) - accepted, len(lost))

    def rows(self) -> pl.DataFrame:
        frames = list(self.log.read())
        return pl.concat(frames) if frames else pl.DataFrame(schema={"event_id": pl.String})
