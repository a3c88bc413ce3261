"""Bring files into an engine, chunk by chunk, with an account of every row; may be broken off."""

from __future__ import annotations

import fnmatch
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec
import polars as pl

from penchant.collect import READERS
from penchant.collect.mapping import Mapping, Part, Role
from penchant.collect.mapping_frame import check_columns, map_frame
from penchant.collect.one_per import one_per
from penchant.collect.quarantine import Quarantine, row_texts
from penchant.collect.sources.contract import Chunk, Place, Reader, SourceFile
from penchant.domain.consent import NO_CONSENT
from penchant.domain.event import Receipt, Refusal
from penchant.errors import SourceError

Progress = Callable[[int, int | None], None]
"""Called after every chunk with the rows done and the rows there are (None: not known before the end)."""


class Marks(Protocol):
    """Texts kept under a name; an ``EventLog`` is one."""

    def mark(self, name: str) -> str | None:
        """Return the text last kept under a name."""
        ...


class Target(Protocol):
    """Takes events; an ``Engine`` is one."""

    @property
    def log(self) -> Marks:
        """Return what keeps the marks."""
        ...

    def ingest(
        self,
        events: pl.DataFrame,
        /,
        *,
        refused: Callable[[Refusal], None] | None = None,
        mark: tuple[str, str] | None = None,
    ) -> Receipt:
        """Take events and keep the mark in the same transaction."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """Files, and the mapping that says what they tell."""

    name: str
    mapping: Mapping
    files: tuple[SourceFile, ...]
    where: str

    def files_of(self, part: Part) -> list[SourceFile]:
        """Return the files that a part of the mapping reads, by name.

        Raises:
            SourceError: When there is none.
        """
        found = [file for file in self.files if fnmatch.fnmatchcase(file.name, part.file)]
        if not found:
            there = ", ".join(sorted(file.name for file in self.files)[:20]) or "nothing"
            raise SourceError(f"no file {part.file!r} in {self.where}; there is: {there}")
        return sorted(found, key=lambda file: file.name)


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What became of every row read: ``read == accepted + duplicates + refused + skipped``."""

    source: str
    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    """Events whose id was there already."""
    refused: int = 0
    """Lines that are no rows, and rows that are no good events."""
    skipped: int = 0
    """Rows that the mapping leaves out on purpose."""
    late: int = 0
    """Accepted events that happened before one already known."""
    reasons: dict[str, int] = field(default_factory=dict)
    """How many rows were refused or skipped, by reason."""
    already: tuple[str, ...] = ()
    """Files that an earlier run had finished; none of their rows is counted here."""
    gaps: int = 0
    """Times that a followed file was gone when its rest was to be read: lines may be missing."""
    seconds: float = 0.0
    quarantine: Path | None = None
    """Where the rows are that were refused or skipped."""


class _Mark(msgspec.Struct, frozen=True):
    """What the log keeps of an import."""

    next: Place = Place()
    done: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One file to read for one part of the mapping."""

    role: Role
    part: Part
    file: SourceFile
    reader: Reader
    key: str


def collect(source: Source, target: Target, quarantine: Quarantine, progress: Progress | None = None) -> CollectReport:
    """Read every file of a source into a target: items first, then topics, users, and events.

    After each chunk the target keeps, together with the events, where to go on: broken off at any moment, the
    next call takes up there, and a file that was finished is passed over. A changed file is read anew; event ids
    keep what was taken before from counting twice.

    Args:
        source: From ``open_dataset``.
        target: An ``Engine``.
        quarantine: Where refused and skipped rows go.
        progress: What it raises breaks the import off.

    Raises:
        SourceError: When a file is missing, damaged, or does not fit the mapping; every file is looked at before
            the first is read.
    """
    started = time.perf_counter()
    before = Counter(quarantine.counts)
    jobs = [job_of(role, part, file) for role, part in source.mapping.parts() for file in source.files_of(part)]
    # The topics are made of a file that the items are read from too; they are few, and progress leaves them out.
    totals = [None if job.part.one_per else job.reader.total() for job in jobs if job.role != "topics"]
    total = None if None in totals else sum(rows or 0 for rows in totals)
    sums: Counter[str] = Counter()
    already: list[str] = []
    behind = 0
    for job in jobs:
        kept = target.log.mark(job.key)
        mark = msgspec.json.decode(kept, type=_Mark) if kept else _Mark()
        if mark.done:
            already.append(job.file.name)
        for chunk in () if mark.done else _chunks(job, mark.next):
            mark = _Mark(chunk.next, chunk.last)
            sums.update(take(job, chunk, target, quarantine, (job.key, msgspec.json.encode(mark).decode())))
            if progress is not None and job.role != "topics":
                progress(behind + mark.next.row, total)
        behind += mark.next.row if job.role != "topics" else 0
    return CollectReport(
        source=source.name,
        **sums,
        reasons=dict((Counter(quarantine.counts) - before).most_common()),
        already=tuple(dict.fromkeys(already)),
        seconds=time.perf_counter() - started,
        quarantine=quarantine.path,
    )


def open_reader(part: Part, file: SourceFile) -> Reader:
    """Return the reader for a file's format.

    Raises:
        UnknownNameError: When there is none for it.
    """
    reader: Reader = READERS[part.read.format or file.format](file, part.read, part.used_columns())
    return reader


def job_of(role: Role, part: Part, file: SourceFile) -> Job:
    """Return what reads a file for a part; ``SourceError`` when the file does not fit the part."""
    reader = open_reader(part, file)
    check_columns(part, reader.columns(), file.name)
    key = hashlib.blake2b(f"{file.fingerprint()}{role}{part.digest()}".encode(), digest_size=16).hexdigest()
    return Job(role, part, file, reader, f"import:{key}")


def _chunks(job: Job, start: Place) -> Iterator[Chunk]:
    return one_per(job.part, job.reader, start) if job.part.one_per else job.reader.chunks(start)


def take(job: Job, chunk: Chunk, target: Target, quarantine: Quarantine, mark: tuple[str, str]) -> dict[str, int]:
    """Bring one chunk into the target, with a mark; return the counts for the report."""
    name = job.file.name
    mapped = map_frame(job.part, job.role, chunk.frame, name)
    for bad in chunk.bad:
        quarantine.add(name, bad.line, bad.reason, bad.text)
    texts: list[pl.Series] = []

    def text_of(rows: pl.Series) -> pl.Series:
        if not texts:  # most chunks never need them
            texts.append(row_texts(chunk.frame))
        return texts[0].gather(rows)

    kept = mapped.skipped
    if silent := [rule.reason for rule in job.part.skip if not rule.keep]:
        quiet = kept.is_in(silent)
        for reason, count in kept.filter(quiet).value_counts().iter_rows():
            quarantine.count(reason, count)
        kept = pl.select(pl.when(~quiet).then(kept)).to_series()
    for reasons in (kept, mapped.refused):
        rows = reasons.is_not_null().arg_true()
        if rows.len():
            lost = {"line": chunk.lines.gather(rows), "reason": reasons.gather(rows), "row": text_of(rows)}
            quarantine.add_frame(name, pl.DataFrame(lost))

    def refused(refusal: Refusal) -> None:
        row = mapped.rows.slice(refusal.row, 1)
        # Who does not agree to be kept is not kept here either.
        text = "" if refusal.reason == NO_CONSENT else text_of(row)[0]
        quarantine.add(name, chunk.lines[int(row[0])], refusal.reason, text)

    receipt = target.ingest(mapped.events, refused=refused, mark=mark)
    return {
        "read": chunk.frame.height + len(chunk.bad),
        "accepted": receipt.accepted,
        "duplicates": receipt.duplicates,
        "refused": receipt.refused + len(chunk.bad) + mapped.refused.count(),
        "skipped": mapped.skipped.count(),
        "late": receipt.late,
    }
