"""Lines of a text file, plain or gzip, in blocks of whole lines, with a limit to the length of a line."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple, cast

from penchant.collect.sources.contract import SourceFile
from penchant.errors import SourceError

MAX_LINE = 16 << 20
"""Bytes of a line, give or take a block; a longer one is no row, and only its beginning is kept."""
_BLOCK = 256 << 10
_KEPT = 4096
_MARK = b"\xef\xbb\xbf"


class Block(NamedTuple):
    """Whole lines, and the bytes that they take in the file; ``wrong`` for a single line that is too long."""

    data: bytes
    size: int
    wrong: str | None = None


class Line(NamedTuple):
    """A line as text, the bytes that it takes in the file, and what is wrong with it (None: nothing)."""

    text: str
    size: int
    wrong: str | None = None


@contextmanager
def open_text(file: SourceFile) -> Iterator[IO[bytes]]:
    """Yield the bytes of a text file, unpacked when its name ends in ``.gz``.

    Raises:
        SourceError: When it cannot be opened.
    """
    with file.open() as stream:
        if file.name.lower().endswith(".gz"):
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield cast(IO[bytes], unpacked)
        else:
            yield stream


def read_blocks(stream: IO[bytes], file: SourceFile, byte: int = 0) -> Iterator[Block]:
    """Yield the lines from a byte on, in blocks; a byte order mark at the start of the file is passed over.

    Raises:
        SourceError: When a packed file is damaged or ends too early.
    """
    try:
        stream.seek(0)
        mark = len(_MARK) if byte == 0 and stream.read(len(_MARK)) == _MARK else 0
        stream.seek(byte + mark)
        rest = bytearray()
        while data := stream.read(_BLOCK):
            cut = data.rfind(b"\n") + 1
            rest += data[:cut] or data
            if cut:
                yield Block(bytes(rest), len(rest) + mark)
                rest, mark = bytearray(data[cut:]), 0
            elif len(rest) > MAX_LINE:
                size = len(rest)
                while (more := stream.readline(_BLOCK)) and not more.endswith(b"\n"):
                    size += len(more)
                wrong = f"a line of more than {MAX_LINE:,} bytes"
                yield Block(bytes(rest[:_KEPT]), size + len(more) + mark, wrong)
                rest, mark = bytearray(), 0
        if rest:
            yield Block(bytes(rest), len(rest) + mark)
    except (EOFError, zlib.error, OSError) as error:
        raise SourceError(
            f"{file} cannot be read to its end: {error}; what came before may have been taken already. "
            "Get the whole file and import it again"
        ) from error


def codec(encoding: str) -> str:
    """Return what Python calls an encoding; the byte order mark is dealt with already."""
    return "utf-8" if encoding == "utf-8-sig" else encoding


def lines_of(block: Block, encoding: str) -> list[Line]:
    """Return the block's lines as text; bytes that are no text are replaced, and the line says so."""
    lines: list[Line] = []
    passed_over = block.size - len(block.data)
    for raw in io.BytesIO(block.data).readlines():
        try:
            text, wrong = raw.decode(codec(encoding)), block.wrong
        except UnicodeDecodeError:
            text, wrong = (
                raw.decode(codec(encoding), "replace"),
                block.wrong or f"bytes that are not {encoding}",
            )
        lines.append(Line(text, len(raw) + passed_over, wrong))
        passed_over = 0
    return lines


def read_lines(stream: IO[bytes], file: SourceFile, encoding: str, byte: int = 0) -> Iterator[Line]:
    """Yield the lines from a byte on; see ``read_blocks``."""
    for block in read_blocks(stream, file, byte):
        yield from lines_of(block, encoding)
