from __future__ import annotations

import contextlib
import math
from datetime import UTC, date, datetime, timedelta, timezone

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.clock import parse_moment, to_us
from penchant.domain.event import EVENT_TYPES, ITEM_REQUIRED, NOBODY, Event
from penchant.domain.row import Row, to_event
from penchant.errors import EventError
from penchant.process.validate import MAX_AMOUNT, MAX_DEPTH, MAX_ID, MAX_PAYLOAD, MAX_TOPICS, Limits, validate
from penchant.process.validate_frame import fill_ids, prepare_frame, verdicts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = Limits.around(NOW, timedelta(days=1), datetime(1970, 1, 1, tzinfo=UTC))
VIEW = {"type": "view", "user_id": "ann", "item_id": "tea", "at": "2026-01-02T03:04:05Z"}


def take(**changes):
    return validate({**VIEW, **changes}, NOW, LIMITS)


def reason(**changes):
    with pytest.raises(EventError) as caught:
        take(**changes)
    return str(caught.value)


# -- known answers -----------------------------------------------------------------------------------------------------


def test_a_full_event_becomes_a_row():
    row = take(
        event_id="e1",
        arrived_at="2026-01-02T04:04:05+01:00",
        value=2,
        amount=3.5,
        session_id="s",
        topics=[" tea ", "green", "tea", " "],
        title="Sencha",
        attributes={"price": 3},
        payload={"shelf": 7},
    )
    at_us = 1_767_323_045_000_000
    payload = '{"attributes":{"price":3},"shelf":7,"title":"Sencha"}'
    assert row == Row("e1", "view", "ann", "tea", at_us, at_us, 2.0, 3.5, "s", '["tea","green"]', payload)


def test_a_missing_time_is_the_arrival():
    row = take(at=None)
    assert row.at_us == row.arrived_us == to_us(NOW)


def test_the_same_content_has_the_same_id_and_any_change_another():
    same = {take().event_id, take().event_id, take(event_id="").event_id, take(event_id=None).event_id}
    assert len(same) == 1
    assert take(arrived_at="2026-01-05").event_id in same  # when we heard of it does not matter
    others = [
        take(type="click"),
        take(user_id="bob"),
        take(item_id="milk"),
        take(at="2026-01-02T03:04:06Z"),
        take(value=1),
        take(amount=1),
        take(session_id="s"),
        take(topics=["a"]),
        take(text="a"),
    ]
    assert len({row.event_id for row in others} | same) == 10


def test_the_order_of_names_in_a_payload_does_not_matter():
    one, other = take(payload={"a": {"x": 1, "y": 2}, "b": 3}), take(payload={"b": 3, "a": {"y": 2, "x": 1}})
    assert one == other


def test_numbers_as_ids_become_text():
    assert take(user_id=7, item_id=12, session_id=0, event_id=2**63)[:4] == (str(2**63), "view", "7", "12")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-02", 1_767_312_000),
        ("2026-01-02T03:04:05", 1_767_323_045),
        ("2026-01-02 03:04:05Z", 1_767_323_045),
        ("2026-01-02T05:04:05+02:00", 1_767_323_045),
        ("20260102T030405Z", 1_767_323_045),
        ("2026-W01-5T03:04:05", 1_767_323_045),
        ("1970-01-01", 0),
        (1_767_323_045, 1_767_323_045),
        (1_767_323_045.25, 1_767_323_045.25),
        (datetime(2026, 1, 2, 3, 4, 5), 1_767_323_045),  # noqa: DTZ001
        (datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2))), 1_767_323_045),
    ],
)
def test_times_in_every_form(text, seconds):
    assert take(at=text).at_us == round(seconds * 1e6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type": None}, "no type"),
        ({"type": "buy"}, "unknown type 'buy'; known: view, click"),
        ({"user_id": None}, "no user_id"),
        ({"user_id": ""}, "no user_id"),
        ({"user_id": True}, "user_id must be text, not bool"),
        ({"user_id": 1.5}, "user_id must be text, not float"),
        ({"user_id": 10**5000}, "user_id must be text"),
        ({"item_id": None}, "no item_id, which view needs"),
        ({"item_id": ""}, "item_id is empty"),
        ({"type": "search", "item_id": ""}, "item_id is empty"),
        ({"type": "item"}, "an item event has no user_id"),
        ({"type": "item", "user_id": ""}, "an item event has no user_id"),
        ({"user_id": "u" * (MAX_ID + 1)}, "user_id has 257 characters; at most 256"),
        ({"event_id": "e" * 10_000_000}, "event_id has 10000000 characters"),
        ({"item_id": "a\x00b"}, "item_id holds a NUL"),
        ({"session_id": "\ud800"}, "session_id holds a NUL or half a character"),
        ({"at": "yesterday"}, "at: not an ISO 8601 time: 'yesterday'"),
        ({"at": "2026-02-30"}, "at: not an ISO 8601 time"),
        ({"at": float("nan")}, "at: not a time: nan"),
        ({"at": float("inf")}, "at: not a time: inf"),
        ({"at": 10**400}, "at: outside the years"),
        ({"at": True}, "at: not a time: bool"),
        ({"at": date(2026, 1, 1)}, "at: not a time: date"),
        ({"at": "0001-01-01"}, "at is before 1970-01-01"),
        ({"at": "9999-12-31"}, "at is in the future"),
        ({"at": datetime.min.replace(tzinfo=timezone(timedelta(hours=9)))}, "at: outside the years"),
        ({"at": "2026-03-02T12:00:00.000001Z"}, "at is in the future"),
        ({"arrived_at": "soon"}, "arrived_at: not an ISO 8601 time"),
        ({"value": float("nan")}, "value is not a finite number"),
        ({"amount": float("-inf")}, "amount is not a finite number"),
        ({"value": 10**400}, "value is not a finite number"),
        ({"value": "3"}, "value must be a number, not str"),
        ({"amount": True}, "amount must be a number, not bool"),
        ({"amount": 2 * MAX_AMOUNT}, "amount is beyond 1,000,000,000,000"),
        ({"amount": -2 * MAX_AMOUNT}, "amount is beyond 1,000,000,000,000"),
        ({"type": "rating"}, "a rating needs a value"),
        ({"topics": [1]}, "topics must be a list of text"),
        ({"topics": {"a": 1}}, "topics must be a list of text"),
        ({"topics": [str(i) for i in range(MAX_TOPICS + 1)]}, "33 topics; at most 32"),
        ({"topics": ["t" * 300]}, "a topic has 300 characters"),
        ({"topics": ["a\x00b"]}, "a topic holds a NUL"),
        ({"topics": "\udfff"}, "a topic holds a NUL or half a character"),
        ({"payload": []}, "payload must be an object, not list"),
        ({"payload": "text"}, "payload must be an object, not str"),
        ({"payload": {"a": float("nan")}}, "payload holds NaN or infinity"),
        ({"payload": {"a": [{"b": float("inf")}]}}, "payload holds NaN or infinity"),
        ({"payload": {"a": 2**64}}, "payload holds a whole number beyond 64 bits"),
        ({"payload": {"a": "\ud800"}}, "payload is not JSON"),
        ({"payload": {"a": object()}}, "payload is not JSON"),
        ({"payload": {("a", "b"): 1}}, "payload is not JSON"),
        ({"attributes": "red"}, "attributes must be an object, not str"),
        ({"facts": [1]}, "facts must be an object, not list"),
        ({"payload": {"context": None}}, "context must be an object, not NoneType"),
        ({"text": "x" * 10_000_000}, "payload of 10000011 characters; at most 65,536"),
        ({"usr": "ann"}, "unknown field 'usr'; put what has no field of its own under 'payload'"),
    ],
)
def test_what_is_wrong_is_refused_with_a_reason(changes, words):
    assert reason(**changes).startswith(words)


def test_deep_nesting_is_refused_before_anything_overflows():
    def nested(depth):
        value = 1
        for _ in range(depth):
            value = [value]
        return {"a": value}

    assert take(payload=nested(MAX_DEPTH - 1)).payload is not None
    for depth in (MAX_DEPTH, 500, 100_000):
        assert reason(payload=nested(depth)) == "payload is nested more than 32 deep"
    round_and_round: dict = {}
    round_and_round["self"] = round_and_round
    assert reason(payload=round_and_round) == "payload is nested more than 32 deep"


def test_the_limits_themselves_are_good():
    assert take(user_id="u" * MAX_ID).user_id == "u" * MAX_ID
    assert take(at=NOW + timedelta(days=1)).at_us == LIMITS.latest_us
    assert take(at=0).at_us == 0
    assert len(msgspec.json.decode(take(topics=[str(i) for i in range(MAX_TOPICS)]).topics)) == MAX_TOPICS
    room = MAX_PAYLOAD - len('{"text":""}')
    assert len(take(text="x" * room).payload) == MAX_PAYLOAD
    assert reason(text="x" * (room + 1)).startswith("payload of 65537 characters")


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_every_type_needs_what_it_says(kind):
    whole = {"type": kind, "item_id": "tea", "value": 1.0} | ({} if kind in NOBODY else {"user_id": "ann"})
    whole = {"type": kind, "topics": ["tea"]} if kind == "topic" else whole
    whole |= {"purpose": "share"} if kind == "consent" else {}
    assert validate(whole, NOW, LIMITS).type == kind
    without_item = {name: value for name, value in whole.items() if name != "item_id"}
    if kind == "statement":
        without_item["topics"] = ["tea"]
    if kind in ITEM_REQUIRED:
        with pytest.raises(EventError, match=f"no item_id, which {kind} needs"):
            validate(without_item, NOW, LIMITS)
    else:
        assert validate(without_item, NOW, LIMITS).item_id is None


@pytest.mark.parametrize("thing", [None, 3, "view", ["view"], object()])
def test_what_is_no_event_is_refused(thing):
    with pytest.raises(EventError, match="not an event"):
        validate(thing, NOW, LIMITS)


def test_an_event_object_follows_the_same_rules():
    mapping = {**VIEW, "event_id": "e1", "topics": ["tea"], "payload": {"text": "mm"}, "value": 1.0}
    row = validate(mapping, NOW, LIMITS)
    event = to_event(row)
    assert validate(event, NOW, LIMITS) == row

    def made(**changes):
        fields = {name: getattr(event, name) for name in Event.__slots__} | changes
        return Event(**fields)

    assert validate(made(at=datetime(2026, 1, 2, 3, 4, 5)), NOW, LIMITS).at_us == row.at_us  # noqa: DTZ001
    for changes, words in [
        ({"payload": {"attributes": 3}}, "attributes must be an object"),
        ({"payload": {"a": object()}}, "payload is not JSON"),
        ({"topics": tuple("abcdefghijklmnopqrstuvwxyz0123456789")}, "36 topics"),
        ({"user_id": ""}, "no user_id"),
        ({"value": math.nan}, "value is not a finite number"),
    ]:
        with pytest.raises(EventError, match=words):
            validate(made(**changes), NOW, LIMITS)


# -- statements and the topic catalogue --------------------------------------------------------------------------------


def said(**changes):
    return reason(type="statement", item_id=None, topics=["tea"], **changes)


def test_what_a_statement_may_say():
    until = "2026-01-02T05:04:05+01:00"
    row = take(type="statement", item_id=None, topics=["tea"], value=-0.5, scope="now", until=until)
    assert row.payload == '{"scope":"now","until":"2026-01-02T05:04:05+01:00"}'
    assert take(type="statement", topics=["tea"], payload={"until": datetime(2027, 1, 1, tzinfo=UTC)}).payload
    assert take(type="view", scope="none of ours", until=3, parent=[]).payload  # only these two types have such rules
    with pytest.raises(EventError, match="a statement needs topics, or an item that has some"):
        take(type="statement", item_id=None, topics=[" "])
    assert said(scope="forever") == "unknown scope 'forever'; known: always, now, mute"
    assert said(scope=["now"]) == "unknown scope \"['now']\"; known: always, now, mute"
    assert said(value=1.5) == "the value of a statement is 1.5; from -1 to 1"
    assert said(scope="mute", value=-1) == "the value of a mute is -1; 1 mutes, 0 lifts the mute"
    assert said(until="2026-01-02T03:04:05Z") == "until is not after at"
    for wrong in ("2026-01-02", "2027-01-01T00:00:00", "soon", 1.8e9, True):
        assert said(until=wrong).startswith(f"until is {str(wrong)!r}; give ISO 8601 text with a time zone"), wrong
    assert said(until=datetime(2027, 1, 1)).startswith("until is '2027-01-01T00:00:00'; give")  # noqa: DTZ001


def test_what_the_topic_catalogue_may_say():
    entry = {"type": "topic", "at": "2026-01-02", "topics": ["green tea"], "title": "Green tea"}
    assert validate({**entry, "parent": " tea "}, NOW, LIMITS).payload == '{"parent":" tea ","title":"Green tea"}'
    assert validate({**entry, "payload": {"parent": None}}, NOW, LIMITS).payload
    for change, words in [
        ({"user_id": "ann"}, "a topic event has no user_id"),
        ({"item_id": "i1"}, "a topic event has no item_id"),
        ({"topics": None}, "a topic event has 0 topics; give the one that it is about"),
        ({"topics": ["a", "b"]}, "a topic event has 2 topics; give the one that it is about"),
        ({"parent": "green tea "}, "a topic cannot be its own parent"),
        ({"parent": " "}, "parent must be the text of one topic, or null"),
        ({"parent": ["tea"]}, "parent must be the text of one topic, or null"),
        ({"parent": "x" * 257}, "parent has 257 characters; at most 256"),
        ({"parent": "a\x00"}, "parent holds a NUL or half a character"),
    ]:
        with pytest.raises(EventError) as caught:
            validate({**entry, **change}, NOW, LIMITS)
        assert str(caught.value) == words


def test_columns_refuse_statements_and_topics_for_the_same_reasons():
    events = [
        {"type": "statement", "user_id": "ann", "topics": ["tea"], "scope": scope, "until": until, "value": value}
        for scope in (None, "now", "mute", "forever")
        for until in (None, "2030-01-01T00:00:00Z", "1999-01-01T00:00:00Z", "2030-01-01", "soon")
        for value in (None, 0.0, 1.0, 0.5, 2.0)
    ]
    events += [
        {"type": "topic", "topics": topics, "parent": parent, "user_id": user}
        for topics in (["tea"], ["a", "b"], None)
        for parent in (None, "tea", "drinks", "")
        for user in (None, "ann")
    ]
    names = ("type", "user_id", "topics", "scope", "until", "value", "parent")
    columns = {name: [event.get(name) for event in events] for name in names}
    rows, verdict = one_by_one(events)
    column_rows, column_verdict = by_columns(pl.DataFrame(columns))
    assert column_verdict == verdict
    assert list(map(repr, column_rows)) == list(map(repr, rows))
    # Two scopes with four good strengths and mute with three, each with no expiry or a coming one; three parents.
    assert len(rows) == (2 * 4 + 3) * 2 + 2


# -- columns follow the same rules -------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NASTY = st.sampled_from(
    [
        *(
            "",
            " ",
            "\x00",
            "a\x00",
            "a\nb",
            "\t",
            '"',
            "\\",
            "\\n",
            "\x1c",
            " \x1f ",
            "\x85x",
            "\u3000x\u3000",
            "\u200b",
        ),
        *(
            "x" * MAX_ID,
            "x" * (MAX_ID + 1),
            "\u00e9" * MAX_ID,
            "\u00e9" * (MAX_ID + 1),
            "\ufeff",
            "e\u0301",
            "\x7f\x80",
        ),
        *("😀", "null", "{}", "[]"),
    ]
)
ID = st.none() | st.sampled_from(["ann", "bob", "tea"]) | NASTY | TEXT
NUMBER = (
    st.none()
    | st.sampled_from(
        [
            0.0,
            -0.0,
            1.0,
            math.nan,
            math.inf,
            -math.inf,
            MAX_AMOUNT,
            1.01 * MAX_AMOUNT,
            -1.01 * MAX_AMOUNT,
            1e308,
            5e-324,
        ]
    )
    | st.floats()
)
ISO = st.sampled_from(
    [
        *(
            "2026-01-02",
            "2026-01-02T03:04:05Z",
            "2026-01-02 03:04:05.123456",
            "2026-01-02T03:04:05.1+00:00",
            "20260102",
        ),
        *("2026-01-02T03:04:05+14:00", "2026-W01-1", "2026-01-02T03", "2026-1-2", "2026-02-30", "2026-01-02T24:00:00"),
        *("2026-01-02T03:04:60", "0001-01-01", "9999-12-31T23:59:59", "0000-01-01", "1969-12-31T23:59:59.999999Z", ""),
        *(
            "2026-03-02T12:00:00Z",
            "2026-03-02T12:00:00.000001Z",
            "2026-01-02T03:04:05.1234567Z",
            "２０２６-01-02",
            "now",
        ),
        *(
            "2026-01-02T03:04:05z",
            " 2026-01-02",
            "2026-01-02T03:04:05Z\n",
            "2026-01-02T03:04Z",
            "1999-12-31T23:59:59-00:00",
        ),
        *("2026-01-02T03:04:05.Z", "2026-01-02t03:04:05", "2026-01-02_03:04:05", "+2026-01-02", "12026-01-02T03:04:05"),
        " ",
    ]
)
MOMENTS = [
    ISO | st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)).map(str) | TEXT,  # noqa: DTZ001
    st.floats() | st.floats(0, 1.8e9) | st.sampled_from([0.5e-6, 1.5e-6, 2.5e-6, 1e12, -1e12, 1767323045.0000005]),
    st.integers(-(2**62), 2**62) | st.integers(0, 1_800_000_000),
    st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)),  # noqa: DTZ001
]
TOPICS = [st.lists(st.none() | NASTY | TEXT, max_size=4) | st.lists(TEXT, min_size=30, max_size=40), NASTY | TEXT]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
SCOPE = st.sampled_from(["always", "now", "mute", "Mute", "", None, 1, ["now"]])
PAYLOAD = (
    st.dictionaries(st.sampled_from(["title", "attributes", "facts", "context", "text"]) | TEXT, JSON, max_size=3)
    | st.fixed_dictionaries({}, optional={"scope": SCOPE, "until": ISO | JSON, "parent": ID | JSON})
    | JSON
    | st.just({"text": "x" * MAX_PAYLOAD})
)
ATTRIBUTES = st.fixed_dictionaries({"colour": TEXT, "weight": st.floats(), "tags": st.lists(TEXT, max_size=2)})
WORDS = st.sampled_from(
    ["no JSON", "", "{", '{"a": NaN}', '{"a": 1e999}', '{"a":"\\ud800"}', '{"a":1,"a":2}', "[" * 5000]
)
TYPE = (
    st.none()
    | st.sampled_from(EVENT_TYPES)
    | st.sampled_from(["statement", "topic"])
    | st.sampled_from(["", "View", "item ", "x" * 50])
)


@st.composite
def crowds(draw):
    """Return (events as mappings, the same as a frame)."""
    n = draw(st.integers(1, 4))

    def column(values):
        return draw(st.lists(values, min_size=n, max_size=n))

    columns = {name: column(ID) for name in ("event_id", "user_id", "item_id", "session_id")}
    columns |= {name: column(NUMBER) for name in ("value", "amount")}
    columns["type"] = column(TYPE)
    kinds = dict.fromkeys(("event_id", "user_id", "item_id", "session_id", "type"), pl.String)
    kinds |= dict.fromkeys(("value", "amount"), pl.Float64)
    for name in ("at", "arrived_at"):
        form = draw(st.integers(0, len(MOMENTS) - 1))
        columns[name] = column(st.none() | MOMENTS[form])
        kinds[name] = (pl.String, pl.Float64, pl.Int64, pl.Datetime("us"))[form]
    form = draw(st.integers(0, 1))
    columns["topics"] = column(st.none() | TOPICS[form])
    kinds["topics"] = (pl.List(pl.String), pl.String)[form]
    texts: dict[str, list] = {}
    if draw(st.booleans()):
        columns["payload"] = column(st.none() | PAYLOAD)
        texts["payload"] = [
            None if value is None else msgspec.json.encode(value).decode() for value in columns["payload"]
        ]
        broken = draw(st.none() | WORDS)
        if broken is not None:
            columns["payload"][0] = texts["payload"][0] = broken
            if broken in ('{"a": NaN}', '{"a": 1e999}', '{"a":1,"a":2}'):
                with contextlib.suppress(msgspec.DecodeError):
                    columns["payload"][0] = msgspec.json.decode(broken)
        kinds["payload"] = pl.String
    else:
        columns["title"], kinds["title"] = column(st.none() | TEXT), pl.String
        columns["attributes"] = column(st.none() | ATTRIBUTES)
        kinds["attributes"] = pl.Struct({"colour": pl.String, "weight": pl.Float64, "tags": pl.List(pl.String)})
    left_out = draw(st.sets(st.sampled_from(sorted(set(columns) - {"type"})), max_size=3))
    names = [name for name in columns if name not in left_out]
    events = [{name: columns[name][i] for name in names} for i in range(n)]
    frame = pl.DataFrame({name: pl.Series(texts.get(name, columns[name]), dtype=kinds[name]) for name in names})
    return events, frame


def one_by_one(events):
    rows, verdict = [], []
    for event in events:
        try:
            rows.append(validate(event, NOW, LIMITS))
            verdict.append(None)
        except EventError as error:
            verdict.append(str(error))
    return rows, verdict


def by_columns(frame):
    prepared = prepare_frame(frame, NOW)
    verdict = verdicts(prepared, LIMITS)
    return [Row(*row) for row in fill_ids(prepared.filter(verdict.is_null())).rows()], verdict.to_list()


@settings(max_examples=150, deadline=None)
@given(crowds())
def test_columns_follow_the_rules_of_single_events(crowd):
    events, frame = crowd
    rows, verdict = one_by_one(events)
    column_rows, column_verdict = by_columns(frame)
    assert [why is None for why in column_verdict] == [why is None for why in verdict], (verdict, column_verdict)
    assert list(map(repr, column_rows)) == list(map(repr, rows))


@settings(max_examples=100, deadline=None)
@given(st.lists(MOMENTS[0], min_size=1, max_size=5))
def test_a_column_of_times_reads_each_as_if_it_were_alone(texts):
    rows, verdict = one_by_one([{**VIEW, "at": text} for text in texts])
    frame = pl.DataFrame({"type": "view", "user_id": "ann", "item_id": "tea", "at": texts})
    column_rows, column_verdict = by_columns(frame)
    assert [why is None for why in column_verdict] == [why is None for why in verdict]
    assert [row.at_us for row in column_rows] == [row.at_us for row in rows]


def good_frame(**columns):
    return pl.DataFrame({"type": ["view"], "user_id": ["ann"], "item_id": ["tea"], **columns})


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"usr": [1]}, "unknown column 'usr'"),
        ({"user_id": [1.5]}, "column 'user_id' must hold text or whole numbers, not Float64"),
        ({"user_id": [True]}, "column 'user_id' must hold text or whole numbers, not Boolean"),
        ({"at": [True]}, "column 'at' must hold times, not Boolean"),
        ({"at": [timedelta(1)]}, "column 'at' must hold times"),
        ({"value": ["3"]}, "column 'value' must hold numbers, not String"),
        ({"topics": [1]}, "column 'topics' must hold text or lists of text, not Int64"),
        ({"payload": [{"a": 1}]}, "column 'payload' must hold JSON text"),
        ({"payload": ["{}"], "title": ["x"]}, "give either 'payload' or title, not both"),
    ],
)
def test_a_frame_with_a_wrong_column_is_refused_whole(columns, words):
    with pytest.raises(EventError, match=words):
        prepare_frame(good_frame(**columns), NOW)


def test_a_frame_needs_a_type():
    with pytest.raises(EventError, match="no column 'type'"):
        prepare_frame(pl.DataFrame({"user_id": ["ann"]}), NOW)


@pytest.mark.parametrize(
    ("column", "at_us"),
    [
        (pl.Series([date(2026, 1, 2)]), 1_767_312_000_000_000),
        (pl.Series([1_767_312_000], dtype=pl.UInt32), 1_767_312_000_000_000),
        (pl.Series([datetime(2026, 1, 2)], dtype=pl.Datetime("ns")), 1_767_312_000_000_000),  # noqa: DTZ001
        (pl.Series([datetime(2026, 1, 2)], dtype=pl.Datetime("ms")), 1_767_312_000_000_000),  # noqa: DTZ001
        (
            pl.Series([datetime(2026, 1, 2)]).dt.replace_time_zone("Europe/Paris"),  # noqa: DTZ001
            1_767_308_400_000_000,
        ),
        (pl.Series([None]), to_us(NOW)),
    ],
)
def test_a_column_of_times_may_have_any_kind(column, at_us):
    rows, verdict = by_columns(good_frame(at=column))
    assert (verdict, [row.at_us for row in rows]) == ([None], [at_us])


def test_whole_numbers_and_categories_are_ids_too():
    frame = pl.DataFrame(
        {
            "type": pl.Series(["view", "item"], dtype=pl.Enum(["view", "item"])),
            "user_id": pl.Series([7, None], dtype=pl.UInt8),
            "item_id": pl.Series([1, 1], dtype=pl.Int64),
            "topics": pl.Series(["a", None], dtype=pl.Categorical),
        }
    )
    rows, verdict = by_columns(frame)
    assert verdict == [None, None]
    assert [row[1:4] for row in rows] == [("view", "7", "1"), ("item", None, "1")]
    assert [row.topics for row in rows] == ['["a"]', None]


def test_an_empty_frame_is_no_trouble():
    for frame in (good_frame(topics=[["a"]], payload=["{}"], at=["2026-01-01"]), good_frame(title=["a"], value=[1])):
        assert by_columns(frame.clear()) == ([], [])


def test_ten_megabytes_of_text_are_refused_in_columns_too():
    big = "x" * 10_000_000
    _, verdict = by_columns(good_frame(text=[big]))
    assert verdict == ["payload of 10000011 characters; at most 65,536"]
    _, verdict = by_columns(good_frame(user_id=[big]))
    assert verdict == ["user_id has 10000000 characters; at most 256"]
    _, verdict = by_columns(good_frame(topics=[[big]]))
    assert verdict == ["a topic has 10000000 characters; at most 256"]


def test_a_row_and_an_event_are_the_same_thing():
    row = take(event_id="e", topics=["a", "b"], payload={"x": [1, 2.5, None]}, value=1, amount=2, session_id="s")
    event = to_event(row)
    assert event.at == parse_moment(VIEW["at"])
    assert event.topics == ("a", "b")
    assert event.payload == {"x": [1, 2.5, None]}
    assert validate(event, NOW, LIMITS) == row
