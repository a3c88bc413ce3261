"""Follow a log file that grows: goes on where it stopped, over rotation, truncation, copying and restarts."""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from penchant.collect.importer import CollectReport, Job, Source, Target, job_of, take
from penchant.collect.quarantine import Quarantine
from penchant.collect.sources.contract import Chunk, Place, SourceFile
from penchant.collect.sources.lines import Block, open_text, read_blocks
from penchant.errors import SourceError

_HEAD = 1024
"""Bytes at the start of a file by which it is known again after it was renamed, copied or packed."""
_QUIET = 3
"""Looks at a file that was rotated away, with nothing new in it, before it is done with: its writer may still hold it."""


class _Mark(msgspec.Struct, frozen=True):
    """What the log keeps of a file that is followed."""

    inode: int = 0
    head: str = ""
    head_size: int = 0
    changed_ns: int = 0
    place: Place = Place()


def follow(source: Source, target: Target, quarantine: Quarantine, wait: Callable[[], bool]) -> CollectReport:
    """Take every whole line that is appended to a file, until ``wait`` says no.

    With every chunk the target keeps which file it came from (inode, and a hash of its first bytes) and how far it was
    read. So it goes on after a restart, also when the file was rotated meanwhile: the rest of the old one is found
    beside it by its name and first bytes, plain or ``.gz``, then those between, then the new one from its start. A
    line counts once it ends. Event ids keep lines that are read twice from counting twice.

    Args:
        source: One file, in a format of lines: web logs and JSON lines.
        target: An ``Engine``.
        quarantine: Where refused and skipped rows go.
        wait: Called when there is nothing new; returns whether to look again.

    Raises:
        SourceError: When the source is not one plain file of lines.
    """
    started = time.perf_counter()
    before = Counter(quarantine.counts)
    jobs = _jobs(source)
    tails: list[_Tail] = []
    try:
        tails += (_Tail(job, target, quarantine) for job in jobs)
        while sum(tail.look() for tail in tails) or wait():
            pass
    finally:
        for tail in tails:
            tail.close()
    sums: dict[str, int] = dict(sum((tail.sums for tail in tails), Counter()))
    return CollectReport(
        source=source.name,
        **sums,  # type: ignore[arg-type]
        reasons=dict((Counter(quarantine.counts) - before).most_common()),
        gaps=sum(tail.gaps for tail in tails),
        seconds=time.perf_counter() - started,
        quarantine=quarantine.path,
    )


def _jobs(source: Source) -> list[Job]:
    jobs = []
    for role, part in source.mapping.parts():
        files = source.files_of(part)
        if len(files) > 1:
            names = ", ".join(file.name for file in files[:5])
            raise SourceError(f"one file can be followed, not {len(files)} ({names}); name the one that grows")
        job = job_of(role, part, files[0])
        if not hasattr(job.reader, "chunks_of") or files[0].member or files[0].name.endswith(".gz"):
            raise SourceError(f"{files[0]} cannot be followed; files of lines can, plain: jsonl, weblog")
        jobs.append(job)
    return jobs


class _Tail:
    """One file that is followed."""

    def __init__(self, job: Job, target: Target, quarantine: Quarantine) -> None:
        self._job, self._target, self._quarantine = job, target, quarantine
        self._reader: Any = job.reader
        self._path = job.file.path
        where = f"{self._path.absolute()}\0{job.role}{job.part.digest()}"
        self._key = "tail:" + hashlib.blake2b(where.encode(), digest_size=16).hexdigest()
        self._stream: IO[bytes] | None = None
        self._place = Place()
        self._quiet = 0
        self.sums: Counter[str] = Counter()
        self.gaps = 0
        kept = target.log.mark(self._key)
        self._last = msgspec.json.decode(kept, type=_Mark) if kept else None
        if self._last is not None:
            self._take_up(self._last)

    def look(self) -> bool:
        """Take what is new; return whether there was anything."""
        if self._stream is None and not self._open():
            return False
        stream = self._stream
        assert stream is not None  # noqa: S101 - for the type checker
        if self._last is not None and _was_truncated(stream, self._last):
            self._begin_anew()
            return self._open()
        news = self._read(stream, SourceFile(self._path), whole=False)
        if self._is_current(stream):
            self._quiet = 0
            return news
        self._quiet = 0 if news else self._quiet + 1
        if self._quiet < _QUIET:
            return news
        # Rotated, and nobody writes to the old one any more: its last line may lack its end.
        self._read(stream, SourceFile(self._path), whole=True)
        self._begin_anew()
        return self._open()

    def _open(self) -> bool:
        try:
            self._stream = self._path.open("rb")
        except FileNotFoundError:
            return False  # between two files
        except OSError as error:
            raise SourceError(f"cannot open {self._path}: {error.strerror or error}") from error
        self._quiet = 0
        if self._last is None:  # what is rotated away before it holds a line is known again too
            for chunk in self._reader.chunks_of(iter(()), Place()):
                self._take(chunk, self._stream)
        return True

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.close()
        self._stream, self._place = None, Place()

    def _begin_anew(self) -> None:
        """Leave the open file, and take what was written between it and the one that has its name now."""
        self.close()
        mark, self._last = self._last, None  # an inode may come again with another file
        if mark is not None:
            self._catch_up(mark)

    def _take_up(self, mark: _Mark) -> None:
        """Go on where an earlier run stopped."""
        if not self._open():
            self._catch_up(mark)
            return
        stream = self._stream
        assert stream is not None  # noqa: S101 - for the type checker
        if _stat(stream).st_ino == mark.inode and not _was_truncated(stream, mark):
            self._place = mark.place
        else:
            self._begin_anew()

    def _catch_up(self, mark: _Mark) -> None:
        """Read the rest of a file that was rotated away, and those between it and the one that grows now."""
        beside = sorted(self._beside(), key=lambda pair: pair[1].st_mtime_ns)
        old = next((pair for pair in beside if _is_same(pair[0], mark)), None)
        if old is not None:
            self._finish(old[0], mark.place)
            since = old[1].st_mtime_ns
        else:
            since = mark.changed_ns
            self.gaps += mark.place.byte > 0
        for path, stat in beside:
            if stat.st_mtime_ns >= since and (old is None or path != old[0]):
                self._finish(path, Place())
        self._place = Place()

    def _finish(self, path: Path, place: Place) -> None:
        file = SourceFile(path)
        self._place = place
        with open_text(file) as stream:
            self._read(stream, file, whole=True)

    def _beside(self) -> list[tuple[Path, os.stat_result]]:
        """Return the files whose names begin like that of the followed one, with their states."""
        live = self._path.stat().st_ino if self._path.exists() else None
        found = []
        for path in self._path.parent.glob(f"{_escaped(self._path.name)}[-._]*"):
            if path.suffix == ".gz" and path.with_suffix("").exists():
                continue  # is being packed just now
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            if path.is_file() and stat.st_ino != live:
                found.append((path, stat))
        return found

    def _read(self, stream: IO[bytes], file: SourceFile, *, whole: bool) -> bool:
        """Take lines from here to the end, with a last one that has no end only when the file is ``whole``."""
        started = self._place
        blocks = read_blocks(stream, file, started.byte)
        for chunk in self._reader.chunks_of(blocks if whole else _ended(blocks, stream, started.byte), started):
            if chunk.next != self._place:
                self._take(chunk, stream)
        return self._place != started

    def _take(self, chunk: Chunk, stream: IO[bytes]) -> None:
        self._last = _mark_of(stream, chunk.next, self._last)
        text = msgspec.json.encode(self._last).decode()
        self.sums.update(take(self._job, chunk, self._target, self._quarantine, (self._key, text)))
        self._place = chunk.next

    def _is_current(self, stream: IO[bytes]) -> bool:
        """Return whether the name still means the file that is open."""
        try:
            return self._path.stat().st_ino == _stat(stream).st_ino
        except FileNotFoundError:
            return False


def _was_truncated(stream: IO[bytes], mark: _Mark) -> bool:
    """Return whether the open file began anew since a mark that speaks of it."""
    stat = _stat(stream)
    if mark.inode != stat.st_ino:
        return False
    return bool(stat.st_size < mark.place.byte) or _hash(stream, mark.head_size) != mark.head


def _ended(blocks: Iterator[Block], stream: IO[bytes], byte: int) -> Iterator[Block]:
    """Yield blocks as long as their last line has an end."""
    for block in blocks:
        byte += block.size
        if not block.data.endswith(b"\n"):
            here = stream.tell()
            stream.seek(byte - 1)
            ends = block.wrong is not None and stream.read(1) == b"\n"
            stream.seek(here)
            if not ends:
                return
        yield block


def _mark_of(stream: IO[bytes], place: Place, last: _Mark | None) -> _Mark:
    stat = _stat(stream)
    size = min(_HEAD, place.byte)
    if last is not None and last.inode == stat.st_ino and last.head_size == size:
        return _Mark(stat.st_ino, last.head, size, stat.st_mtime_ns, place)
    here = stream.tell()
    head = _hash(stream, size)
    stream.seek(here)
    return _Mark(stat.st_ino, head, size, stat.st_mtime_ns, place)


def _hash(stream: IO[bytes], size: int) -> str:
    stream.seek(0)
    return hashlib.blake2b(stream.read(size), digest_size=16).hexdigest()


def _is_same(path: Path, mark: _Mark) -> bool:
    """Return whether a file begins like the one that a mark speaks of, and goes as far."""
    if not mark.head_size:
        return path.stat().st_ino == mark.inode
    try:
        with open_text(SourceFile(path)) as stream:
            return _hash(stream, mark.head_size) == mark.head and stream.seek(mark.place.byte) == mark.place.byte
    except (OSError, EOFError):
        return False


def _stat(stream: IO[bytes]) -> os.stat_result:
    return os.fstat(stream.fileno())


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
