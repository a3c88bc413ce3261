"""Keys: who may call and what each may do. Only hashes are kept; a key is shown once, when it is made."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from penchant.clock import isoformat, now
from penchant.errors import ConfigError, FormatError, NotInstalledError, SourceError, UnknownNameError

ROLES = ("ingest", "read", "recommend", "admin")
"""What a key may do: write events; read profiles; ask for lists; everything."""
PREFIX = "penchant"
FORMAT = 1
_MEMORY_KIB, _ROUNDS = 19_456, 2
"""Cost of argon2id: the lower end of OWASP's advice; the keys are 256 random bits, no words to guess."""


class Key(msgspec.Struct, frozen=True):
    """A key as it is kept."""

    id: str
    hash: str
    roles: tuple[str, ...]
    created: str
    user_id: str | None = None
    note: str = ""


class _File(msgspec.Struct):
    version: int
    keys: list[Key]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the key's id, what it may do, and the one user it is confined to, if any."""

    id: str
    roles: frozenset[str]
    user_id: str | None = None

    def may(self, role: str) -> bool:
        """Return whether the caller has a role; an admin has all."""
        return role in self.roles or "admin" in self.roles


EVERYBODY = Caller("local", frozenset({"admin"}))
"""The caller where no key exists: somebody on this machine."""


class KeyStore:
    """Keys in a JSON file that only its owner can read. A change by another process is seen at the next request."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._keys: dict[str, Key] = {}
        self._seen: dict[bytes, Caller] = {}  # digest of a key that was verified -> its caller

    def every(self) -> list[Key]:
        """Return the keys, oldest first.

        Raises:
            FormatError: When the file is damaged.
            SourceError: When it cannot be read.
        """
        self._refresh()
        return list(self._keys.values())

    def _refresh(self) -> None:
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            if self._stamp is not None:
                self._stamp, self._keys, self._seen = None, {}, {}
            return
        except OSError as error:
            raise SourceError(f"cannot read the keys in {self.path}: {error.strerror}") from error
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp == self._stamp:
            return
        with self._lock:
            try:
                kept = msgspec.json.decode(self.path.read_bytes(), type=_File)
            except OSError as error:
                raise SourceError(f"cannot read the keys in {self.path}: {error.strerror}") from error
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise FormatError(f"{self.path} is no file of keys: {error}") from None
            if kept.version != FORMAT:
                raise FormatError(f"{self.path} is of version {kept.version}; this penchant knows {FORMAT}")
            self._keys, self._seen, self._stamp = {key.id: key for key in kept.keys}, {}, stamp

    def add(self, roles: Iterable[str], user_id: str | None = None, note: str = "") -> tuple[Key, str]:
        """Make a key; return what is kept, and the key itself, which nobody can show again.

        Raises:
            ConfigError: When there is no role, or an unknown one.
        """
        chosen = tuple(dict.fromkeys(roles))
        wrong = [role for role in chosen if role not in ROLES]
        if wrong or not chosen:
            raise ConfigError(f"no role {wrong[0]!r}" if wrong else "a key needs a role; known: " + ", ".join(ROLES))
        identity, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        key = Key(identity, _hasher().hash(secret), chosen, isoformat(now()), user_id, note)
        self._write([*self.every(), key])
        return key, f"{PREFIX}_{identity}_{secret}"

    def revoke(self, identity: str) -> Key:
        """Take a key away; return what was kept of it.

        Raises:
            UnknownNameError: When there is no such key.
        """
        kept = self.every()
        gone = [key for key in kept if key.id == identity]
        if not gone:
            raise UnknownNameError("key", identity, [key.id for key in kept])
        self._write([key for key in kept if key.id != identity])
        return gone[0]

    def _write(self, keys: list[Key]) -> None:
        text = json.dumps({"version": FORMAT, "keys": [msgspec.to_builtins(key) for key in keys]}, indent=2)
        draft = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}")
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text + "\n")
            draft.replace(self.path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise SourceError(f"cannot write the keys in {self.path}: {error.strerror}") from error
        self._refresh()

    def known(self, token: str) -> Caller | None:
        """Return the caller of a key that was verified before, quickly; None when it has to be verified."""
        self._refresh()
        return self._seen.get(_digest(token))

    def verify(self, token: str) -> Caller | None:
        """Return the caller of a key, None when there is no such key; slow on purpose."""
        self._refresh()
        prefix, _, rest = token.partition("_")
        identity, _, secret = rest.partition("_")
        key = self._keys.get(identity)
        if prefix != PREFIX or key is None or not _matches(key.hash, secret):
            return None
        caller = Caller(key.id, frozenset(key.roles), key.user_id)
        if self._keys.get(identity) is key:  # not revoked meanwhile
            self._seen[_digest(token)] = caller
        return caller


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _matches(kept: str, secret: str) -> bool:
    from argon2.exceptions import Argon2Error, InvalidHash

    try:
        return bool(_hasher().verify(kept, secret))
    except (Argon2Error, InvalidHash):
        return False


def _hasher() -> Any:
    try:
        from argon2 import PasswordHasher
    except ImportError as error:
        raise NotInstalledError("argon2-cffi", "pip install 'penchant[server]'") from error
    return PasswordHasher(time_cost=_ROUNDS, memory_cost=_MEMORY_KIB, parallelism=1)
