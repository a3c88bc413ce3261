"""Events of several callers in one commit and one fold, each caller with a receipt of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from penchant.domain.consent import NO_CONSENT
from penchant.domain.event import Event, Receipt, Refusal
from penchant.domain.row import Row
from penchant.errors import EventError
from penchant.loop.fold import Ledger
from penchant.math.arrays import BoolArray

SHOWN = 500
"""Characters of a refused event that its receipt shows."""


def take_together(
    groups: Sequence[Iterable[Event | Mapping[str, Any]]],
    ledger: Ledger,
    check: Callable[[Event | Mapping[str, Any]], Row],
    label: Callable[[Sequence[Row]], Sequence[Row]],
    admits: Callable[[Sequence[Row]], BoolArray],
) -> list[Receipt]:
    """Return the receipt of every group; what each holds is as if the groups had come one after the other.

    Args:
        groups: Events by caller.
        ledger: Where they go.
        check: Returns an event as a row, or raises ``EventError``.
        label: Called under the writers' lock just before the append; see ``Ledger.append``.
        admits: Likewise; returns which rows may be appended.
    """
    rows: list[Row] = []
    owner: list[int] = []
    places: list[int] = []
    refusals: list[list[Refusal]] = [[] for _ in groups]
    for number, group in enumerate(groups):
        for place, event in enumerate(group):
            try:
                rows.append(check(event))
                owner.append(number)
                places.append(place)
            except EventError as error:
                refusals[number].append(Refusal(place, str(error), shown(event)))
    if not rows:
        return [receipt_of(0, 0, 0, mine) for mine in refusals]
    # The catalogue first, so that a batch may bring items and what was done with them.
    order = sorted(range(len(rows)), key=lambda i: rows[i][1] != "item")
    owners = np.array([owner[i] for i in order])
    position, late = ledger.append([rows[i] for i in order], label, admits=admits)
    for i in np.flatnonzero(position < 0).tolist():
        refusals[owners[i]].append(Refusal(places[order[i]], NO_CONSENT, ""))
    given, new, behind = (
        np.bincount(owners[chosen], minlength=len(groups)).tolist() for chosen in (position >= 0, position > 0, late)
    )
    return [
        receipt_of(new[number], given[number] - new[number], behind[number], refusals[number])
        for number in range(len(groups))
    ]


def receipt_of(accepted: int, duplicates: int, late: int, refusals: Sequence[Refusal]) -> Receipt:
    """Return a receipt with the refusals counted by reason, the first 100 shown."""
    reasons: dict[str, int] = {}
    for refusal in refusals:
        reasons[refusal.reason] = reasons.get(refusal.reason, 0) + 1
    return Receipt(accepted, duplicates, len(refusals), late, reasons, tuple(refusals[:100]))


def shown(given: object) -> str:
    """Return what was given, shortened."""
    try:
        return repr(given)[:SHOWN]
    except (ValueError, RecursionError):  # whole numbers of thousands of digits refuse to be shown
        return f"<{type(given).__name__}>"
