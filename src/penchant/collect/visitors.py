"""Names of users that tell nobody who they are: a keyed hash of a login, cookie, header or address."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

import polars as pl
from pydantic import BaseModel, ConfigDict

from penchant.errors import ConfigError

KEY = "PENCHANT_USER_KEY"
MIN_KEY = 16
"""Bytes that a key has at least: shorter ones can be guessed."""


class Hiding(BaseModel):
    """Whether and how the ids of users are hidden."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hide: bool = True
    """Keep a keyed hash in place of what the file calls the user. False: keep it as it is."""
    key_from: str = KEY
    """Name of the environment variable that holds the key, at least 16 bytes. The same key gives the same users."""

    def key(self) -> bytes:
        """Return the key; empty when nothing is hidden.

        Raises:
            ConfigError: When it is missing or too short; the message does not show it.
        """
        if not self.hide:
            return b""
        key = os.environ.get(self.key_from, "").encode()
        if len(key) < MIN_KEY:
            problem = f"has {len(key)} bytes" if key else "is not set"
            raise ConfigError(
                f"{self.key_from} {problem}; it holds the key that hides who the users are, at least {MIN_KEY} bytes "
                '(python -c "import secrets; print(secrets.token_hex(32))"). '
                "Keep it: another key makes other users. To keep users as the file names them: hide = false"
            )
        return key


def hidden(names: Sequence[str | None], key: bytes) -> list[str | None]:
    """Return each name's keyed hash, 96 bits of BLAKE2b in 24 hexadecimal digits; null stays null.

    Without the key nobody can tell the name, not even by trying out all addresses.
    """
    return [
        None if name is None else hashlib.blake2b(name.encode(), key=key[:64], digest_size=12).hexdigest()
        for name in names
    ]


def hidden_series(names: pl.Series, key: bytes) -> pl.Series:
    """Return a column of names hidden by a key; as they are when the key is empty."""
    if not key:
        return names
    different = names.drop_nulls().unique()
    if different.is_empty():
        return names
    return names.replace_strict(different, pl.Series(hidden(different.to_list(), key), dtype=pl.String), default=None)


def line_ids(lines: Sequence[str], key: bytes) -> list[str]:
    """Return an id for each line: the same line, however often it is delivered and in which file, has the same one."""
    return [
        hashlib.blake2b(line.encode("utf-8", "surrogateescape"), key=key[:64], digest_size=16).hexdigest()
        for line in lines
    ]
