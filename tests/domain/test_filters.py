from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.domain.filters import MAX_LENGTH, Condition, Every, Not, Some, conditions, parse
from penchant.errors import ConfigError


def one(name, operator, *values):
    return Condition(name, operator, values)


def bare(found):
    """Return a filter without places in the text."""
    if isinstance(found, Condition):
        return Condition(found.name, found.operator, found.values)
    if isinstance(found, Not):
        return Not(bare(found.part))
    return type(found)(tuple(bare(part) for part in found.parts))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price < 20", one("price", "<", 20.0)),
        ("price >= -.5e1", one("price", ">=", -5.0)),
        ("a = 'x'", one("a", "=", "x")),
        ('a == "x"', one("a", "=", "x")),
        (r'a = "say \"x\" \\"', one("a", "=", 'say "x" \\')),
        ("a != 1", Not(one("a", "=", 1.0))),
        ("a <> true", Not(one("a", "=", True))),
        ("a in ('x', 2, False)", one("a", "in", "x", 2.0, False)),
        ("a not in ('x')", Not(one("a", "in", "x"))),
        ("title contains 'tea'", one("title", "contains", "tea")),
        ("a is known", one("a", "known")),
        ("a is missing", Not(one("a", "known"))),
        ("a is not known", Not(one("a", "known"))),
        ("a is not missing", one("a", "known")),
        ("`age band` = 'x'", one("age band", "=", "x")),
        ("`and` = 1", one("and", "=", 1.0)),
        ("größe.cm > 3", one("größe.cm", ">", 3.0)),
        ("a=1 or b=2 and c=3", Some((one("a", "=", 1.0), Every((one("b", "=", 2.0), one("c", "=", 3.0)))))),
        ("(a=1 or b=2) and c=3", Every((Some((one("a", "=", 1.0), one("b", "=", 2.0))), one("c", "=", 3.0)))),
        ("not a=1 and b=2", Every((Not(one("a", "=", 1.0)), one("b", "=", 2.0)))),
        ("NOT (a=1 AND b=2)", Not(Every((one("a", "=", 1.0), one("b", "=", 2.0))))),
        ("\n a\t=\n1 ", one("a", "=", 1.0)),
    ],
)
def test_what_a_text_means(text, expected):
    assert bare(parse(text)) == expected


def test_the_example_of_the_documentation():
    found = parse('price < 20 and department in ("GROCERY", "DRUG GM") and not topic = "ALCOHOL"')
    assert [each.name for each in conditions(found)] == ["price", "department", "topic"]
    assert [each.at for each in conditions(found)] == [0, 15, 60]


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        ("", 1, "expected the name of an attribute, not or (, found the end"),
        ("price <", 8, "expected a number, a text in quotes, true or false, found the end"),
        ("price < and", 9, "found and"),
        ("price ~ 3", 7, "'~' means nothing here"),
        ("a = 'x", 5, "a text that has no end"),
        ("a = 1 b = 2", 7, "expected and, or, or the end, found b"),
        ("(a = 1", 7, "expected and, or, or ), found the end"),
        ("a = 1)", 6, "expected and, or, or the end, found )"),
        ("a in ()", 7, "expected a number"),
        ("a in ('x' 'y')", 11, "expected , or )"),
        ("a in 'x'", 6, "expected (, found 'x'"),
        ("a", 2, "expected =, !=, <, <=, >, >=, in, contains or is after 'a', found the end"),
        ("a is 3", 6, "expected known or missing, found 3"),
        ("a < true", 5, "true and false have no order"),
        ("a contains 3", 12, "expected a text in quotes, found 3"),
        ("1 = 1", 1, "expected the name"),
        ("and = 1", 1, "expected the name"),
        ("a = 3x", 5, "'3' means nothing here"),
        ("a = __import__('os')", 5, "expected a number"),
        ("not " * 51 + "a = 1", 205, "more than 50"),
    ],
)
def test_an_error_says_where_and_what(text, at, words):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert str(caught.value).startswith(f"filter, character {at}: ")
    assert words in str(caught.value)


def test_the_error_shows_the_place_in_the_text():
    with pytest.raises(ConfigError, match=r"found and: price < <here>and b = 1$"):
        parse("price < and b = 1")


def test_an_endless_filter_is_refused():
    with pytest.raises(ConfigError, match=r"10,0[0-9]+ characters; at most 10,000"):
        parse("a = 1 or " * (MAX_LENGTH // 9 + 1) + "a = 1")


# -- Made-up filters ---------------------------------------------------------------------------------------------------

values = st.one_of(
    st.text(max_size=6), st.booleans(), st.floats(allow_nan=False, allow_infinity=False, width=32).map(float)
)
names = st.sampled_from(["price", "topic", "a.b", "größe", "two words", "and", "or 1=1"])
leaves = st.one_of(
    st.builds(Condition, names, st.just("="), st.tuples(values)),
    st.builds(
        Condition,
        names,
        st.sampled_from(["<", "<=", ">", ">="]),
        st.tuples(values.filter(lambda v: type(v) is not bool)),
    ),
    st.builds(Condition, names, st.just("in"), st.lists(values, min_size=1, max_size=3).map(tuple)),
    st.builds(Condition, names, st.just("contains"), st.tuples(st.text(max_size=6))),
    st.builds(Condition, names, st.just("known"), st.just(())),
)
filters = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(Every, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Some, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


def written(found):
    """Return the text of a filter."""
    if isinstance(found, Not):
        return f"not ({written(found.part)})"
    if isinstance(found, Every | Some):
        word = " and " if isinstance(found, Every) else " or "
        return word.join(f"({written(part)})" for part in found.parts)

    def value(one):
        if isinstance(one, bool):
            return str(one).lower()
        return repr(one) if isinstance(one, float) else '"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"'

    if found.operator == "known":
        return f"`{found.name}` is known"
    if found.operator == "in":
        return f"`{found.name}` in ({', '.join(map(value, found.values))})"
    return f"`{found.name}` {found.operator} {value(found.values[0])}"


@given(filters)
def test_what_is_written_is_read_again(found):
    assert bare(parse(written(found))) == found


@given(st.text(max_size=60) | st.text(alphabet="ab1 .<>=!()'\"`,\\andornotis", max_size=60))
def test_any_text_is_a_filter_or_a_config_error(text):
    try:
        found = parse(text)
    except ConfigError as error:
        place = int(str(error).removeprefix("filter, character ").split(":")[0])
        assert 1 <= place <= len(text) + 1
    else:
        assert list(conditions(found))


@given(filters, st.data())
def test_a_filter_that_lost_a_piece_is_still_read_or_refused(found, data):
    text = written(found)
    cut = data.draw(st.integers(0, len(text)))
    gone = data.draw(st.integers(0, 5))
    with contextlib.suppress(ConfigError):
        parse(text[:cut] + text[cut + gone :])
