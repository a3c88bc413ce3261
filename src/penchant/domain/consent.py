"""What users agree to: the purposes there are, and the newest word on each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, get_args

Purpose: TypeAlias = Literal[
    "collect",  # keep what the user does; refused: events are refused at the door
    "personalise",  # use it to recommend; refused: the user is answered like a stranger
    "share",  # hand it on to others; refused: exports for others leave the user out
    "research",  # study it; refused: exports for research leave the user out
]

NO_CONSENT = "the user does not agree to collect"
"""Why an event is refused; nothing of such an event is shown or kept anywhere."""
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


@dataclass(frozen=True, slots=True)
class Consent:
    """A user's newest word on a purpose, for one source or for all of them."""

    purpose: str
    source: str | None
    """Of the data, as ``context.source`` of the events says; None: of any."""
    given: bool
    at: datetime
    version: str | None = None
    """Of the text that the user was shown."""
    text: str | None = None
    """The text itself, or where it lies."""
    evidence: str | None = None
    """How it is known: the form, the log of the call, the number of a letter."""
    default: bool = False
    """Nothing was said; this is what the settings say."""
