from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.clock import parse_moment
from penchant.collect.mapping import (
    ChosenText,
    Condition,
    Mapping,
    Number,
    Origin,
    Part,
    Reading,
    Skip,
    Text,
    Time,
    Topics,
)
from penchant.collect.mapping_frame import Mapped, map_frame
from penchant.domain.event import FIELDS
from penchant.errors import ConfigError, SourceError

moment = datetime.fromisoformat
BASE = """
[[events]]
type = { constant = "view" }
user_id = "u"
item_id = "i"
"""


def part(text: str) -> Part:
    return Mapping.parse(BASE + text).events[0]


def apply(text: str, **columns: object) -> Mapped:
    height = len(next(iter(columns.values())))  # type: ignore[arg-type]
    frame = pl.DataFrame({"u": ["u"] * height, "i": ["i"] * height, **columns})
    return map_frame(part(text), "events", frame, "test.csv")


def column(text: str, name: str, **columns: object) -> list[object]:
    return apply(text, **columns).events[name].to_list()


def test_every_event_field_can_be_mapped() -> None:
    assert set(FIELDS) <= set(Part.model_fields)


def test_a_mapping_survives_json() -> None:
    mapping = Mapping.parse(BASE + 'at = { column = "t", unit = "ms" }\ntopics = { column = "g", split = "|" }')
    assert Mapping.model_validate_json(mapping.model_dump_json()) == mapping


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not toml [", "is not TOML"),
        ("name = 'x'", "needs [[items]], [[topics]], [[users]] or [[events]]"),
        ("[[events]]\nuser_id = 'u'", "needs type"),
        ("[[items]]\ntitle = 't'", "needs item_id"),
        ("[[users]]\nitem_id = 't'", "needs user_id"),
        (BASE + "colour = 'red'", "events.0.colour"),
        (BASE + "value = { field = 'x' }", "events.0.value"),
        (BASE + "value = { column = 'x', constant = 1 }", "give one of column, constant, product, not column"),
        (BASE + "value = {}", "give one of column, constant, product"),
        (BASE + "at = { column = 'x', unit = 's', format = '%Y' }", "either format or unit"),
        (BASE + "at = { column = 'x', unit = 'weeks' }", "events.0.at.unit"),
        (BASE + "at = { constant = 'yesterday' }", "not an ISO 8601 time"),
        (BASE + "at = { column = 'x', zone = 'Mars/Olympus' }", "time zone"),
        (BASE + "skip = { reason = 'r', when = { column = 'x' } }", "no test"),
        (BASE + "skip = { reason = 'r', when = [] }", "events.0.skip.0.when"),
        (BASE + "skip = { reason = 'r', when = { column = 'x', matches = '([' } }", "not a regular expression"),
        (BASE + "topics = { column = 'x', split = '|', last_of = ['a'] }", "last_of"),
        (BASE + "topics = { column = 'x', else_last_of = ['a'] }", "go with last_of"),
        (BASE + "payload = 'p'\ntitle = 't'", "either payload, or title"),
        (BASE + "read = { encoding = 'utf-16' }", "events.0.read.encoding"),
        (BASE + "read = { delimiter = '||' }", "events.0.read.delimiter"),
    ],
)
def test_a_wrong_mapping_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Mapping.parse(text, "my.toml")
    assert says in str(caught.value)
    assert str(caught.value).startswith("my.toml")


def test_a_column_that_the_file_lacks_is_named_with_those_it_has() -> None:
    with pytest.raises(SourceError, match=r"test.csv has no column 'price'.*it has: u, i, cost.*optional"):
        apply("value = 'price'", cost=[1])
    assert column("value = 'price'\noptional = ['price']", "value", cost=[1]) == [None]


@pytest.mark.parametrize(
    ("field", "values", "wants"),
    [
        ("value = 'x'", pl.Series([date(2020, 1, 1)]), "numbers"),
        ("value = 'x'", pl.Series([{"a": 1}]), "numbers"),
        ("session_id = 'x'", pl.Series([b"bytes"]), "text"),
        ("session_id = 'x'", pl.Series([timedelta(1)]), "text"),
        ("at = 'x'", pl.Series([b"bytes"]), "numbers"),
    ],
)
def test_a_column_of_a_wrong_type_is_an_error_of_the_file(field: str, values: pl.Series, wants: str) -> None:
    with pytest.raises(SourceError, match=f"'x' of test.csv holds .*wants {wants}"):
        apply(field, x=values)


def test_text_steps() -> None:
    assert column("session_id = 'x'", "session_id", x=[17850.0, 1.5, float("nan"), None]) == [
        "17850",
        "1.5",
        None,
        None,
    ]
    assert column("session_id = { column = 'x', whole = true }", "session_id", x=["17850.0", "a.0", "-3.00"]) == [
        "17850",
        "a.0",
        "-3",
    ]
    assert column("session_id = { template = '{a}-{b}:x' }", "session_id", a=[1, None], b=["é", "b"]) == ["1-é:x", None]
    assert column("session_id = { column = 'x', values = { a = 'b', c = '' } }", "session_id", x=list("acz")) == [
        "b",
        None,
        "z",
    ]
    assert column(
        "session_id = { column = 'x', values = { a = 'b' }, otherwise = 'o', default = 'd' }",
        "session_id",
        x=["a", "z", None, ""],
    ) == ["b", "o", "d", "d"]
    assert column("session_id = { column = 'x', strip = true, letters = 'upper' }", "session_id", x=[" ß🎉 "]) == [
        "SS🎉"
    ]


def test_cases_choose_the_type_and_the_first_that_fits_wins() -> None:
    mapping = Mapping.parse("""
        [[events]]
        user_id = "u"
        item_id = "i"
        value = { column = "n", absolute = true }
        amount = { product = ["n", "price"], absolute = true }
        [events.type]
        constant = "purchase"
        cases = [
          { when = { column = "invoice", starts_with = "C" }, constant = "return" },
          { when = [{ column = "n", below = 0 }, { column = "price", missing = false }], constant = "return" },
          { when = { column = "price", one_of = ["0"] }, constant = "view" },
        ]
    """)
    frame = pl.DataFrame(
        {
            "u": ["u"] * 5,
            "i": ["i"] * 5,
            "invoice": ["1", "C2", "3", "4", "5"],
            "n": [2, -1, -3, -4, 5],
            "price": [1.5, 2.0, 3.0, None, 0.0],
        }
    )
    events = map_frame(mapping.events[0], "events", frame, "f").events
    assert events["type"].to_list() == ["purchase", "return", "return", "purchase", "view"]
    assert events["value"].to_list() == [2, 1, 3, 4, 5]
    assert events["amount"].to_list() == [3, 2, 9, None, 0]


def test_numbers_that_are_none_refuse_the_row_and_missing_ones_do_not() -> None:
    mapped = apply("value = { column = 'x', times = 0.01 }", x=["150", "", None, "1e2", "one", "1_0"])
    assert mapped.events["value"].to_list() == [1.5, None, None, 1.0]
    assert mapped.refused.to_list() == [None] * 4 + ["value is not a number"] * 2
    assert column("value = { column = 'x', decimal = ',' }", "value", x=["3,14"]) == [3.14]


def test_skip_rules_give_the_first_reason_that_fits() -> None:
    text = """
    skip = [
      { reason = "guest", when = { column = "c", missing = true } },
      { reason = "post", when = { column = "s", matches = "^(POST|M)$" } },
      { reason = "much", when = { column = "n", above = 9 } },
    ]
    """
    mapped = apply(
        text, c=[1.0, None, float("nan"), 4.0, 5.0], s=["M", "M", "a", "b", "MM"], n=["1", "2", "3", "10", "x"]
    )
    assert mapped.skipped.to_list() == ["post", "guest", "guest", "much", None]
    assert mapped.rows.to_list() == [4]


@pytest.mark.parametrize(
    ("rule", "values", "wanted"),
    [
        ("", ["2017-01-01T00:00:00Z"], moment("2017-01-01T00:00:00")),
        ("", ["2017-01-01"], moment("2017-01-01T00:00:00")),
        ("", [" 2017-01-01 08:30 "], moment("2017-01-01T08:30:00")),
        ("", ["2017-01-01T08:30:00.25+02:00"], moment("2017-01-01T06:30:00.250000")),
        ("", ["2017-01-01T08:30+02"], moment("2017-01-01T06:30:00")),
        (", zone = 'Europe/London'", ["2017-07-01T12:00:00"], moment("2017-07-01T11:00:00")),
        (", zone = 'Europe/London'", ["2017-07-01T12:00:00Z"], moment("2017-07-01T12:00:00")),
        (", zone = 'Europe/London'", ["2017-10-29T01:30:00"], moment("2017-10-29T00:30:00")),
        (", format = '%d/%m/%Y %H:%M'", ["31/12/2011 08:26"], moment("2011-12-31T08:26:00")),
        (", format = '%d.%m.%y'", ["31.12.11"], moment("2011-12-31T00:00:00")),
        (", format = '%Y%m%dT%H%M%S%z'", ["20111231T082600+0100"], moment("2011-12-31T07:26:00")),
        ("", [881250949], datetime.fromtimestamp(881250949, UTC)),
        ("", [881250949.5], datetime.fromtimestamp(881250949.5, UTC)),
        (", unit = 's'", ["881250949"], datetime.fromtimestamp(881250949, UTC)),
        (", unit = 'ms'", [1_365_029_107_123], moment("2013-04-03T22:45:07.123000")),
        (", unit = 'us'", ["1365029107123456"], moment("2013-04-03T22:45:07.123456")),
        (", unit = 'ns'", [1_365_029_107_123_456_789], moment("2013-04-03T22:45:07.123456")),
        ("", [moment("2017-01-01T08:00:00")], moment("2017-01-01T08:00:00")),
        (", zone = 'Europe/London'", [moment("2017-07-01T08:00:00")], moment("2017-07-01T07:00:00")),
        ("", [moment("2017-01-01T08:00:00+02:00")], moment("2017-01-01T06:00:00")),
        ("", [date(2017, 1, 1)], moment("2017-01-01T00:00:00")),
        ("", ["0001-01-01T00:00:00"], moment("0001-01-01T00:00:00")),
    ],
)
def test_times_are_read_to_the_microsecond(rule: str, values: list[object], wanted: datetime) -> None:
    (found,) = column(f"at = {{ column = 'x'{rule} }}", "at", x=values)
    assert found == wanted.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("", "yesterday"),
        ("", "2017-13-01"),
        ("", "99999-01-01T00:00:00"),
        ("", "+262142-01-01T00:00:00Z"),
        ("", "0000-01-01T00:00:00Z"),
        ("", float("inf")),
        ("", 1e300),
        ("", 10**18),
        ("", True),
        (", unit = 's'", "soon"),
        (", unit = 's'", "-1e18"),
        (", format = '%d/%m/%Y'", "2017-01-01"),
        (", zone = 'Europe/London'", "2017-03-26T01:30:00"),
    ],
)
def test_what_is_no_time_refuses_the_row(rule: str, value: object) -> None:
    mapped = apply(f"at = {{ column = 'x'{rule} }}", x=[value])
    assert mapped.refused.to_list() == ["at is not a time"]


def test_a_missing_time_refuses_the_row_instead_of_becoming_now() -> None:
    mapped = apply("at = 'x'", x=["", "2017-01-01"])
    assert mapped.refused.to_list() == ["at is missing", None]


@settings(deadline=None, max_examples=30)
@given(st.datetimes(min_value=moment("0001-01-02"), max_value=moment("9999-12-30"), timezones=st.just(UTC)))
def test_iso_text_means_the_same_as_for_single_events(at: datetime) -> None:
    for text in (at.isoformat(), at.isoformat(" "), at.isoformat().replace("+00:00", "Z")):
        assert column("at = 'x'", "at", x=[text]) == [parse_moment(text)]


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=40))
def test_any_text_is_a_time_or_a_refusal(text: str) -> None:
    for rule in ("", ", format = '%d/%m/%Y %H:%M:%S'", ", unit = 'ms'", ", zone = 'Asia/Tokyo'"):
        mapped = apply(f"at = {{ column = 'x'{rule} }}", x=[text])
        assert mapped.events.height + mapped.refused.count() == 1


def test_topics() -> None:
    assert column("topics = { column = 'x', split = '|' }", "topics", x=["Crime| Drama", "News", None]) == [
        ["Crime", "Drama"],
        ["News"],
        None,
    ]
    assert column("topics = { column = 'x', split = ' ', values = { unknown = '' } }", "topics", x=["a unknown"]) == [
        ["a"]
    ]
    assert column("topics = { columns = ['a', 'b'], letters = 'lower' }", "topics", a=["A", None], b=["B", "C"]) == [
        ["a", "b"],
        ["c"],
    ]
    assert column("topics = { column = 'x', values = { a = 'b' } }", "topics", x=["a", "c", ""]) == ["b", "c", None]
    assert column("topics = 'x'", "topics", x=[["a", None], None, []]) == [["a"], None, []]


def test_the_last_known_word_is_the_topic() -> None:
    text = """
    [events.topics]
    column = "x"
    until = ["with", "for"]
    last_of = { "t-light holder" = [], "candle holder" = ["candlestick"], holder = [], cherry = [], bag = [] }
    else_last_of = ["heart"]
    """
    names = {
        "RED HEART T-LIGHT HOLDERS": "t-light holder",
        "SET/2 candlesticks, brass": "candle holder",
        "EGG HOLDER": "holder",
        "bag of cherries": "cherry",
        "BAG WITH HOLDER": "bag",
        "With holder": "holder",
        "HEARTS": "heart",
        "holderless": None,
        "مرحبا heart": "heart",
        "": None,
    }
    assert column(text, "topics", x=list(names)) == list(names.values())


def test_payload_is_json_without_nulls() -> None:
    text = """
    title = "t"
    context = "c"
    [events.attributes]
    "the price" = "p"
    n = "n"
    when = "d"
    """
    found = column(
        text,
        "payload",
        t=['"quo\\ted"\n', "مرحبا 🎉", None],
        p=[1.5, float("nan"), None],
        n=[2**60, None, None],
        d=[date(2020, 1, 1), None, None],
        c=['{"a": [1, null]}', None, None],
    )
    assert [None if text is None else msgspec.json.decode(text) for text in found] == [
        {
            "title": '"quo\\ted"\n',
            "attributes": {"the price": 1.5, "n": 2**60, "when": "2020-01-01"},
            "context": {"a": [1, None]},
        },
        {"title": "مرحبا 🎉"},
        None,
    ]


def test_json_objects_are_checked() -> None:
    mapped = apply("payload = 'p'", p=['{"a": 1}', "{a}", "[1]", None, "[" * 5000])
    assert mapped.refused.to_list() == [
        None,
        *["payload is not a JSON object"] * 2,
        None,
        "payload is not a JSON object",
    ]
    assert mapped.events["payload"].to_list() == ['{"a": 1}', None]


def test_events_come_out_in_time_order_with_their_rows() -> None:
    mapped = apply("at = 'x'", x=["2017-01-03", "2017-01-01", "no", "2017-01-02"])
    assert mapped.rows.to_list() == [1, 3, 0]


def test_constants_alone_fill_every_row() -> None:
    mapping = Mapping.parse('[[events]]\ntype = { constant = "search" }\nuser_id = { constant = "u" }')
    assert map_frame(mapping.events[0], "events", pl.DataFrame({"a": [1, 2, 3]}), "f").events.height == 3
    assert map_frame(mapping.events[0], "events", pl.DataFrame({"a": []}), "f").events.height == 0


def test_texts_that_mean_nothing_are_missing() -> None:
    text = "session_id = { column = 'x', default = 'none' }\nread = { missing = ['NA', '-'] }"
    assert column(text, "session_id", x=["NA", "-", "a"]) == ["none", "none", "a"]


DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["reference/mapping.md", "how-to/add-a-source.md"])
def test_mappings_in_the_documentation_are_good(page: str) -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    mappings = [Mapping.parse(block, page) for block in blocks if "[project" not in block]
    assert mappings


def test_every_word_of_the_language_is_documented() -> None:
    page = (DOCS / "reference/mapping.md").read_text(encoding="utf-8")
    models = (Mapping, Part, Skip, Condition, Text, ChosenText, Number, Time, Topics, Origin)
    words = {name for model in models for name in model.model_fields} - {"read"}
    words |= {f"read.{name}" for name in Reading.model_fields}
    assert [
        word for word in sorted(words) if not re.search(rf"`[^`\n]*\b{re.escape(word)}\b|^\[*{word}\b", page, re.M)
    ] == []
