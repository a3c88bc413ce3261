"""Steps of a mapping that Polars has no single word for: moments, JSON, other names, the last known word."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
import polars as pl

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_LAST_S = 253_402_300_799
"""The last second of the year 9999."""
_FIRST_S = -62_135_596_800
"""The first second of the year 1."""
_USUAL = (
    ("%Y-%m-%d %H:%M:%S%.f", None),
    ("%Y-%m-%dT%H:%M:%S%.f", None),
    ("%Y-%m-%dT%H:%M:%S%.fZ", "UTC"),
    ("%Y-%m-%d", None),
)
"""Forms of ISO 8601 text that most files use, with the zone that they name."""
_NOT_WORD = r"[^\p{L}\p{N}]+"


def quoted(name: str) -> pl.Expr:
    """Return ``"name":`` as JSON wants it before a value."""
    return pl.lit(msgspec.json.encode(name).decode() + ":")


def json_member(name: str, value: pl.Expr) -> pl.Expr:
    """Return ``"name":value`` in JSON, null for null."""
    return pl.when(value.is_not_null()).then(quoted(name) + json_of(value))


def json_of(value: pl.Expr) -> pl.Expr:
    """Return the value in JSON, ``null`` for null."""
    return pl.struct(value.alias("v")).struct.json_encode().str.slice(5).str.head(-1)  # {"v":value}


def json_object(members: list[pl.Expr]) -> pl.Expr:
    """Return a JSON object of the members that are not null, null when there are none."""
    inner = pl.concat_str(members, separator=",", ignore_nulls=True)
    return pl.when(inner != "").then(pl.lit("{") + inner + pl.lit("}"))


def json_objects(texts: pl.Series) -> pl.Series:
    """Return each text as it is where it is a JSON object, else null."""
    return pl.Series(texts.name, [t if t and _is_object(t) else None for t in texts], dtype=pl.String)


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False


def change_letters(expr: pl.Expr, letters: str | None) -> pl.Expr:
    """Return the text in ``lower`` or ``upper`` case, or as it is."""
    if letters is None:
        return expr
    return expr.str.to_lowercase() if letters == "lower" else expr.str.to_uppercase()


def rename(expr: pl.Expr, values: dict[str, str], otherwise: str | None = None) -> pl.Expr:
    """Return the other name that ``values`` gives a text; else ``otherwise``, or the text. "" is null."""
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


def microseconds(count: pl.Expr, unit: str, *, floats: bool) -> pl.Expr:
    """Return whole microseconds since 1970; null outside the years 1 to 9999."""
    per_s = _PER_SECOND[unit]
    first, last = max(_FIRST_S * per_s, -(2**63)), min((_LAST_S + 1) * per_s - 1, 2**63 - 1)
    if floats:
        us = (count * (1e6 / per_s)).round().cast(pl.Int64, strict=False)
    else:
        us = count // (per_s // 1_000_000) if per_s >= 1_000_000 else count * (1_000_000 // per_s)
    return pl.when(count.is_between(first, last)).then(us)


def to_utc(us: pl.Expr, zone: str) -> pl.Expr:
    """Return moments from microseconds on the clock of a zone."""
    if zone == "UTC":
        return us.cast(pl.Datetime("us", "UTC"))
    local = us.cast(pl.Datetime("us")).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC")


def _in_range(moment: pl.Expr) -> pl.Expr:
    us = moment.to_physical()
    return pl.when(us.is_between(_FIRST_S * 1_000_000, _LAST_S * 1_000_000 + 999_999)).then(moment)


def parse_time(text: pl.Expr, form: str, zone: str) -> pl.Expr:
    """Return moments from text in one ``strptime`` form."""
    text = text.str.strip_chars()
    if re.search(r"%(?:[:#]*z|\+)", form):
        return _in_range(text.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False))
    local = text.str.to_datetime(form, time_unit="us", strict=False)
    return to_utc(_in_range(local).to_physical(), zone)


def parse_iso(text: pl.Expr, zone: str) -> pl.Expr:
    """Return moments from ISO 8601 text; Polars would guess one form from the first value."""
    return text.map_batches(lambda texts: _iso(texts, zone), return_dtype=pl.Datetime("us", "UTC"))


def _iso(texts: pl.Series, zone: str) -> pl.Series:
    """Return moments, trying the usual forms on the whole column and the unusual ones on what is left."""
    frame = pl.DataFrame({"t": texts.str.strip_chars()})
    text = pl.col("t")
    found = pl.Series("t", [None] * texts.len(), dtype=pl.Datetime("us", "UTC"))
    for form, form_zone in _USUAL:
        left = (found.is_null() & frame["t"].is_not_null()).arg_true()
        if left.is_empty():
            return found
        found = found.scatter(left, frame[left].select(parse_time(text, form, form_zone or zone))["t"])
    left = (found.is_null() & frame["t"].is_not_null()).arg_true()
    text = text.str.replace(r"^(\d{4}-\d\d-\d\d)[ t]", "${1}T").str.replace(r"[zZ]$", "+00:00")
    text = text.str.replace(r"(T.*[+-]\d\d)$", "${1}:00")
    text = text.str.replace(r"^([^T]*T\d\d:\d\d)($|[+-])", "${1}:00$2")
    offset = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", time_zone="UTC", strict=False)
    rest = pl.coalesce([_in_range(offset), parse_time(text, "%Y-%m-%dT%H:%M:%S%.f", zone)])
    return found.scatter(left, frame[left].select(rest)["t"])


def last_of(text: pl.Expr, words: dict[str, tuple[str, ...]], until: tuple[str, ...] = ()) -> pl.Expr:
    """Return the topic whose word or phrase comes last in the text; null when there is none.

    Args:
        text: In which to look; only before the first of the words ``until``, when there is a topic before it.
        words: Other words for each topic, besides its own name.
        until: Words that end what a name is about.

    >>> frame = pl.DataFrame({"name": ["RED CANDLESTICKS", "GIFT BAG WITH RIBBON", "check"]})
    >>> topics = {"candle holder": ("candlestick",), "bag": (), "ribbon": ()}
    >>> frame.select(last_of(pl.col("name"), topics, until=("with",)))["name"].to_list()
    ['candle holder', 'bag', None]
    """
    forms: dict[str, str] = {}
    for topic, others in words.items():
        for phrase in (topic, *others):
            bare = re.sub(r"[\W_]+", " ", phrase.lower()).strip()
            for form in (bare, bare + "s", bare + "es", re.sub("y$", "ies", bare)):
                forms.setdefault(form, topic)
    pattern = _any_word(sorted(forms, key=len, reverse=True))
    words_only = text.str.to_lowercase().str.replace_all(_NOT_WORD, " ")
    found = words_only.str.extract_all(pattern).list.last()
    if until:
        head = words_only.str.replace(_any_word(until) + ".*$", "")
        found = pl.coalesce([head.str.extract_all(pattern).list.last(), found])
    old, new = pl.Series(list(forms)), pl.Series(list(forms.values()))
    return found.replace_strict(old, new, default=None, return_dtype=pl.String)


def _any_word(words: Iterable[str]) -> str:
    return r"\b(?:" + "|".join(re.escape(word) for word in words) + r")\b"
