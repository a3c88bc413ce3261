"""Topics for events that bring none: those of their item, found among the item's attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from pydantic import BaseModel, ConfigDict

from penchant.domain.row import Row, encode_topics
from penchant.process.validate import MAX_ID, MAX_TOPICS, is_whole

if TYPE_CHECKING:
    import polars as pl


class LabelConfig(BaseModel):
    """Which attributes of an item are its topics."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attributes: tuple[str, ...] = ("topics", "category", "categories", "genre", "genres")
    """The first of these attributes that an item has gives its topics, when the item event names none."""
    separator: str = "|"
    """Splits one text into several topics."""


def attribute_topics(attributes: Mapping[str, Any], config: LabelConfig) -> tuple[str, ...]:
    """Return the topics that an item's attributes name; empty when none does.

    What could be no topic of an event (too long, a NUL in it, more than fit) is left out: the item stays welcome.

    >>> attribute_topics({"genres": "Crime|Drama"}, LabelConfig())
    ('Crime', 'Drama')
    """
    for name in config.attributes:
        value = attributes.get(name)
        if value is None:
            continue
        parts = value.split(config.separator) if isinstance(value, str) else value
        if isinstance(parts, list | tuple):
            topics = dict.fromkeys(part.strip() for part in parts if isinstance(part, str))
            usable = tuple(topic for topic in topics if 0 < len(topic) <= MAX_ID and is_whole(topic))
            if usable:
                return usable[:MAX_TOPICS]
    return ()


def label_item(row: Row, config: LabelConfig) -> Row:
    """Return an item row with topics from its attributes where it names none."""
    if row.topics is not None or row.payload is None:
        return row
    attributes = msgspec.json.decode(row.payload).get("attributes", {})
    return row._replace(topics=encode_topics(attribute_topics(attributes, config)))


def label_rows(rows: Sequence[Row], topics_of: Callable[[str], tuple[str, ...]], config: LabelConfig) -> list[Row]:
    """Return the rows with topics: an item row from its attributes, any other from its item.

    Args:
        rows: Rows in log order; items that come in them count for the rows after them.
        topics_of: Topics of an item that the catalogue knows, empty when it does not.
        config: How attributes become topics.
    """
    here: dict[str, str | None] = {}
    labelled = []
    for row in rows:
        if row[1] == "item":
            row = label_item(row, config)
            if row[9] is not None:
                here[str(row[3])] = row[9]
        elif row[9] is None and row[3] is not None:
            topics = here[row[3]] if row[3] in here else encode_topics(topics_of(row[3]))
            if topics is not None:
                row = row._replace(topics=topics)
        labelled.append(row)
    return labelled


def label_frame(frame: pl.DataFrame, topics_of: Callable[[str], tuple[str, ...]], config: LabelConfig) -> pl.DataFrame:
    """Return a frame in the log's schema with topics, items first in it; see ``label_rows``."""
    import polars as pl

    items = frame.filter(pl.col("type") == "item")
    rest = frame.filter(pl.col("type") != "item")
    here: dict[str, str | None] = {}
    if items.height:
        labelled = label_rows([Row(*row) for row in items.rows()], topics_of, config)
        here = {str(row.item_id): row.topics for row in labelled if row.topics is not None}
        items = items.with_columns(pl.Series("topics", [row.topics for row in labelled], dtype=pl.String))
    bare = rest.filter(pl.col("topics").is_null())["item_id"].drop_nulls().unique()
    if bare.len():
        names = bare.to_list()
        topics = [here[name] if name in here else encode_topics(topics_of(name)) for name in names]
        found = rest["item_id"].replace_strict(bare, pl.Series(topics, dtype=pl.String), default=None)
        rest = rest.with_columns(pl.coalesce(pl.col("topics"), found).alias("topics"))
    return pl.concat([items, rest]) if items.height else rest
