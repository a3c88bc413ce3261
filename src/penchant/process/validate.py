"""Refuse bad events at the door, with a reason, and bring good ones into the one form of the log."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from penchant.clock import from_us, isoformat, parse_moment, to_us
from penchant.domain.consent import PURPOSES
from penchant.domain.event import EVENT_TYPES, FIELDS, ITEM_REQUIRED, NOBODY, PAYLOAD_FIELDS, TYPE_CODE, Event
from penchant.domain.row import Row, encode_topics, parent_of
from penchant.domain.statements import SCOPES
from penchant.errors import EventError

MAX_ID = 256
MAX_TOPICS = 32
MAX_PAYLOAD = 65_536
MAX_DEPTH = 32
MAX_AMOUNT = 1e12
"""Money beyond this is a mistake, and sums of it would overflow."""
_KNOWN = frozenset(FIELDS)
_A = {"item": "an item", "topic": "a topic"}


@dataclass(frozen=True, slots=True)
class Limits:
    """Between which times an event may have happened, in microseconds since 1970."""

    earliest_us: int
    latest_us: int

    @classmethod
    def around(cls, now: datetime, tolerance: timedelta, earliest: datetime) -> Limits:
        """Return the limits at a moment: a clock may run ahead by ``tolerance``."""
        return cls(to_us(earliest), to_us(now + tolerance))


def validate(given: Event | Mapping[str, Any], now: datetime, limits: Limits) -> Row:
    """Return the event as a row of the log.

    A missing ``at`` is the moment of arrival. A missing ``event_id`` becomes a hash of the content, so that the very
    same event given twice counts once.

    Args:
        given: An event, or a mapping with the fields of ``FIELDS``.
        now: When it arrived.
        limits: When it may have happened.

    Raises:
        EventError: With the reason, when it cannot be taken.
    """
    if isinstance(given, Event):
        given = {name: getattr(given, name) for name in Event.__slots__}
    elif not isinstance(given, Mapping):
        raise EventError(f"not an event: {type(given).__name__}; give a mapping or an Event")
    row = _from_mapping(given, now)
    _check(row, limits)
    if not row.event_id:
        row = row._replace(event_id=content_id(row))
    return row


def _from_mapping(given: Mapping[str, Any], now: datetime) -> Row:
    unknown = [str(name) for name in given if name not in _KNOWN]
    if unknown:
        raise EventError(f"unknown field {unknown[0]!r}; put what has no field of its own under 'payload'")
    payload = given.get("payload")
    if payload is None:
        payload = {}
    elif not isinstance(payload, Mapping):
        raise EventError(f"payload must be an object, not {type(payload).__name__}")
    payload = dict(payload)
    for name in PAYLOAD_FIELDS:
        if given.get(name) is not None:
            payload[name] = given[name]
    return Row(
        _text(given, "event_id") or "",
        _text(given, "type") or "",
        _text(given, "user_id"),
        _text(given, "item_id"),
        _time(given, "at", now),
        _time(given, "arrived_at", now),
        _number(given, "value"),
        _number(given, "amount"),
        _text(given, "session_id"),
        encode_topics(clean_topics(given.get("topics"))),
        encode_payload(payload),
    )


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64:
        return str(value)
    raise EventError(f"{name} must be text, not {type(value).__name__}")


def _number(given: Mapping[str, Any], name: str) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EventError(f"{name} must be a number, not {type(value).__name__}")
    try:
        return float(value)
    except OverflowError:
        raise EventError(f"{name} is not a finite number") from None


def _time(given: Mapping[str, Any], name: str, now: datetime) -> int:
    value = given.get(name)
    if value is None:
        return to_us(now)
    try:
        return to_us(parse_moment(value))
    except ValueError as error:
        raise EventError(f"{name}: {error}") from None


def clean_topics(value: Any) -> tuple[str, ...]:
    """Return topics without the spaces around them, each once; ``EventError`` when they cannot be taken."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, list | tuple) or not all(isinstance(topic, str) for topic in value):
        raise EventError("topics must be a list of text")
    topics = tuple(dict.fromkeys(topic.strip() for topic in value if topic.strip()))
    if len(topics) > MAX_TOPICS:
        raise EventError(f"{len(topics)} topics; at most {MAX_TOPICS}")
    for topic in topics:
        _check_id("a topic", topic)
    return topics


def encode_payload(payload: Mapping[str, Any]) -> str | None:
    """Return a payload as JSON text with sorted names, None when it is empty; ``EventError`` when it cannot be taken."""
    if not payload:
        return None
    for name in ("attributes", "facts", "context"):
        if name in payload and not isinstance(payload[name], Mapping):
            raise EventError(f"{name} must be an object, not {type(payload[name]).__name__}")
    _check_value(payload, MAX_DEPTH)
    try:
        text = msgspec.json.encode(payload, order="sorted").decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise EventError(f"payload is not JSON: {error}") from None
    if len(text) > MAX_PAYLOAD:
        raise EventError(f"payload of {len(text)} characters; at most {MAX_PAYLOAD:,}")
    return text


def _check_value(value: Any, depth: int) -> None:
    """Refuse what JSON, or the bytes of a state, cannot hold."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise EventError("payload holds NaN or infinity")
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise EventError("payload holds a whole number beyond 64 bits")
    elif isinstance(value, Mapping | list | tuple | set | frozenset):
        if depth == 0:
            raise EventError(f"payload is nested more than {MAX_DEPTH} deep")
        for inner in value.values() if isinstance(value, Mapping) else value:
            _check_value(inner, depth - 1)


def _check_id(name: str, value: str) -> None:
    if len(value) > MAX_ID:
        raise EventError(f"{name} has {len(value)} characters; at most {MAX_ID}")
    if not is_whole(value):
        raise EventError(f"{name} holds a NUL or half a character")


def is_whole(text: str) -> bool:
    """Return whether every store can hold the text: no NUL, no half of a surrogate pair."""
    return "\x00" not in text and (text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text))


def _check(row: Row, limits: Limits) -> None:
    """Apply every rule; ``validate_frame`` applies the same ones to columns, and a test holds the two together."""
    if row.type not in TYPE_CODE:
        raise EventError(f"unknown type {row.type[:40]!r}; known: {', '.join(EVENT_TYPES)}" if row.type else "no type")
    if row.type in NOBODY:
        if row.user_id is not None:
            raise EventError(f"{_A[row.type]} event has no user_id")
    elif not row.user_id:
        raise EventError("no user_id")
    if not row.item_id and (row.type in ITEM_REQUIRED or row.item_id == ""):
        raise EventError(f"no item_id, which {row.type} needs" if row.item_id is None else "item_id is empty")
    for name in ("event_id", "user_id", "item_id", "session_id"):
        value = getattr(row, name)
        if value:
            _check_id(name, value)
    if not limits.earliest_us <= row.at_us <= limits.latest_us:
        when = "in the future" if row.at_us > limits.latest_us else f"before {isoformat(from_us(limits.earliest_us))}"
        raise EventError(f"at is {when}")
    for name in ("value", "amount"):
        number = getattr(row, name)
        if number is not None and not math.isfinite(number):
            raise EventError(f"{name} is not a finite number")
    if row.amount is not None and abs(row.amount) > MAX_AMOUNT:
        raise EventError(f"amount is beyond {MAX_AMOUNT:,.0f}")
    if row.type == "rating" and row.value is None:
        raise EventError("a rating needs a value")
    if row.type in WORDED and (reason := WORDED[row.type](row)):
        raise EventError(reason)


def _wrong_statement(row: Row) -> str | None:
    """Return what is wrong with a statement's topics, strength, scope or expiry, None when it is good."""
    if row.topics is None and row.item_id is None:
        return "a statement needs topics, or an item that has some"
    said = msgspec.json.decode(row.payload) if row.payload else {}
    scope = said.get("scope")
    if scope is not None and scope not in SCOPES:
        return f"unknown scope {str(scope)[:40]!r}; known: {', '.join(SCOPES)}"
    if row.value is not None and scope == "mute" and row.value not in (0.0, 1.0):
        return f"the value of a mute is {row.value:g}; 1 mutes, 0 lifts the mute"
    if row.value is not None and not -1.0 <= row.value <= 1.0:
        return f"the value of a statement is {row.value:g}; from -1 to 1"
    until = said.get("until")
    if until is None:
        return None
    try:
        moment = datetime.fromisoformat(until) if isinstance(until, str) else None
        until_us = None if moment is None or moment.tzinfo is None else to_us(parse_moment(moment))
    except ValueError:
        until_us = None
    if until_us is None:
        return f"until is {str(until)[:40]!r}; give ISO 8601 text with a time zone, 2026-03-01T12:00:00Z"
    return "until is not after at" if until_us <= row.at_us else None


def _wrong_topic(row: Row) -> str | None:
    """Return what is wrong with an entry of the topic catalogue, None when it is good."""
    if row.item_id is not None:
        return "a topic event has no item_id"
    topics = msgspec.json.decode(row.topics) if row.topics else []
    if len(topics) != 1:
        return f"a topic event has {len(topics)} topics; give the one that it is about"
    given = (msgspec.json.decode(row.payload) if row.payload else {}).get("parent")
    if given is None:
        return None
    parent = parent_of(row.payload)
    if parent is None:
        return "parent must be the text of one topic, or null"
    try:
        _check_id("parent", parent)
    except EventError as error:
        return str(error)
    return "a topic cannot be its own parent" if parent == topics[0] else None


def _wrong_consent(row: Row) -> str | None:
    """Return what is wrong with a consent's purpose or value, None when it is good."""
    said = msgspec.json.decode(row.payload) if row.payload else {}
    purpose = said.get("purpose")
    if purpose not in PURPOSES:
        given = "no purpose" if purpose is None else f"unknown purpose {str(purpose)[:40]!r}"
        return f"{given}; known: {', '.join(PURPOSES)}"
    if row.value not in (0.0, 1.0):
        given = "no value" if row.value is None else f"the value of a consent is {row.value:g}"
        return f"{given}; 1 gives it, 0 withdraws it"
    source = said.get("context", {}).get("source")
    return None if source is None or (isinstance(source, str) and source) else "context.source must be a text"


WORDED: dict[str, Callable[[Row], str | None]] = {
    "statement": _wrong_statement,
    "topic": _wrong_topic,
    "consent": _wrong_consent,
}
"""What else is looked at, by type, once a row has passed every other rule: the reason to refuse it, or None."""


def content_id(row: Row) -> str:
    """Return an id made of everything the row says, except when it arrived."""
    content = msgspec.json.encode([*row[1:5], *row[6:]])
    return "h-" + hashlib.blake2b(content, digest_size=16).hexdigest()
