"""The filter language: a text about items becomes tests joined by and, or, not; nothing in it is ever executed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from penchant.errors import ConfigError

MAX_LENGTH = 10_000
"""Characters of a filter at most."""
MAX_DEPTH = 50
"""Brackets and ``not`` inside each other at most."""

Value: TypeAlias = str | float | bool
Operator: TypeAlias = Literal["=", "<", "<=", ">", ">=", "in", "contains", "known"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of one attribute; true when it is true of any of the attribute's values.

    Attributes:
        name: What is tested: an attribute's name, or ``topic``, ``item``, ``title``, ``age_days``.
        operator: How; ``in`` for any of several values, ``known`` for "there is a value".
        values: What it is held against; none for ``known``.
        at: Where the name stands in the text, from 0.
    """

    name: str
    operator: Operator
    values: tuple[Value, ...]
    at: int = 0


@dataclass(frozen=True, slots=True)
class Not:
    """True where the part is not."""

    part: Filter


@dataclass(frozen=True, slots=True)
class Every:
    """True where all parts are."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """True where a part is."""

    parts: tuple[Filter, ...]


Filter: TypeAlias = Condition | Not | Every | Some

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![\w.])
      | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<quoted>`[^`]+`)
      | (?P<word>[^\W\d][\w.]*)
      | (?P<sign><=|>=|!=|<>|==|[=<>(),])
      | (?P<end>$)
    )""",
    re.VERBOSE | re.DOTALL,
)
_WORDS = ("and", "or", "not", "in", "is", "contains", "known", "missing", "true", "false")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str) -> Filter:
    """Return what a text asks of an item.

    ``price < 20 and department in ("GROCERY", "DRUG GM") and not topic = "ALCOHOL"``. Values are numbers, texts in
    quotes, ``true`` and ``false``. A name with other signs than letters, digits, ``_`` and ``.`` stands in backticks.
    ``not`` binds more tightly than ``and``, ``and`` more tightly than ``or``. ``a != x`` is ``not a = x``: it holds of
    items that have no ``a``.

    Raises:
        ConfigError: When the text is no filter; it says where, counting characters from 1.

    >>> parse('not topic = "tea"')
    Not(part=Condition(name='topic', operator='=', values=('tea',), at=4))
    """
    if len(text) > MAX_LENGTH:
        raise ConfigError(f"a filter of {len(text):,} characters; at most {MAX_LENGTH:,}")
    reader = _Reader(text)
    found = reader.some(0)
    reader.expect("end", "and, or, or the end")
    return found


def conditions(found: Filter) -> Iterator[Condition]:
    """Yield every condition in a filter."""
    if isinstance(found, Condition):
        yield found
    elif isinstance(found, Not):
        yield from conditions(found.part)
    else:
        for part in found.parts:
            yield from conditions(part)


class _Reader:
    """Recursive descent, one word ahead."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.place = 0

    @property
    def next(self) -> _Token:
        return self.tokens[self.place]

    def take(self, *words: str) -> str | None:
        """Return the next word or sign when it is one of these, and go on behind it."""
        word = self.next.text.lower() if self.next.kind in ("word", "sign") else None
        if word in words:
            self.place += 1
            return word
        return None

    def expect(self, kind: str, what: str, *texts: str) -> _Token:
        token = self.next
        if token.kind != kind or (texts and token.text.lower() not in texts):
            raise _wrong(self.text, token.at, f"expected {what}, found {_said(token)}")
        self.place += 1
        return token

    def some(self, depth: int) -> Filter:
        parts = [self.every(depth)]
        while self.take("or"):
            parts.append(self.every(depth))
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def every(self, depth: int) -> Filter:
        parts = [self.one(depth)]
        while self.take("and"):
            parts.append(self.one(depth))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def one(self, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise _wrong(self.text, self.next.at, f"more than {MAX_DEPTH} brackets and nots inside each other")
        if self.take("not"):
            return Not(self.one(depth + 1))
        if self.take("("):
            inside = self.some(depth + 1)
            self.expect("sign", "and, or, or )", ")")
            return inside
        return self.test()

    def test(self) -> Filter:
        token = self.next
        if token.kind == "quoted":
            name = token.text[1:-1]
        elif token.kind == "word" and token.text.lower() not in _WORDS:
            name = token.text
        else:
            raise _wrong(self.text, token.at, f"expected the name of an attribute, not or (, found {_said(token)}")
        self.place += 1
        if self.take("is"):
            denied = self.take("not") is not None
            known = self.expect("word", "known or missing", "known", "missing").text.lower() == "known"
            found: Filter = Condition(name, "known", (), token.at)
            return found if known != denied else Not(found)
        if self.take("contains"):
            return Condition(name, "contains", (_text(self.expect("text", "a text in quotes").text),), token.at)
        if self.take("not"):
            self.expect("word", "in", "in")
            return Not(Condition(name, "in", self.values(), token.at))
        if self.take("in"):
            return Condition(name, "in", self.values(), token.at)
        sign = self.take("=", "==", "!=", "<>", "<", "<=", ">", ">=")
        if sign is None:
            what = "=, !=, <, <=, >, >=, in, contains or is"
            raise _wrong(self.text, self.next.at, f"expected {what} after {name!r}, found {_said(self.next)}")
        where, value = self.next.at, self.value()
        if sign in ("=", "=="):
            return Condition(name, "=", (value,), token.at)
        if sign in ("!=", "<>"):
            return Not(Condition(name, "=", (value,), token.at))
        if isinstance(value, bool):
            raise _wrong(self.text, where, f"true and false have no order; {sign} takes a number or a text")
        return Condition(name, cast(Operator, sign), (value,), token.at)

    def values(self) -> tuple[Value, ...]:
        self.expect("sign", "(", "(")
        values = [self.value()]
        while self.take(","):
            values.append(self.value())
        self.expect("sign", ", or )", ")")
        return tuple(values)

    def value(self) -> Value:
        token = self.next
        if token.kind == "number":
            self.place += 1
            return float(token.text)
        if token.kind == "text":
            self.place += 1
            return _text(token.text)
        word = self.take("true", "false")
        if word is None:
            what = "a number, a text in quotes, true or false"
            raise _wrong(self.text, token.at, f"expected {what}, found {_said(token)}")
        return word == "true"


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while True:
        found = _TOKEN.match(text, place)
        if found is None or found.lastgroup is None:
            at = place + len(text[place:]) - len(text[place:].lstrip())
            hint = "; a text that has no end" if text[at] in "\"'`" else ""
            raise _wrong(text, at, f"{text[at]!r} means nothing here{hint}")
        yield _Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup))
        if found.lastgroup == "end":
            return
        place = found.end()


def _text(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.DOTALL)


def _said(token: _Token) -> str:
    return "the end" if token.kind == "end" else token.text


def _wrong(text: str, at: int, what: str) -> ConfigError:
    """Return an error that shows the place in the text, cut out where the text is long."""
    begin, end = max(0, at - 60), min(len(text), at + 40)
    around = ("…" if begin else "") + text[begin:at] + "<here>" + text[at:end] + ("…" if end < len(text) else "")
    return ConfigError(f"filter, character {at + 1}: {what}: {around}")
