"""What a reader of files must do: rows in chunks, each with its line, and what cannot be read beside them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, TypeVar

import msgspec
import polars as pl
from pydantic import BaseModel, ValidationError

from penchant.collect.mapping import Reading
from penchant.errors import ConfigError, SourceError

C = TypeVar("C", bound=BaseModel)
CHUNK_ROWS = 100_000
"""Rows of a chunk: what an engine takes in one transaction."""
CHUNK_BYTES = 64 << 20
"""A chunk of text also ends after so many bytes, so that long rows need no more memory than short ones."""
SHOWN = 2_048
"""Characters of a bad line that are kept."""
_EDGE = 65_536


class Place(msgspec.Struct, frozen=True):
    """Where to go on reading: how many rows, lines and bytes lie behind."""

    row: int = 0
    line: int = 0
    byte: int = 0
    """Of the text, unpacked."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no row: where it stands (from 1), why, and how it begins."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a file and the lines among them that are no rows."""

    frame: pl.DataFrame
    """The wanted columns, as far as the file has them."""
    lines: pl.Series
    """Line of the file where each row begins, from 1."""
    bad: tuple[BadLine, ...]
    next: Place
    last: bool


def reader_options(config: type[C], how: Reading) -> C:
    """Return a reader's Config filled from ``read.options``.

    Raises:
        ConfigError: When an option is unknown or out of range.
    """
    try:
        return config(**how.options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "as a whole"
        known = ", ".join(config.model_fields)
        raise ConfigError(f"read.options, {where}: {first['msg']}; known options: {known}") from error


class Reader(Protocol):
    """Reads one file; ``penchant.collect.READERS`` names one class a format."""

    def __init__(self, file: SourceFile, how: Reading, columns: Sequence[str]) -> None:
        """Keep what to read; ``columns`` are those wanted, of which the file may lack some."""
        ...

    def columns(self) -> list[str]:
        """Return the names of the file's columns; for formats without a header, those of the first rows.

        Raises:
            SourceError: When the file cannot be read.
        """
        ...

    def total(self) -> int | None:
        """Return how many rows there are, None when only reading it all would tell."""
        ...

    def chunks(self, start: Place) -> Iterator[Chunk]:
        """Yield chunks from a place on; there is always a last one, if need be without rows.

        Raises:
            SourceError: When the file cannot be read, or not to its end.
        """
        ...


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file on disk, or a member of a zip archive (a wheel is one)."""

    path: Path
    member: str | None = None

    @property
    def name(self) -> str:
        """Return the file's name without the folders."""
        return (self.member or str(self.path)).replace("\\", "/").rpartition("/")[2]

    @property
    def format(self) -> str:
        """Return the format that the name ends in, ``.gz`` aside."""
        return self.name.lower().removesuffix(".gz").rpartition(".")[2]

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Yield the bytes, as they lie there.

        Raises:
            SourceError: When there is no such file, or it cannot be opened.
        """
        with ExitStack() as stack:
            try:
                if self.member is None:
                    stream: IO[bytes] = stack.enter_context(self.path.open("rb"))
                else:
                    archive = stack.enter_context(zipfile.ZipFile(self.path))
                    stream = stack.enter_context(archive.open(self.member))
            except (OSError, zipfile.BadZipFile, KeyError) as error:
                raise SourceError(f"cannot open {self}: {getattr(error, 'strerror', None) or error}") from error
            yield stream

    def fingerprint(self) -> str:
        """Return a hash of name, size, and the first and last 64 KB; the folder does not matter."""
        with self.open() as stream:
            size = stream.seek(0, io.SEEK_END)
            stream.seek(0)
            edges = stream.read(_EDGE)
            stream.seek(max(0, size - _EDGE))
            edges += stream.read(_EDGE)
        return hashlib.blake2b(f"{self.name}\0{size}\0".encode() + edges, digest_size=16).hexdigest()

    def __str__(self) -> str:
        return str(self.path) if self.member is None else f"{self.path}!{self.member}"
