"""Apply a mapping to whole columns: rows become a frame of events, and every row lost has a reason."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from penchant.clock import parse_moment, to_us
from penchant.collect.expressions import (
    change_letters,
    json_member,
    json_object,
    json_objects,
    json_of,
    last_of,
    microseconds,
    parse_iso,
    parse_time,
    quoted,
    rename,
    to_utc,
)
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
from penchant.domain.event import PAYLOAD_FIELDS
from penchant.errors import SourceError

_ROLE_TYPE: dict[Role, str] = {"items": "item", "topics": "topic", "users": "user", "events": ""}

_Column = tuple[pl.Expr, pl.DataType]


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a frame of a file's rows became; the two series have one entry for every row of the file."""

    events: pl.DataFrame
    """The rows to take, in the order in which they happened, columns named as event fields."""
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
    frame = clean(part, frame)
    plan = _Plan(part, frame, where)
    fields, troubles = plan.fields(role)
    skip: pl.Expr = pl.lit(None, dtype=pl.String)
    for rule in reversed(part.skip):
        skip = pl.when(plan.all_hold(rule.when)).then(pl.lit(rule.reason)).otherwise(skip)
    trouble = pl.coalesce([*troubles, pl.lit(None, dtype=pl.String)])
    done = frame.select(
        [expr.alias(name) for name, expr in fields.items()] + [skip.alias("skipped?"), trouble.alias("refused?")]
    )
    if done.height != frame.height:  # every field was a constant
        done = done[[0] * frame.height]
    lost = pl.col("skipped?").is_not_null() | pl.col("refused?").is_not_null()
    skipped = done["skipped?"]
    refused = done.select(pl.when(pl.col("skipped?").is_null()).then(pl.col("refused?")))["refused?"]
    kept = done.with_row_index("row?").filter(~lost)
    if "at" in fields:  # so that events are late only when they lie chunks apart
        kept = kept.sort("at", maintain_order=True)
    return Mapped(kept.select(list(fields)), kept["row?"], skipped, refused)


def check_columns(part: Part, columns: list[str], where: str) -> None:
    """Raise ``SourceError`` when a column that the part names is not among the file's ``columns``."""
    for name in part.used_columns():
        if name not in columns and name not in part.optional:
            raise SourceError(
                f"{where} has no column {name!r}, which the mapping names; it has: "
                f"{', '.join(columns)[:500] or 'none'}. Correct the mapping, or name it under 'optional'"
            )


def clean(part: Part, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with nulls for the texts that mean nothing, and with the optional columns."""
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
            if name in PAYLOAD_FIELDS or name == "payload":
                continue
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
        self._add_payload(fields, troubles)
        return fields, troubles

    def _add_payload(self, fields: dict[str, pl.Expr], troubles: list[pl.Expr]) -> None:
        """Add ``payload``: everything that has no column of its own, as a JSON object without nulls."""
        pieces: list[pl.Expr] = []
        objects = {"payload": self._part.payload} if self._part.payload else {}
        for name in PAYLOAD_FIELDS:
            rule = getattr(self._part, name)
            if isinstance(rule, Text):
                pieces.append(json_member(name, self.text(rule)))
            elif isinstance(rule, str):
                objects[name] = Text(column=rule)
            elif rule:
                members = [json_member(key, self._plain(column)) for key, column in rule.items()]
                pieces.append(quoted(name) + json_object(members))
        for name, rule in objects.items():
            given = self.text(rule)
            checked = given.map_batches(json_objects, return_dtype=pl.String)
            troubles.append(_when(given.is_not_null() & checked.is_null(), f"{name} is not a JSON object"))
            pieces.append(quoted(name) + checked)
        if self._part.payload:
            fields["payload"] = checked
        elif pieces:
            fields["payload"] = json_object(pieces)

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
        expr = rename(expr, rule.values, rule.otherwise)
        if rule.default is not None:
            expr = expr.fill_null(rule.default)
        if rule.strip:
            expr = expr.str.strip_chars()
        if rule.whole:
            expr = expr.str.replace(r"^(-?\d+)\.0+$", "$1")
        expr = change_letters(expr, rule.letters)
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
            return to_utc(pl.lit(to_us(parse_moment(rule.constant))), "UTC")
        expr, kind = self._source(rule.column or "")
        if isinstance(kind, pl.Datetime):
            us = microseconds(expr.to_physical(), kind.time_unit, floats=False)
            return to_utc(us, "UTC" if kind.time_zone else rule.zone)
        if kind == pl.Date:
            midnight = expr.to_physical().cast(pl.Int64) * 86_400
            return to_utc(microseconds(midnight, "s", floats=False), rule.zone)
        if kind in (pl.Null, pl.Boolean):
            return pl.lit(None, dtype=pl.Datetime("us", "UTC"))
        if kind == pl.String and rule.unit is None:
            return parse_time(expr, rule.format, rule.zone) if rule.format else parse_iso(expr, rule.zone)
        if kind.is_integer():
            us = microseconds(expr.cast(pl.Int64, strict=False), rule.unit or "s", floats=False)
        else:
            us = microseconds(self._as_number(rule.column or ""), rule.unit or "s", floats=True)
        return to_utc(us, "UTC")

    def topics(self, rule: Topics) -> pl.Expr:
        """Return one text, or a list of texts."""
        if rule.columns:
            texts = [change_letters(self._as_text(name), rule.letters) for name in rule.columns]
            return pl.concat_list(rename(text, rule.values) for text in texts).list.drop_nulls()
        expr, kind = self._source(rule.column or "")
        if isinstance(kind, pl.List) and not (rule.split or rule.last_of):
            each = rename(change_letters(pl.element().cast(pl.String), rule.letters), rule.values)
            return expr.list.eval(each.drop_nulls())
        expr = change_letters(self._as_text(rule.column or ""), rule.letters)
        if rule.last_of:
            found = last_of(expr, rule.last_of, rule.until)
            if rule.else_last_of:
                found = pl.coalesce([found, last_of(expr, rule.else_last_of, rule.until)])
            return rename(found, rule.values)
        if rule.split:
            return expr.str.split(rule.split).list.eval(
                rename(pl.element().str.strip_chars(), rule.values).drop_nulls()
            )
        return rename(expr, rule.values)

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
        if kind == pl.List(pl.String):
            return pl.when(expr.is_not_null()).then(json_of(expr))
        raise self._wrong(column, kind, "text")

    def _as_number(self, column: str, decimal: str = ".") -> pl.Expr:
        expr, kind = self._source(column)
        if kind == pl.String:
            text = expr.str.strip_chars()
            text = text.str.replace(",", ".", literal=True) if decimal == "," else text
            return text.cast(pl.Float64, strict=False)
        if kind.is_numeric() or kind in (pl.Boolean, pl.Null):
            return expr.cast(pl.Float64)
        if kind == pl.List(pl.String):  # what JSON may hold in any one line must not end the import
            return pl.lit(None, dtype=pl.Float64)
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
