"""Answers to a questionnaire: a table with a column a question, or JSON lines as the form sends them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import polars as pl
from pydantic import Field, model_validator

from penchant.clock import parse_moment, to_us
from penchant.collect.mapping import Reading
from penchant.collect.questionnaire import Questionnaire
from penchant.collect.sources.contract import SHOWN, BadLine, Chunk, Place, Reader, SourceFile, reader_options
from penchant.collect.sources.delimited import CsvReader
from penchant.collect.sources.jsonl import JsonlReader
from penchant.collect.visitors import Hiding, hidden
from penchant.errors import ConfigError, SourceError

_ROWS = 50_000
"""Events of a chunk: one sheet of answers makes many."""
COLUMNS: dict[str, pl.DataType] = {
    "type": pl.String(),
    "user_id": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "value": pl.Float64(),
    "text": pl.String(),
    "topics": pl.List(pl.String()),
    "purpose": pl.String(),
    "facts": pl.String(),
    "context": pl.String(),
}
_SENT = ("user_id", "at", "answers", "questionnaire", "version")


class SurveyConfig(Hiding):
    """Which questionnaire was answered, by whom and when."""

    hide: bool = False
    """Keep a keyed hash in place of what the file calls the user."""
    questionnaire: str = ""
    """A TOML file, or the name of a built-in questionnaire; needed."""
    user: str | None = None
    """CSV: column with the user. Left out, every line is somebody else, named ``NAME-LINE``."""
    at: str | None = None
    """CSV: when everybody answered, ISO 8601."""
    at_column: str | None = None
    """CSV: column with the moment, ISO 8601."""
    columns: dict[str, str] = Field(default={})
    """CSV: columns of questions that are not named by the id, ``id = "column"``."""

    @model_validator(mode="after")
    def _check(self) -> SurveyConfig:
        if self.at is not None:
            parse_moment(self.at)
        return self


class SurveyReader:
    """Sheets of answers, each told as the events that it makes.

    A file that ends in ``.jsonl`` has an object ``{"user_id", "at", "answers": {...}}`` a line; any other is a table.
    An answer that the question does not allow is put aside with its line; the others of the sheet are taken.
    """

    def __init__(self, file: SourceFile, how: Reading, columns: Sequence[str]) -> None:
        self._file = file
        self._wanted = columns
        self.config = reader_options(SurveyConfig, how)
        if not self.config.questionnaire:
            raise ConfigError(
                "read.options, questionnaire: say which was answered: a TOML file, or a built-in one by name"
            )
        self.questionnaire = Questionnaire.read(self.config.questionnaire)
        self._key = self.config.key()
        self._sent = file.format == "jsonl"
        plain = how.model_copy(update={"options": {}, "format": None})
        self._reader: Reader = (
            JsonlReader(file, plain, _SENT) if self._sent else CsvReader(file, plain, [*self._columns().values()])
        )

    def columns(self) -> list[str]:
        """Return what every answer is told as; see ``Reader.columns``."""
        given = self._reader.columns()
        if not self._sent:
            config = self.config
            if (config.at is None) == (config.at_column is None):
                raise SourceError(f"{self._file}: say when it was answered: read.options, either at or at_column")
            named = [config.user, config.at_column, *config.columns.values()]
            missing = next((name for name in named if name is not None and name not in given), None)
            if missing is not None:
                raise SourceError(f"{self._file} has no column {missing!r}; it has: {', '.join(given)[:500]}")
            if not any(self._columns()[question.id] in given for question in self.questionnaire.questions):
                raise SourceError(f"{self._file} has no column named like a question of {self.questionnaire.name}")
        return list(COLUMNS)

    def total(self) -> int | None:
        """Return None: only reading all of it would tell."""
        return None

    def chunks(self, start: Place) -> Iterator[Chunk]:
        """Yield chunks from a place on; see ``Reader.chunks``."""
        here = start
        for sheets in self._reader.chunks(start):
            gathered = _Gathered(list(sheets.bad))
            for line, sheet in zip(sheets.lines, sheets.frame.iter_rows(named=True), strict=True):
                self._add(gathered, line, sheet)
                if len(gathered.lines) >= _ROWS:  # broken off here, these sheets are read again and known by their ids
                    yield gathered.chunk(self._wanted, here, last=False)
                    gathered = _Gathered([])
            here = sheets.next
            yield gathered.chunk(self._wanted, here, last=sheets.last)

    def _columns(self) -> dict[str, str]:
        """Return the column of every question, of the user and of the moment."""
        questions = {one.id: self.config.columns.get(one.id, one.id) for one in self.questionnaire.questions}
        more = {" user": self.config.user, " at": self.config.at_column}
        return questions | {name: column for name, column in more.items() if column is not None}

    def _add(self, gathered: _Gathered, line: int, sheet: dict[str, Any]) -> None:
        shown = str({name: value for name, value in sheet.items() if value})[:SHOWN]
        told = self._sheet(line, sheet)
        if isinstance(told, str):
            gathered.bad.append(BadLine(line, told, shown))
            return
        user_id, at_us, answers = told
        events, wrong = self.questionnaire.events(user_id, answers, at_us)
        gathered.bad += (BadLine(line, reason, shown) for reason in wrong)
        for event in events:
            gathered.add(line, event)

    def _sheet(self, line: int, sheet: dict[str, Any]) -> tuple[str, int, dict[str, Any]] | str:
        """Return who answered what and when, or what is wrong with the sheet as a whole."""
        if self._sent:
            answers = _object(sheet.get("answers"))
            if answers is None:
                return "no answers, or not a JSON object of them"
            if sheet.get("questionnaire") not in (None, self.questionnaire.name):
                return "answers to another questionnaire"
            user, at = sheet.get("user_id"), sheet.get("at")
        else:
            columns = self._columns()
            answers = {one.id: sheet.get(columns[one.id]) for one in self.questionnaire.questions}
            user = sheet.get(self.config.user) if self.config.user else f"{self.questionnaire.name}-{line}"
            at = self.config.at or sheet.get(self.config.at_column or "")
        if user in (None, ""):
            return "no user"
        at_us = _moment(at)
        if at_us is None:
            return "the time cannot be read"
        name = str(user)
        return (hidden([name], self._key)[0] or "" if self._key else name), at_us, answers


class _Gathered:
    """Events of a chunk, as columns."""

    def __init__(self, bad: list[BadLine]) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self.lines: list[int] = []
        self.bad = bad

    def add(self, line: int, event: dict[str, Any]) -> None:
        for name, values in self.columns.items():
            value = event.get(name)
            values.append(msgspec.json.encode(value).decode() if isinstance(value, dict) else value)
        self.lines.append(line)

    def chunk(self, wanted: Sequence[str], here: Place, *, last: bool) -> Chunk:
        names = [name for name in COLUMNS if name in wanted]
        frame = pl.DataFrame(
            [pl.Series(name, self.columns[name], dtype=pl.Int64 if name == "at" else COLUMNS[name]) for name in names]
            or [pl.Series("", [None] * len(self.lines), dtype=pl.Null)]
        )
        if "at" in names:
            frame = frame.with_columns(pl.col("at").cast(COLUMNS["at"]))
        return Chunk(frame, pl.Series("line", self.lines, dtype=pl.Int64), tuple(self.bad), here, last)


def _moment(given: Any) -> int | None:
    """Return microseconds since 1970 of ISO 8601 text or of seconds, also as text; None for anything else."""
    for form in (str, float):
        try:
            return to_us(parse_moment(form(given)))
        except (TypeError, ValueError, OverflowError):
            continue
    return None


def _object(text: Any) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(text) if isinstance(text, str) else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
