"""Apply a mapping to whole columns: rows become a frame of events, and every row lost has a reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from penchant.clock import parse_moment, to_us
from penchant.collect.mapping import (
    ChosenText,
    Condition,
    Number,
    Part,
    Role,
    Text,
    Time,
    Topics,
    template_pieces,
)
from penchant.errors import SourceError

_ROLE_TYPE: dict[Role, str] = {"items": "item", "users": "user", "events": ""}
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_LAST_S = 253_402_300_799
"""The last second of the year 9999."""
_FIRST_S = -62_135_596_800
"""The first second of the year 1."""
_NOT_WORD = r"[^\p{L}\p{N}]+"

_Column = tuple[pl.Expr, pl.DataType]


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a frame of a file's rows became; the two series have one entry for every row of the file."""

    events: pl.DataFrame
    """The rows to take, columns named as event fields."""
    rows: pl.Series
    """Row number in the file's frame of each row of ``events``."""
    skipped: pl.Series
    """Why the mapping leaves a row out; null for the others."""
    refused: pl.Series
    """What the mapping cannot read in a row; null for the others."""


def map_frame(part: Part, role: Role, frame: pl.DataFrame, where: str) -> Mapped:
    """Return the frame's rows as events.

    Args:
        part: Which says what becomes what.
        role: Of the part.
        frame: Rows of a file, with the file's column names.
        where: The file's name, for errors.

    Raises:
        SourceError: When the file lacks a column that the part names, or one cannot be what the part wants.
    """
    check_columns(part, frame.columns, where)
    frame = _clean(part, frame)
    plan = _Plan(part, frame, where)
    fields, troubles = plan.fields(role)
    skip: pl.Expr = pl.lit(None, dtype=pl.String)
    for rule in reversed(part.skip):
        skip = pl.when(plan.all_hold(rule.when)).then(pl.lit(rule.reason)).otherwise(skip)
    trouble = pl.coalesce([*troubles, pl.lit(None, dtype=pl.String)])
    done = frame.select(
        [expr.alias(name) for name, expr in fields.items()]
        + [skip.alias("skipped?"), trouble.alias("refused?")]
    )
    if done.height != frame.height:  # every field was a constant
        done = done[[0] * frame.height]
    lost = pl.col("skipped?").is_not_null() | pl.col("refused?").is_not_null()
    skipped = done["skipped?"]
    refused = done.select(pl.when(pl.col("skipped?").is_null()).then(pl.col("refused?")))["refused?"]
    kept = done.with_row_index("row?").filter(~lost)
    return Mapped(kept.select(list(fields)), kept["row?"], skipped, refused)


def check_columns(part: Part, columns: list[str], where: str) -> None:
    """Raise ``SourceError`` when a column that the part names is not among the file's ``columns``."""
    for name in part.used_columns():
        if name not in columns and name not in part.optional:
            raise SourceError(
                f"{where} has no column {name!r}, which the mapping names; it has: "
                f"{', '.join(columns)[:500] or 'none'}. Correct the mapping, or name it under 'optional'"
            )


def _clean(part: Part, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with missing texts and NaN-free ids as nulls, and the optional columns added."""
    absent = [name for name in part.used_columns() if name not in frame.columns]
    frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)
    texts = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Categorical | pl.Enum)]
    frame = frame.with_columns(pl.col(name).cast(pl.String) for name in texts)
    words = list(part.read.missing)
    if not words:
        return frame
    strings = [name for name, kind in frame.schema.items() if kind == pl.String]
    return frame.with_columns(pl.when(~pl.col(name).is_in(words)).then(pl.col(name)) for name in strings)


class _Plan:
    """Expressions for one part over one frame's columns."""

    def __init__(self, part: Part, frame: pl.DataFrame, where: str) -> None:
        self._part = part
        self._schema = frame.schema
        self._where = where

    def fields(self, role: Role) -> tuple[dict[str, pl.Expr], list[pl.Expr]]:
        """Return the expression of every event field, and those that say what is wrong with a row."""
        fields: dict[str, pl.Expr] = {}
        troubles: list[pl.Expr] = []
        for name, rule in self._part.rules():
            if isinstance(rule, Text):
                fields[name] = self.text(rule)
            elif isinstance(rule, Topics):
                fields[name] = self.topics(rule)
            elif isinstance(rule, Number):
                fields[name] = self.number(rule)
                given = pl.all_horizontal(self._given(c) for c in (rule.column, *rule.product) if c)
                if rule.constant is None:
                    troubles.append(_when(given & fields[name].is_null(), f"{name} is not a number"))
            else:
                fields[name] = self.time(rule)
                if rule.column is not None:
                    wrong = fields[name].is_null()
                    troubles.append(_when(wrong & ~self._given(rule.column), f"{name} is missing"))
                    troubles.append(_when(wrong, f"{name} is not a time"))
        if _ROLE_TYPE[role]:
            fields.setdefault("type", pl.lit(_ROLE_TYPE[role]))
        for name in ("attributes", "facts", "context"):
            named: dict[str, str] = getattr(self._part, name)
            if named:
                fields[name] = pl.struct(self._plain(column).alias(key) for key, column in named.items())
        return fields, troubles

    # -- conditions

    def all_hold(self, when: tuple[Condition, ...]) -> pl.Expr:
        """Return whether every condition holds; never null."""
        return pl.all_horizontal(self._holds(test) for test in when)

    def _holds(self, test: Condition) -> pl.Expr:
        tests: list[pl.Expr] = []
        if test.missing is not None:
            given = self._given(test.column)
            tests.append(~given if test.missing else given)
        if test.one_of or test.starts_with is not None or test.matches is not None:
            text = self._as_text(test.column)
            tests += [text.is_in(test.one_of)] if test.one_of else []
            tests += [text.str.starts_with(test.starts_with)] if test.starts_with is not None else []
            tests += [text.str.contains(test.matches)] if test.matches is not None else []
        if test.below is not None or test.above is not None:
            number = self._as_number(test.column)
            tests += [number < test.below] if test.below is not None else []
            tests += [number > test.above] if test.above is not None else []
        return pl.all_horizontal(tests).fill_null(False)

    def _given(self, column: str) -> pl.Expr:
        expr, kind = self._source(column)
        return expr.is_not_null() & expr.is_not_nan() if kind.is_float() else expr.is_not_null()

    # -- one rule each

    def text(self, rule: Text) -> pl.Expr:
        """Return the text that a rule makes."""
        if rule.constant is not None:
            expr: pl.Expr = pl.lit(rule.constant, dtype=pl.String)
        elif rule.template is not None:
            pieces = template_pieces(rule.template)
            expr = pl.concat_str(self._as_text(p) if is_column else pl.lit(p) for is_column, p in pieces)
        else:
            expr = self._as_text(rule.column or "")
        expr = _rename(expr, rule.values, rule.otherwise)
        if rule.default is not None:
            expr = expr.fill_null(rule.default)
        if rule.strip:
            expr = expr.str.strip_chars()
        if rule.whole:
            expr = expr.str.replace(r"^(-?\d+)\.0+$", "$1")
        expr = _letters(expr, rule.letters)
        if isinstance(rule, ChosenText):
            for case in reversed(rule.cases):
                expr = pl.when(self.all_hold(case.when)).then(self.text(case)).otherwise(expr)
        return expr

    def number(self, rule: Number) -> pl.Expr:
        """Return the float that a rule makes; null where the source is not a number."""
        if rule.constant is not None:
            return pl.lit(rule.constant, dtype=pl.Float64)
        columns = rule.product or (rule.column or "",)
        expr = self._as_number(columns[0], rule.decimal)
        for column in columns[1:]:
            expr = expr * self._as_number(column, rule.decimal)
        expr = expr.abs() if rule.absolute else expr
        return expr * rule.times if rule.times != 1.0 else expr

    def time(self, rule: Time) -> pl.Expr:
        """Return the moment that a rule makes, in UTC; null where there is no time of the years 1 to 9999."""
        if rule.constant is not None:
            return _utc(pl.lit(to_us(parse_moment(rule.constant))), "UTC")
        expr, kind = self._source(rule.column or "")
        if isinstance(kind, pl.Datetime):
            us = _microseconds(expr.to_physical(), kind.time_unit, floats=False)
            return _utc(us, "UTC" if kind.time_zone else rule.zone)
        if kind == pl.Date:
            midnight = expr.to_physical().cast(pl.Int64) * 86_400
            return _utc(_microseconds(midnight, "s", floats=False), rule.zone)
        if kind == pl.Null:
            return pl.lit(None, dtype=pl.Datetime("us", "UTC"))
        if kind == pl.String and rule.unit is None:
            return _parsed(expr, rule.format, rule.zone) if rule.format else _iso(expr, rule.zone)
        if kind.is_integer():
            us = _microseconds(expr.cast(pl.Int64, strict=False), rule.unit or "s", floats=False)
        else:
            us = _microseconds(self._as_number(rule.column or ""), rule.unit or "s", floats=True)
        return _utc(us, "UTC")

    def topics(self, rule: Topics) -> pl.Expr:
        """Return one text, or a list of texts."""
        if rule.columns:
            texts = [_letters(self._as_text(name), rule.letters) for name in rule.columns]
            return pl.concat_list(_rename(text, rule.values) for text in texts).list.drop_nulls()
        expr, kind = self._source(rule.column or "")
        if isinstance(kind, pl.List) and not (rule.split or rule.last_of):
            each = _rename(_letters(pl.element().cast(pl.String), rule.letters), rule.values)
            return expr.list.eval(each.drop_nulls())
        expr = _letters(self._as_text(rule.column or ""), rule.letters)
        if rule.last_of:
            return _rename(last_of(expr, rule.last_of, rule.until), rule.values)
        if rule.split:
            return expr.str.split(rule.split).list.eval(
                _rename(pl.element().str.strip_chars(), rule.values).drop_nulls()
            )
        return _rename(expr, rule.values)

    # -- one column each

    def _source(self, column: str) -> _Column:
        return pl.col(column), self._schema[column]

    def _as_text(self, column: str) -> pl.Expr:
        expr, kind = self._source(column)
        if kind == pl.String:
            return expr
        if kind.is_float():
            number = expr.cast(pl.Float64)
            whole = (number == number.floor()) & (number.abs() < 2**53)
            text = number.fill_nan(None).cast(pl.String)
            return pl.when(whole).then(number.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(text)
        if kind.is_numeric() or kind in (pl.Boolean, pl.Null, pl.Date):
            return expr.cast(pl.String)
        if isinstance(kind, pl.Datetime):
            return expr.dt.to_string("iso:strict")
        raise self._wrong(column, kind, "text")

    def _as_number(self, column: str, decimal: str = ".") -> pl.Expr:
        expr, kind = self._source(column)
        if kind == pl.String:
            text = expr.str.strip_chars()
            text = text.str.replace(",", ".", literal=True) if decimal == "," else text
            return text.cast(pl.Float64, strict=False)
        if kind.is_numeric() or kind in (pl.Boolean, pl.Null):
            return expr.cast(pl.Float64)
        raise self._wrong(column, kind, "numbers")

    def _plain(self, column: str) -> pl.Expr:
        """Return a column as something that JSON can hold."""
        expr, kind = self._source(column)
        if kind.is_float():
            return pl.when(expr.is_finite()).then(expr.cast(pl.Float64))
        if kind.is_integer() or kind in (pl.Boolean, pl.String, pl.Null) or kind == pl.List(pl.String):
            return expr
        return self._as_text(column)

    def _wrong(self, column: str, kind: pl.DataType, wanted: str) -> SourceError:
        return SourceError(
            f"column {column!r} of {self._where} holds {kind}, and the mapping wants {wanted} of it; "
            "name another column"
        )


def _when(wrong: pl.Expr, reason: str) -> pl.Expr:
    return pl.when(wrong).then(pl.lit(reason))


def _letters(expr: pl.Expr, letters: str | None) -> pl.Expr:
    if letters is None:
        return expr
    return expr.str.to_lowercase() if letters == "lower" else expr.str.to_uppercase()


def _rename(expr: pl.Expr, values: dict[str, str], otherwise: str | None = None) -> pl.Expr:
    if not values and otherwise is None:
        return expr
    old, new = list(values), [name or None for name in values.values()]
    if otherwise is None:
        return expr.replace(pl.Series(old, dtype=pl.String), pl.Series(new, dtype=pl.String)) if old else expr
    fixed = pl.when(expr.is_not_null()).then(pl.lit(otherwise))
    if not old:
        return fixed
    old_texts, new_texts = pl.Series(old, dtype=pl.String), pl.Series(new, dtype=pl.String)
    return expr.replace_strict(old_texts, new_texts, default=fixed, return_dtype=pl.String)


def _microseconds(count: pl.Expr, unit: str, *, floats: bool) -> pl.Expr:
    """Return whole microseconds since 1970; null outside the years 1 to 9999."""
    per_s = _PER_SECOND[unit]
    first, last = max(_FIRST_S * per_s, -(2**63)), min((_LAST_S + 1) * per_s - 1, 2**63 - 1)
    if floats:
        us = (count * (1e6 / per_s)).round().cast(pl.Int64, strict=False)
    else:
        us = count // (per_s // 1_000_000) if per_s >= 1_000_000 else count * (1_000_000 // per_s)
    return pl.when(count.is_between(first, last)).then(us)


def _utc(us: pl.Expr, zone: str) -> pl.Expr:
    """Return moments from microseconds on the clock of a zone."""
    if zone == "UTC":
        return us.cast(pl.Datetime("us", "UTC"))
    local = us.cast(pl.Datetime("us")).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC")


def _in_range(moment: pl.Expr) -> pl.Expr:
    us = moment.to_physical()
    return pl.when(us.is_between(_FIRST_S * 1_000_000, _LAST_S * 1_000_000 + 999_999)).then(moment)


def _parsed(text: pl.Expr, form: str, zone: str) -> pl.Expr:
    """Return moments from text in one ``strptime`` form."""
    text = text.str.strip_chars()
    if re.search(r"%(?:[:#]*z|\+)", form):
        return _in_range(text.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False))
    local = text.str.to_datetime(form, time_unit="us", strict=False)
    return _utc(_in_range(local).to_physical(), zone)


def _iso(text: pl.Expr, zone: str) -> pl.Expr:
    """Return moments from ISO 8601 text; Polars would guess one form from the first value."""
    text = text.str.strip_chars().str.replace(r"^(\d{4}-\d\d-\d\d)[ t]", "${1}T")
    text = text.str.replace(r"[zZ]$", "+00:00").str.replace(r"(T.*[+-]\d\d)$", "${1}:00")
    text = text.str.replace(r"^(\d{4}-\d\d-\d\d)$", "${1}T00:00")
    text = text.str.replace(r"^([^T]*T\d\d:\d\d)($|[+-])", "${1}:00$2")
    offset = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", time_zone="UTC", strict=False)
    return pl.coalesce([_in_range(offset), _parsed(text, "%Y-%m-%dT%H:%M:%S%.f", zone)])


def last_of(text: pl.Expr, phrases: tuple[str, ...], until: tuple[str, ...]) -> pl.Expr:
    """Return the last of the phrases that stands in the text, as it is written in ``phrases``; null for none.

    >>> frame = pl.DataFrame({"name": ["RED T-LIGHT HOLDERS", "GIFT BAG WITH RIBBON", "check"]})
    >>> found = last_of(pl.col("name"), ("t-light holder", "bag", "ribbon"), ("with",))
    >>> frame.select(found)["name"].to_list()
    ['t-light holder', 'bag', None]
    """
    forms: dict[str, str] = {}
    for phrase in phrases:
        words = re.sub(r"[\W_]+", " ", phrase.lower()).strip()
        forms |= {form: phrase for form in (words, words + "s", words + "es") if form not in forms}
    longest_first = sorted(forms, key=len, reverse=True)
    pattern = r"\b(?:" + "|".join(re.escape(form) for form in longest_first) + r")\b"
    words_only = text.str.to_lowercase().str.replace_all(_NOT_WORD, " ")
    find: Callable[[pl.Expr], pl.Expr] = lambda where: where.str.extract_all(pattern).list.last()  # noqa: E731
    found = find(words_only)
    if until:
        head = words_only.str.replace(r"\b(?:" + "|".join(re.escape(word) for word in until) + r")\b.*$", "")
        found = pl.coalesce([find(head), found])
    return found.replace_strict(
        pl.Series(list(forms)), pl.Series(list(forms.values())), default=None, return_dtype=pl.String
    )
