"""The server's log: one JSON object a line on stderr, without ids of users, keys, or anything that callers sent."""

from __future__ import annotations

import logging
import sys
import traceback

import msgspec

from penchant.clock import isoformat, now

FIELDS = ("request_id", "method", "route", "status", "ms", "key", "action", "events", "task", "error", "where")
"""What a line may hold beside ``at``, ``level`` and ``message``; all else is left out."""
LOG = logging.getLogger("penchant.server")


class Lines(logging.Formatter):
    """Formats a record as one JSON object. Of an exception only its type and the places in the code are told."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "at": isoformat(now()),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}
        if record.exc_info and record.exc_info[1] is not None:
            line |= told(record.exc_info[1])
        return msgspec.json.encode(line).decode()


def told(error: BaseException) -> dict[str, object]:
    """Return the type of an error and where it happened; its message may hold what somebody sent."""
    places = traceback.extract_tb(error.__traceback__)
    inside = [f"{place.filename.rpartition('penchant/')[2]}:{place.lineno}" for place in places]
    return {"error": type(error).__name__, "where": inside[-8:]}


def set_up() -> None:
    """Send the server's lines, and those of uvicorn that are not about single requests, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    for name, level in (("penchant.server", logging.INFO), ("uvicorn", logging.WARNING), ("nicegui", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
