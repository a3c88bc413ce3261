from __future__ import annotations

import builtins
from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse

from penchant import Engine
from penchant.clock import DAY_S, fixed
from penchant.domain.packing import pack
from penchant.domain.profile import History
from penchant.domain.slate import Candidates
from penchant.errors import FormatError
from penchant.recommend.blend import Blend, BlendConfig
from penchant.recommend.contract import Asked
from penchant.recommend.stack import Stack, StackConfig, Table, tabulate
from penchant.recommend.stack_features import BESIDE, OF_SOURCE, names_of, stack_features
from penchant.recommend.voting import Vote, VoteConfig
from penchant.testing import toy_log

N_ITEMS, NOW = 12, 100 * DAY_S


def listed(*items, scores=None):
    item = np.array(items, np.int64)
    return Candidates(item, np.arange(item.size, 0.0, -1.0) if scores is None else np.array(scores, float))


def question(mine=(), days=(), count=None):
    """A query with what the stack looks at."""
    item = np.array(mine, np.int32)
    topics = sparse.csr_array(np.eye(3)[np.arange(N_ITEMS) % 3])
    return SimpleNamespace(
        at=NOW,
        history=History(
            item,
            np.ones(item.size) if count is None else np.array(count, float),
            NOW - np.array(days, float) * DAY_S,
            np.arange(item.size),
        ),
        reading=SimpleNamespace(probability=np.array([0.5, 0.3, 0.2])),
        popularity=lambda _: np.arange(1.0, N_ITEMS + 1.0),
        item_topics=topics,
        since=np.full(N_ITEMS, 90 * DAY_S),
        allowed=np.ones(N_ITEMS, bool),
    )


def test_a_vote_by_hand():
    ranked, parts = Vote(VoteConfig(k=1.0, weights={"b": 2.0, "mute": 0.0})).rank(
        question(), {"a": listed(4, 5, 6), "b": listed(6, 5), "none": listed(), "mute": listed(9)}
    )
    # 4: 1/2. 5: 1/3 + 2/3. 6: 1/4 + 2/2.
    assert ranked.item.tolist() == [6, 5, 4]
    assert ranked.score.tolist() == pytest.approx([1.25, 1.0, 0.5])
    assert parts["b"] == {6: 1.0, 5: pytest.approx(2 / 3)}
    assert set(parts) == {"a", "b"}


def test_votes_do_not_look_at_scores():
    one = Vote().rank(question(), {"a": listed(1, 2, scores=[9, -5])})[0]
    other = Vote().rank(question(), {"a": listed(1, 2, scores=[-1, -2])})[0]
    assert one.item.tolist() == other.item.tolist() == [1, 2]
    assert Vote().rank(question(), {})[0].item.size == 0


def test_features_by_hand():
    item, x = stack_features(
        question([4, 7], [3.0, 10.0], [2.0, 1.0]), {"a": listed(4, 2, 9, scores=[3, 2, -1]), "b": listed(2)}, ["a", "b"]
    )
    assert item.tolist() == [2, 4, 9]
    found = dict(zip(names_of(["a", "b"]), x.T.tolist(), strict=True))
    assert len(found) == 2 * len(OF_SOURCE) + len(BESIDE)
    assert found["a:share"] == pytest.approx([3.04 / 4.04, 1.0, 0.04 / 4.04])
    assert found["a:rank"] == pytest.approx([1 / 2, 1.0, 1 / 3])
    assert found["b:share"] == [1.0, 0.0, 0.0]
    assert found["sources"] == [2.0, 1.0, 1.0]
    assert found["votes"] == pytest.approx([1 / 22 + 1 / 21, 1 / 21, 1 / 23])
    assert found["interest"] == pytest.approx([0.2, 0.3, 0.5])
    assert found["count"] == pytest.approx([0.0, np.log(3.0), 0.0])
    assert found["days_since"] == pytest.approx([np.log(401), np.log(4), np.log(401)])
    assert found["item_age"] == pytest.approx([np.log(11)] * 3)
    assert found["repeat_share"] == pytest.approx([1 / 3] * 3)
    assert found["trend"] == [0.0] * 3


def test_features_of_nobody_and_nothing_are_finite():
    assert stack_features(question(), {}, ["a"])[1].shape == (0, len(names_of(["a"])))
    broken = question([1], [np.nan], [np.nan])
    item, x = stack_features(broken, {"a": listed(1, 2, scores=[np.nan, np.nan])}, ["a", "gone"])
    assert item.tolist() == [1, 2]
    assert np.isfinite(x).all()


def past(n=240, seed=0):
    """Questions where the truth is what source "good" says, and source "loud" is far surer of something else."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        order = rng.permutation(N_ITEMS)
        good, loud = listed(*order[:6]), listed(*rng.permutation(N_ITEMS), scores=np.linspace(99, 1, N_ITEMS))
        yield Asked(question(), {"good": good, "loud": loud}, np.sort(order[:2]))


@pytest.fixture(scope="module")
def learned():
    pytest.importorskip("lightgbm")
    stack = Stack(StackConfig(n_trees=30, min_leaf=10))
    stack.blend = Blend(BlendConfig(weights={"good": 0.1, "loud": 1.0}))
    report = stack.fit(past(), ["good", "loud"], 0)
    assert report["used"] == "trees"
    assert report["ndcg@10"] > report["ndcg@10_blend"] + 0.2
    return stack


def test_it_learns_whom_to_believe(learned):
    for one in past(20, seed=1):
        ranked, parts = learned.rank(one.query, one.proposals)
        assert sorted(ranked.item[:2].tolist()) == one.taken.tolist()
        assert (np.diff(ranked.score) <= 0).all()
        for item, score in zip(ranked.item.tolist(), ranked.score.tolist(), strict=True):
            mine = {source: part[item] for source, part in parts.items() if item in part}
            assert sum(mine.values()) == pytest.approx(score, rel=1e-5)
            assert all(item in one.proposals[source].item for source in mine)
    assert next(iter(learned.importances())).startswith("good:")
    assert sum(learned.importances().values()) == pytest.approx(1.0)


def test_what_was_learned_survives_as_bytes_and_damage_is_noticed(learned):
    state, other = learned.encode(), Stack()
    other.decode(state)
    one = next(past(1, seed=3))
    assert (
        other.rank(one.query, one.proposals)[0].score.tolist()
        == learned.rank(one.query, one.proposals)[0].score.tolist()
    )
    assert other.encode() == state
    assert other.report == learned.report
    for wrong in (b"", b"nonsense", state[:-1], pack(1, {"trees": {}}), pack(2, {})):
        with pytest.raises(FormatError):
            other.decode(wrong)
    assert other.encode() == state


def test_the_same_questions_give_the_same_trees(learned):
    again = Stack(StackConfig(n_trees=30, min_leaf=10))
    again.blend = Blend(BlendConfig(weights={"good": 0.1, "loud": 1.0}))
    again.fit(past(), ["good", "loud"], 0)
    assert again.encode() == learned.encode()


def test_the_blend_ranks_until_something_was_learned_and_where_sources_changed(learned):
    one = next(past(1))
    weights = BlendConfig(weights={"good": 1.0, "loud": 0.5, "new": 1.0})
    fresh = Stack()
    fresh.blend = learned.blend = Blend(weights)
    expected = Blend(weights).rank(one.query, one.proposals)[0]
    assert fresh.rank(one.query, one.proposals)[0].item.tolist() == expected.item.tolist()
    more = {**one.proposals, "new": listed(3)}
    expected = Blend(weights).rank(one.query, more)[0]
    assert learned.rank(one.query, more)[0].item.tolist() == expected.item.tolist()


@pytest.mark.parametrize(
    "asked", [[], list(past(10)), [Asked(one.query, one.proposals, np.array([99])) for one in past(90)]]
)
def test_little_to_learn_from_leaves_the_blend(asked):
    stack = Stack()
    report = stack.fit(iter(asked), ["good", "loud"], 0)
    assert stack.fitted
    assert report["used"] == "blend"
    assert stack.importances() == {}
    again = Stack()
    again.decode(stack.encode())
    assert again.fitted


def test_trees_that_are_not_ahead_of_the_blend_do_not_rank():
    pytest.importorskip("lightgbm")
    rng = np.random.default_rng(0)
    table = Table(
        rng.random((1200, len(names_of(["a"])))).astype(np.float32),
        rng.random(1200) < 0.2,
        np.full(100, 12),
        np.full(100, 3),
    )
    stack = Stack(StackConfig(n_trees=20, min_leaf=5))
    report = stack.learn(table, table.taken.astype(float), ["a"], 0)  # a blend that knows everything
    assert report["used"] == "blend"
    assert report["ndcg@10_blend"] > report["ndcg@10"]


def test_ndcg_of_a_table_by_hand():
    table = Table(np.zeros((5, 1), np.float32), np.array([0, 1, 0, 1, 0], bool), np.array([3, 2]), np.array([1, 2]))
    found = table.ndcg(np.array([3.0, 2.0, 1.0, 1.0, 2.0]))
    best = 1 + 1 / np.log2(3)
    assert found == pytest.approx([1 / np.log2(3), 1 / np.log2(3) / best])
    assert len(tabulate(past(3), ["good"], Blend())[0].size) == 3


@pytest.mark.parametrize("wrong", [{"n_trees": 0}, {"learning_rate": 0}, {"leaves": 3}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        StackConfig(**wrong)


SETTINGS = {
    "pipeline": {"ranker": "stack", "sources": ("popular", "repeat", "rules"), "seen": "allow"},
    "stack": {"n_trees": 10, "min_leaf": 20},
}


@pytest.fixture(scope="module")
def many():
    return toy_log(n_users=70, deeds_per_user=30)


def test_an_engine_fits_its_ranker_and_keeps_it(many, tmp_path):
    pytest.importorskip("lightgbm")
    url = f"sqlite:///{tmp_path / 'log.db'}"
    with Engine.open(url, clock=fixed(many.ends), components=SETTINGS) as engine:
        engine.ingest(many.events)
        before = engine.recommend("user-1", 5)
        report = engine.fit(["repeat", "rules", "blend", "stack"])["stack"]
        assert report["questions"] >= 50
        assert report["seconds"] > 0
        listed = engine.recommend("user-1", 5)
        assert len(before) == len(listed) == 5
        for one in listed:
            assert sum(one.parts.values()) == pytest.approx(one.score, rel=1e-5)
    with Engine.open(url, clock=fixed(many.ends), components=SETTINGS) as again:
        assert [one.item_id for one in again.recommend("user-1", 5)] == [one.item_id for one in listed]
        assert again.recommender.pipeline.ranker.fitted


def test_without_lightgbm_the_blend_goes_on(many, monkeypatch):
    original = builtins.__import__

    def without(name, *rest):
        if name.split(".")[0] == "lightgbm":
            raise ImportError(name)
        return original(name, *rest)

    with Engine.open(clock=fixed(many.ends), components=SETTINGS) as engine:
        engine.ingest(many.events)
        monkeypatch.setattr(builtins, "__import__", without)
        report = engine.fit(["repeat", "rules", "blend", "stack"])["stack"]
        assert report["used"] == "blend"
        assert "penchant[trees]" in report["missing"]
        assert len(engine.recommend("user-1", 5)) == 5
