"""The mapping language: how the columns of somebody's files become events, written in TOML.

A mapping has tables ``[[items]]``, ``[[topics]]``, ``[[users]]`` and ``[[events]]``; each says which files it reads and where
every event field comes from. A bare text is the name of a column. Everything else is one of a few steps,
taken in the order in which the rule lists them. docs/reference/mapping.md shows each.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from penchant.clock import parse_moment
from penchant.collect.toml_text import parse_toml
from penchant.domain.event import PAYLOAD_FIELDS
from penchant.errors import ConfigError, SourceError

Role: TypeAlias = Literal["items", "topics", "users", "events"]
"""What a part of a mapping tells of; read in this order, so that the catalogue is there before the deeds."""

ROLES: tuple[Role, ...] = ("items", "topics", "users", "events")
Encoding: TypeAlias = Literal["utf-8", "utf-8-sig", "latin-1", "cp1252", "gb18030"]
_HOLE = re.compile(r"\{([^{}]+)\}")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _column(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


def _many(value: Any) -> Any:
    return (value,) if isinstance(value, str | dict) else value


class Condition(_Strict):
    """A test of one column; all the tests given must hold. A missing value passes none but ``missing``."""

    column: str
    missing: bool | None = None
    """Whether the value is missing: null, NaN, or one of the texts that mean so (``read.missing``)."""
    one_of: tuple[str, ...] = ()
    """The value, as text, is one of these."""
    starts_with: str | None = None
    matches: str | None = None
    """A regular expression (Rust syntax) is found in the value, as text."""
    below: float | None = None
    above: float | None = None

    @model_validator(mode="after")
    def _check(self) -> Condition:
        if not self.model_fields_set - {"column"}:
            raise ValueError("no test; give missing, one_of, starts_with, matches, below or above")
        if self.matches is not None:
            try:
                pl.Series([""]).str.contains(self.matches)
            except pl.exceptions.ComputeError as error:
                raise ValueError(f"not a regular expression: {str(error).splitlines()[0]}") from None
        return self


When: TypeAlias = Annotated[tuple[Condition, ...], BeforeValidator(_many), Field(min_length=1)]
"""One condition, or several that must all hold. For "or", write the case or the skip rule once more."""


Words: TypeAlias = Annotated[
    dict[str, tuple[str, ...]],
    BeforeValidator(lambda v: dict.fromkeys(v, ()) if isinstance(v, list | tuple) else v),
]


class Skip(_Strict):
    """Rows to leave out on purpose; they are counted, and kept in the quarantine with the reason."""

    reason: str
    when: When
    keep: bool = True
    """Whether the quarantine keeps the rows; false: they are only counted, as for the robots of a web log."""


class Text(_Strict):
    """Where a text comes from. Whole numbers in a float column lose their ``.0``: 17850.0 is ``17850``."""

    column: str | None = None
    constant: str | None = None
    template: str | None = None
    """Text with columns in braces, ``{basket_id}-{product_id}``; missing when one of them is."""
    values: dict[str, str] = {}
    """Other names for some values; ``""`` makes a value missing. What is not listed stays."""
    otherwise: str | None = None
    """Name of every value that ``values`` does not list."""
    default: str | None = None
    """Stands where the value is missing."""
    strip: bool = False
    whole: bool = False
    """Drop ``.0`` from a number that was written as text."""
    letters: Literal["lower", "upper"] | None = None

    @model_validator(mode="after")
    def _check(self) -> Text:
        _one_origin(self, "column", "constant", "template")
        return self


class Case(Text):
    """A text that holds when the conditions do; the first case that fits wins."""

    when: When


class ChosenText(Text):
    """A text with exceptions to it."""

    cases: tuple[Case, ...] = ()


class Number(_Strict):
    """Where a number comes from; a value that is not a number refuses the row."""

    column: str | None = None
    constant: float | None = None
    product: tuple[str, ...] = ()
    """Columns to multiply; missing when one of them is."""
    decimal: Literal[".", ","] = "."
    """Which sign parts the decimals in text."""
    absolute: bool = False
    times: float = 1.0

    @model_validator(mode="after")
    def _check(self) -> Number:
        _one_origin(self, "column", "constant", "product")
        return self


class Time(_Strict):
    """Where a moment comes from; one that is missing or unreadable refuses the row.

    Without ``format`` and ``unit``: a time column as it is, a date (its midnight), ISO 8601 text, or seconds
    since 1970.
    """

    column: str | None = None
    constant: str | None = None
    """ISO 8601 text, for files that carry no time of their own; UTC where it names no zone."""
    format: str | None = None
    """How text is written, in the letters of ``strptime``: ``%d/%m/%Y %H:%M``."""
    unit: Literal["s", "ms", "us", "ns"] | None = None
    """The column counts these since 1970, as numbers or as text."""
    zone: str = "UTC"
    """Zone of times that name none. An hour that a clock change repeats is taken the first time; one that it
    skips refuses the row."""

    @model_validator(mode="after")
    def _check(self) -> Time:
        _one_origin(self, "column", "constant")
        if self.format is not None and self.unit is not None:
            raise ValueError("give either format or unit")
        if self.constant is not None:
            parse_moment(self.constant)
        try:
            pl.Series([0]).cast(pl.Datetime("us")).dt.replace_time_zone(self.zone)
            if self.format is not None:
                pl.Series(["x"]).str.to_datetime(self.format, strict=False)
        except pl.exceptions.ComputeError as error:
            raise ValueError(str(error).splitlines()[0]) from None
        return self


class Topics(_Strict):
    """Where topics come from: one column, several (each a topic), or words found in a text."""

    column: str | None = None
    columns: tuple[str, ...] = ()
    split: str | None = None
    """What stands between several topics in one text."""
    until: tuple[str, ...] = ()
    """Look for ``last_of`` only before the first of these words, when there is something before it."""
    last_of: Words = {}
    """Words or phrases that are topics, or ``topic = [other words for it]``. The last one in the text counts: in
    English names the thing comes last. Case, punctuation and an English plural ending do not matter; of
    phrases that begin alike the longer one counts."""
    else_last_of: Words = {}
    """The same, for texts in which ``last_of`` finds nothing."""
    letters: Literal["lower", "upper"] | None = None
    values: dict[str, str] = {}
    """Other names for some topics; ``""`` drops a topic."""

    @model_validator(mode="after")
    def _check(self) -> Topics:
        _one_origin(self, "column", "columns")
        if self.last_of and (self.columns or self.split):
            raise ValueError("last_of reads one column and needs no split")
        if (self.else_last_of or self.until) and not self.last_of:
            raise ValueError("else_last_of and until go with last_of")
        return self


TextRule: TypeAlias = Annotated[Text, BeforeValidator(_column)]
NumberRule: TypeAlias = Annotated[Number, BeforeValidator(_column)]
TimeRule: TypeAlias = Annotated[Time, BeforeValidator(_column)]
TopicsRule: TypeAlias = Annotated[Topics, BeforeValidator(_column)]
Named: TypeAlias = Annotated[
    dict[str, str] | str, BeforeValidator(lambda v: {n: n for n in v} if isinstance(v, list | tuple) else v)
]
"""Columns to keep, or ``name = "column"``; numbers stay numbers. A text names one column of JSON objects."""


def _one_origin(rule: BaseModel, *names: str) -> None:
    given = [name for name in names if getattr(rule, name) not in (None, ())]
    if len(given) != 1:
        raise ValueError(f"give one of {', '.join(names)}{', not ' + ' and '.join(given) if given else ''}")


class Reading(_Strict):
    """How a file is written."""

    format: str | None = None
    """Name of a reader (``penchant.collect.READERS``); by default what the file's name ends in."""
    encoding: Encoding = "utf-8"
    """A byte order mark is skipped in any case."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', max_length=1)
    """Empty: quotes mean nothing, and a field cannot hold the delimiter or a line break."""
    columns: tuple[str, ...] = ()
    """Names of the columns of a CSV file that has no header line."""
    missing: tuple[str, ...] = ("",)
    """Texts that mean "nothing"."""
    options: dict[str, Any] = {}
    """What else the format needs to know, checked by the reader's own Config."""


class Part(_Strict):
    """What one set of files tells: where every event field comes from."""

    file: str = "*"
    """Name of the file inside the folder, or a pattern such as ``sales-*.csv``."""
    read: Reading = Reading()
    optional: tuple[str, ...] = ()
    """Columns that a file need not have; they are missing then."""
    one_per: str | None = None
    """Make one row of all rows with the same value here; each other column takes its most frequent value that
    is not missing (the one met first, when several are)."""
    skip: Annotated[tuple[Skip, ...], BeforeValidator(_many)] = ()
    """Rows to leave out; the first rule that fits gives the reason."""

    event_id: TextRule | None = None
    type: Annotated[ChosenText, BeforeValidator(_column)] | None = None
    """Left out: ``item``, ``topic`` and ``user`` in parts of that role."""
    user_id: TextRule | None = None
    item_id: TextRule | None = None
    at: TimeRule | None = None
    arrived_at: TimeRule | None = None
    value: NumberRule | None = None
    amount: NumberRule | None = None
    session_id: TextRule | None = None
    topics: TopicsRule | None = None
    title: TextRule | None = None
    text: TextRule | None = None
    target: TextRule | None = None
    purpose: TextRule | None = None
    scope: TextRule | None = None
    until: TextRule | None = None
    parent: TextRule | None = None
    attributes: Named = {}
    facts: Named = {}
    context: Named = {}
    payload: TextRule | None = None
    """A JSON object, instead of the fields that the log keeps in it."""

    def rules(self) -> Iterator[tuple[str, Text | Number | Time | Topics]]:
        """Yield ``(field, rule)`` of every field that has one."""
        for name in type(self).model_fields:
            rule = getattr(self, name)
            if isinstance(rule, Text | Number | Time | Topics):
                yield name, rule

    def used_columns(self) -> tuple[str, ...]:
        """Return the source columns that the part names, each once."""
        used: list[str] = [self.one_per] if self.one_per else []
        used += [test.column for rule in self.skip for test in rule.when]
        for _, rule in self.rules():
            used += columns_of(rule)
        for named in (self.attributes, self.facts, self.context):
            used += [named] if isinstance(named, str) else named.values()
        return tuple(dict.fromkeys(used))

    def digest(self) -> str:
        """Return a short hash of everything the part says."""
        return hashlib.blake2b(self.model_dump_json().encode(), digest_size=8).hexdigest()


class Origin(_Strict):
    """The installed distribution that brings the files."""

    package: str
    folder: str
    """Where the files are inside it."""
    install: str
    """The command that installs it."""


class Mapping(_Strict):
    """What the files of one data set tell, and how."""

    name: str = "mapping"
    about: str = ""
    """What the data are, from whom, under which licence."""
    origin: Origin | None = None
    recognise: bool = True
    """Whether a folder whose files fit is taken for this data set; false where any file would fit."""
    items: Annotated[tuple[Part, ...], BeforeValidator(_many)] = ()
    topics: Annotated[tuple[Part, ...], BeforeValidator(_many)] = ()
    users: Annotated[tuple[Part, ...], BeforeValidator(_many)] = ()
    events: Annotated[tuple[Part, ...], BeforeValidator(_many)] = ()

    @model_validator(mode="after")
    def _check(self) -> Mapping:
        if not any(getattr(self, role) for role in ROLES):
            raise ValueError("a mapping needs [[items]], [[topics]], [[users]] or [[events]]")
        for role, part in self.parts():
            needed = {"items": "item_id", "topics": "topics", "users": "user_id", "events": "type"}[role]
            if getattr(part, needed) is None:
                raise ValueError(f"[[{role}]] of {part.file!r} needs {needed}")
            if part.payload and any(getattr(part, name) for name in PAYLOAD_FIELDS):
                known = ", ".join(PAYLOAD_FIELDS)
                raise ValueError(f"[[{role}]] of {part.file!r}: give either payload, or {known}")
        return self

    @classmethod
    def read(cls, path: str | Path) -> Mapping:
        """Return the mapping in a TOML file.

        Raises:
            SourceError: When the file cannot be read.
            ConfigError: When it is not TOML, or says something unknown.
        """
        try:
            text = Path(path).read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise SourceError(f"cannot read mapping {path}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"mapping {path} is not UTF-8 text (byte {error.start})") from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, where: str = "mapping") -> Mapping:
        """Return the mapping that a TOML text says; ``where`` names it in errors."""
        return parse_toml(cls, text, where, "docs/reference/mapping.md")

    def parts(self) -> Iterator[tuple[Role, Part]]:
        """Yield ``(role, part)`` in the order in which they are read: items, topics, users, events."""
        for role in ROLES:
            for part in getattr(self, role):
                yield role, part


def template_pieces(template: str) -> list[tuple[bool, str]]:
    """Return the template's pieces in order, each with whether it is the name of a column.

    >>> template_pieces("item-{id}")
    [(False, 'item-'), (True, 'id')]
    """
    pieces = _HOLE.split(template)
    return [(i % 2 == 1, piece) for i, piece in enumerate(pieces) if piece]


def columns_of(rule: Text | Number | Time | Topics) -> list[str]:
    """Return the source columns that a rule names."""
    used = [rule.column] if rule.column else []
    if isinstance(rule, Text) and rule.template:
        used += [piece for is_column, piece in template_pieces(rule.template) if is_column]
    if isinstance(rule, ChosenText):
        for case in rule.cases:
            used += [*columns_of(case), *(test.column for test in case.when)]
    if isinstance(rule, Number):
        used += rule.product
    if isinstance(rule, Topics):
        used += rule.columns
    return used
