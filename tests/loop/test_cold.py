from __future__ import annotations

import numpy as np
import pytest

from companions import Companions
from penchant import Engine
from penchant.clock import fixed
from penchant.errors import ConfigError, UnknownNameError
from penchant.interest.models import MODELS
from penchant.loop.cold import RANDOM, _by_chance
from penchant.loop.evaluating import Evaluation
from penchant.testing import toy_log

ASKED: list[tuple[int, list[int]]] = []
LEARNED: list[set[int]] = []


class Watched(Companions):
    """Writes down what it is told."""

    name = "watched"

    def fit(self, training):
        LEARNED.append(set(training.interactions.user.tolist()))
        super().fit(training)

    def scores(self, histories, items):
        ASKED.extend((int(histories.start[b + 1] - histories.start[b]), []) for b in range(len(histories)))
        return super().scores(histories, items)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(MODELS._table, "watched", f"{__name__}:Watched")
    ASKED.clear()
    LEARNED.clear()


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    toy = toy_log(n_users=30, n_items=30, deeds_per_user=25)
    clock = fixed(toy.ends)
    with Engine.open(clock=clock) as engine:
        engine.ingest(toy.events)
        # Four items that are known from the start and taken at the very end only.
        for new in range(4):
            item = {"type": "item", "item_id": f"new-{new}", "title": f"New {new}", "topics": [f"topic-{new}"]}
            engine.ingest({**item, "at": toy.begins})
            for user in range(new, 30, 6):
                deed = {"type": "purchase", "user_id": f"user-{user}", "item_id": f"new-{new}"}
                engine.ingest({**deed, "at": toy.ends.timestamp() - 10 - user})
        frame = engine.ledger.events()
    return Evaluation("toy", frame, lambda: Engine.open(clock=clock, components={"pipeline": {"seen": "allow"}}))


def test_new_users_and_new_items(evaluation):
    report = evaluation.cold(models=["watched"], max_users=8, test=0.15)
    rows = {one.model: one for one in report.models}
    assert {"watched", "pipeline", "blend", "popular", "interest"} <= set(rows)
    assert report.protocol["new_users"] == 8
    assert report.protocol["queries"] == 8 * 4
    for one in report.models:
        assert [name for name in one.metrics if name[:8] == "ndcg@10 "] == [f"ndcg@10 {k}" for k in (0, 1, 3, 5)]
        gained = one.metrics["ndcg@10 5"].value - one.metrics["ndcg@10 0"].value
        assert one.metrics["gained_ndcg@10"].value == pytest.approx(gained)
    # Nothing is known of a new user before the first event; popularity does not change with what is known.
    assert rows["watched"].metrics["ndcg@10 0"].value == 0
    assert rows["watched"].metrics["gained_ndcg@10"].value > 0
    assert report.protocol["seen_items"] == "allowed"
    assert rows["popular"].metrics["gained_ndcg@10"].value == 0
    assert len(LEARNED) == 1
    assert len(LEARNED[0]) == 30 - 8  # the new users are not learned from
    assert sorted(k for k, _ in ASKED[: 8 * 4]) == [0] * 8 + [1] * 8 + [3] * 8 + [5] * 8
    users, items = report.sections
    assert set(users.charts[0].lines) <= set(rows)
    assert [x for x, _ in users.charts[0].lines["watched"]] == [0, 1, 3, 5]
    assert items.name == "new_items"
    assert items.facts["new_items"] == 4
    fresh = {one.model: one.metrics for one in items.models}
    assert fresh["watched"]["answered"].value == 0  # it knows no item that nobody took
    assert fresh["new"]["answered"].value == 1
    assert fresh["new"]["ndcg@10"].value > 0
    assert 0 < fresh[RANDOM]["ndcg@10"].value < 1


def test_chance_by_hand():
    # One of two items: first or second with equal chance.
    assert _by_chance([np.array([0])], 2, 2) == pytest.approx((1 + 1 / np.log2(3)) / 2)
    assert _by_chance([np.array([0, 1])], 2, 5) == pytest.approx(1.0)
    assert _by_chance([np.array([0])], 10, 1) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"known": ()}, ConfigError, r"known is \[\]; give growing numbers"),
        ({"known": (3, 1)}, ConfigError, r"known is \[3, 1\]"),
        ({"known": (-1, 1)}, ConfigError, "none below 0"),
        ({"known": (0, 1000)}, ConfigError, "0 users took 1000 things before the cut"),
        ({"models": ["magic"]}, UnknownNameError, "no item model named 'magic'"),
    ],
)
def test_a_wrong_question_is_said(evaluation, asked, error, words):
    with pytest.raises(error, match=words):
        evaluation.cold(**{"models": (), **asked})
