from __future__ import annotations

import polars as pl
import pytest

from penchant.domain.row import Row, frame_schema
from penchant.process.label import LabelConfig, attribute_topics, label_frame, label_rows

CONFIG = LabelConfig()


def line(kind, item_id, topics=None, payload=None):
    user_id = None if kind == "item" else "ann"
    return Row(f"{kind}-{item_id}-{topics}", kind, user_id, item_id, 1, 1, None, None, None, topics, payload)


@pytest.mark.parametrize(
    ("attributes", "topics"),
    [
        ({}, ()),
        ({"category": "Tea"}, ("Tea",)),
        ({"genres": "Crime|Drama| Crime |"}, ("Crime", "Drama")),
        ({"category": ["a", 3, None, " b "]}, ("a", "b")),
        ({"category": "", "genre": "Jazz"}, ("Jazz",)),
        ({"genre": "Jazz", "topics": ["first"]}, ("first",)),
        ({"category": 7, "categories": ("x",)}, ("x",)),
        ({"category": None}, ()),
        ({"colour": "red"}, ()),
        ({"category": "a\x00b|c"}, ("c",)),
        ({"category": "long " * 100 + "|short"}, ("short",)),
        ({"category": [str(i) for i in range(100)]}, tuple(str(i) for i in range(32))),
    ],
)
def test_attributes_name_topics(attributes, topics):
    assert attribute_topics(attributes, CONFIG) == topics


def test_which_attributes_and_which_separator_can_be_chosen():
    config = LabelConfig(attributes=("shelf",), separator="/")
    assert attribute_topics({"shelf": "food/tea", "category": "x"}, config) == ("food", "tea")


ROWS = [
    line("item", "tea", payload='{"attributes":{"category":"Drinks"}}'),
    line("item", "cup", '["Kitchen"]', '{"attributes":{"category":"Drinks"}}'),
    line("item", "bare", payload='{"title":"Bare"}'),
    line("view", "tea"),
    line("view", "cup", '["own"]'),
    line("view", "cup"),
    line("view", "known"),
    line("view", "never seen"),
    line("view", "bare"),
    line("search", None),
]
LABELS = ['["Drinks"]', '["Kitchen"]', None, '["Drinks"]', '["own"]', '["Kitchen"]', '["Old"]', None, None, None]


def topics_of(item_id):
    return {"known": ("Old",), "tea": ("Stale",)}.get(item_id, ())


def test_events_take_the_topics_of_their_item():
    labelled = label_rows(ROWS, topics_of, CONFIG)
    assert [row.topics for row in labelled] == LABELS
    assert [row._replace(topics=None) for row in labelled] == [row._replace(topics=None) for row in ROWS]


def test_a_frame_is_labelled_like_rows():
    frame = pl.DataFrame(ROWS, schema=frame_schema(), orient="row")
    assert [Row(*row) for row in label_frame(frame, topics_of, CONFIG).rows()] == label_rows(ROWS, topics_of, CONFIG)
    for some in (ROWS[:3], ROWS[3:], ROWS[4:5], ROWS[:1] + ROWS[9:], []):
        frame = pl.DataFrame(some, schema=frame_schema(), orient="row")
        assert [Row(*row) for row in label_frame(frame, topics_of, CONFIG).rows()] == label_rows(
            some, topics_of, CONFIG
        )


def test_the_newest_word_on_an_item_counts_for_the_events_after_it():
    rows = [line("item", "tea", '["old"]'), line("item", "tea", '["new"]'), line("view", "tea")]
    assert label_rows(rows, lambda _: (), CONFIG)[2].topics == '["new"]'
    frame = pl.DataFrame(rows, schema=frame_schema(), orient="row")
    assert label_frame(frame, lambda _: (), CONFIG)["topics"].to_list() == ['["old"]', '["new"]', '["new"]']
