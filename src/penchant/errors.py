"""Every error that penchant raises on purpose.

* PenchantError
  + ConfigError (ValueError)           a setting is missing, unknown or out of range
  + NotInstalledError (ImportError)    an optional part is needed; the message says what to install
  + UnknownNameError (LookupError)     no component, data set or strategy of that name; known names are listed
  + EventError (ValueError)            an event, or a frame of events, cannot be taken
  + SourceError (OSError)              a file or data set cannot be read
  + StorageError (OSError)             the event log or a state cannot be read or written
    - LogLockedError                   another process owns the log
  + NotFittedError (RuntimeError)      a model was asked before it was fitted
  + FormatError (ValueError)           saved bytes are damaged or from an unknown version
"""

from __future__ import annotations

from collections.abc import Iterable


class PenchantError(Exception):
    """Base of every error raised on purpose."""


class ConfigError(PenchantError, ValueError):
    """A setting is missing, unknown or out of range."""


class NotInstalledError(PenchantError, ImportError):
    """An optional part is needed that is not installed."""

    def __init__(self, what: str, install: str) -> None:
        super().__init__(f"{what} is not installed; install it with: {install}")
        self.what = what
        self.install = install


class UnknownNameError(PenchantError, LookupError):
    """There is nothing of that kind under that name."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        self.known = tuple(sorted(known))
        super().__init__(f"no {kind} named {name!r}; known: {', '.join(self.known) or 'none'}")


class EventError(PenchantError, ValueError):
    """An event, or a frame of events, cannot be taken."""


class SourceError(PenchantError, OSError):
    """A file or data set cannot be read."""


class StorageError(PenchantError, OSError):
    """The event log or a state cannot be read or written."""


class LogLockedError(StorageError):
    """Another process owns the log."""


class NotFittedError(PenchantError, RuntimeError):
    """A model was asked before it was fitted."""


class FormatError(PenchantError, ValueError):
    """Saved bytes are damaged, or come from an unknown version."""
