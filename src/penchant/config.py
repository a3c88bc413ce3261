"""Settings of an engine: one TOML file, environment variables over it, the resolved whole hashed into every result."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from penchant.clock import parse_moment
from penchant.errors import ConfigError, SourceError

C = TypeVar("C", bound=BaseModel)


class Settings(BaseModel):
    """Settings of an engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = "memory"
    """Where the log and the states live: ``memory``, ``sqlite:///file.db``, ``postgresql+psycopg://user@host/name`` or
    ``parquet:///folder``."""
    durability: Literal["default", "full"] = "default"
    """SQLite only. ``default``: an acknowledged event survives a killed process; ``full``: also a power cut."""
    clock_tolerance: timedelta = timedelta(days=1)
    """How far in the future an event may lie before it is refused."""
    earliest: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    """Events before this moment are refused; without a time zone UTC is meant."""
    checkpoint_events: int = Field(default=10_000, ge=1)
    """States are written out step by step once so many events wait; a restart replays about as many."""
    seed: int = 0
    """Seed of everything random (sampling in ``fit``)."""
    components: dict[str, dict[str, Any]] = {}
    """Options by component name, checked by the component's own Config: ``[components.tracker]``, ``[components.item_knn]``."""

    @field_validator("earliest")
    @classmethod
    def _in_utc(cls, moment: datetime) -> datetime:
        return parse_moment(moment)

    @classmethod
    def load(cls, path: str | Path | None = None, **overrides: Any) -> Settings:
        """Return settings from a TOML file; environment variables come over it, keyword overrides over both.

        ``PENCHANT_URL``, ``PENCHANT_DURABILITY``, ``PENCHANT_SEED`` … set the plain settings by name; components are set
        in the file only.

        Raises:
            SourceError: When the file cannot be read.
            ConfigError: When a setting is unknown or out of range.
        """
        given: dict[str, Any] = {}
        if path is not None:
            try:
                given = tomllib.loads(Path(path).read_text(encoding="utf-8"))
            except OSError as error:
                raise SourceError(f"cannot read settings {path}: {error.strerror or error}") from error
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise ConfigError(f"{path} is not TOML: {error}") from error
        plain = (name for name in cls.model_fields if name != "components")
        environment = {name: value for name in plain if (value := os.environ.get(f"PENCHANT_{name.upper()}"))}
        try:
            return cls(**{**given, **environment, **overrides})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ConfigError(f"setting {where!r}: {first['msg']}; known: {', '.join(cls.model_fields)}") from error

    def digest(self) -> str:
        """Return a hash of the resolved settings, 12 hexadecimal digits; where the data lies does not enter."""
        content = msgspec.json.encode(self.model_dump(mode="json", exclude={"url"}), order="sorted")
        return hashlib.blake2b(content, digest_size=6).hexdigest()


def component_config(config: type[C], given: Mapping[str, Mapping[str, Any]], name: str) -> C:
    """Return a component's Config filled from ``Settings.components``.

    Raises:
        ConfigError: When an option is unknown or out of range.
    """
    try:
        return config(**given.get(name, {}))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in ("components", name, *first["loc"]))
        raise ConfigError(f"{where}: {first['msg']}; known: {', '.join(config.model_fields)}") from error
