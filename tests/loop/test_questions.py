from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from penchant import Engine
from penchant.domain.batch import EventBatch
from penchant.domain.vocabulary import Vocabulary
from penchant.errors import ConfigError
from penchant.loop.questions import first_named, questions, split

DEEDS = [  # user, item, day
    ("ann", "a", 1), ("ben", "a", 1), ("ann", "b", 2), ("ben", "c", 3), ("ann", "c", 4),
    ("ben", "a", 8), ("ben", "d", 8), ("ann", "a", 9), ("ann", "e", 10), ("cat", "a", 10),
]  # fmt: skip


@pytest.fixture
def frame() -> pl.DataFrame:
    with Engine.open() as engine:
        engine.ingest({"type": "item", "item_id": "z", "title": "never taken", "at": "2025-01-01"})
        for user, item, day in DEEDS:
            engine.ingest({"type": "view", "user_id": user, "item_id": item, "at": f"2025-01-{day:02}T12:00:00Z"})
        engine.ingest({"type": "dislike", "user_id": "ben", "item_id": "b", "at": "2025-01-11"})
        return engine.ledger.events()


def ask(frame, protocol, test=0.45, users=None):
    parted = split(frame, protocol, test)
    items = Vocabulary()
    batch = EventBatch.from_frame(frame, items, Vocabulary())
    chosen = {i for i, name in enumerate(batch.users) if users is None or name in users}
    asked = questions(parted, batch, chosen)
    name = items.ids.__getitem__

    def history(q):
        return [name(i) for i in asked.histories.item[asked.histories.row(q)]]

    told = [
        (asked.user_ids[q], history(q), [name(i) for i in asked.relevant[q]], int(asked.before[q]))
        for q in range(len(asked))
    ]
    return parted, asked, batch, told


def test_global_time_asks_everybody_once_at_the_cut(frame):
    parted, asked, _, told = ask(frame, "global_time")
    assert parted.cut == "2025-01-08T12:00:00Z"
    assert not parted.leaks
    assert told == [
        ("ann", ["a", "b", "c"], ["a", "e"], 0),
        ("ben", ["a", "c"], ["a", "d"], 0),
        ("cat", [], ["a"], 0),
    ]
    assert (asked.asked_at < parted.at).all()
    assert asked.known.user.size == 5
    assert parted.part(True).height + parted.part(False).height == frame.height
    assert [items.tolist() for items in asked.unseen()] == [
        [asked.relevant[0].tolist()[-1]], [asked.relevant[1].tolist()[-1]], asked.relevant[2].tolist()
    ]  # fmt: skip


def test_replay_asks_before_every_basket_with_all_that_happened_until_then(frame):
    _, asked, _, told = ask(frame, "replay")
    assert told == [
        ("ben", ["a", "c"], ["a", "d"], 0),
        ("ann", ["a", "b", "c"], ["a"], 2),
        ("ann", ["a", "b", "c", "a"], ["e"], 3),
        ("cat", [], ["a"], 3),
    ]
    assert (np.diff(asked.asked_at) >= 0).all()
    assert asked.known.user.size == 5  # what is fitted stays


def test_leave_one_out_asks_for_everybodys_last(frame):
    parted, asked, _, told = ask(frame, "leave_one_out")
    assert parted.leaks
    assert parted.cut is None
    assert told == [
        ("ben", ["a", "c", "a"], ["d"], 0),  # of two at once the last in the log
        ("ann", ["a", "b", "c", "a"], ["e"], 0),
    ]  # cat took one thing only
    assert asked.known.user.size == len(DEEDS) - 2
    assert parted.late.sum() == 2


def test_only_the_chosen_users_are_asked(frame):
    assert [one[0] for one in ask(frame, "replay", users={"ann"})[3]] == ["ann", "ann"]
    assert ask(frame, "global_time", users=set())[3] == []


def test_nothing_of_the_future_is_in_a_history(toy_engine):
    frame = toy_engine.ledger.events()
    for protocol in ("global_time", "replay"):
        _, asked, batch, _ = ask(frame, protocol, 0.3)
        assert len(asked) > 10
        assert (asked.histories.at <= asked.asked_at[asked.histories.rows()]).all()
        for q in range(len(asked)):  # and what is relevant happened at the next moment or later
            mine = (batch.user == asked.users[q]) & (batch.at > asked.asked_at[q]) & (batch.weight > 0)
            assert set(asked.relevant[q].tolist()) <= set(batch.item[mine].tolist())


def test_when_an_item_was_first_named(frame):
    items = Vocabulary()
    batch = EventBatch.from_frame(frame, items, Vocabulary())
    found = dict(zip([*items.ids, "unknown"], first_named(batch, len(items) + 1), strict=True))
    assert found["unknown"] == np.inf
    assert found["a"] < found["b"] < found["c"] < found["e"]
    assert found["z"] < found["a"]


@pytest.mark.parametrize(
    ("protocol", "test", "words"),
    [("random", 0.1, "no protocol 'random'; known: global_time, replay, leave_one_out"), ("replay", 0.0, "test=0.0")],
)
def test_a_wrong_protocol_or_share_is_said(frame, protocol, test, words):
    with pytest.raises(ConfigError, match=words):
        split(frame, protocol, test)


def test_leave_one_out_is_the_split_that_the_published_sets_carry():
    import os
    from pathlib import Path

    from penchant.collect.datasets import open_dataset
    from penchant.collect.importer import collect
    from penchant.collect.quarantine import Quarantine

    data = Path(os.environ.get("PENCHANT_DATA", Path(__file__).parents[3] / "shared" / "data"))
    folder = data / "amazon_beauty_loo"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    given = pl.read_parquet(folder / "interactions.parquet")
    with Engine.open() as engine:
        collect(open_dataset("amazon_beauty_loo", folder), engine, Quarantine())
        frame = engine.ledger.events()
    assert frame.height == given.height
    taken = split(frame, "leave_one_out", 0.1).part(True).select("user_id", "item_id")
    named = given.filter(pl.col("split") == "test").select(pl.col("user_id", "item_id").cast(pl.String))
    assert taken.sort("user_id").equals(named.sort("user_id"))
