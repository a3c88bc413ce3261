from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from reranking import asked, ranked

from penchant.domain.impressions import Impressions
from penchant.domain.slate import Candidates
from penchant.domain.taste import ItemVectors
from penchant.recommend import RERANKERS
from penchant.recommend.calibrate import Calibrate, CalibrateConfig, divergence
from penchant.recommend.fairness import Fairness, FairnessConfig, in_head, least
from penchant.recommend.fatigue import Fatigue, FatigueConfig
from penchant.recommend.freshness import Freshness, FreshnessConfig
from penchant.recommend.mmr import MMR, MMRConfig
from penchant.recommend.novelty import Novelty, NoveltyConfig

NOW = 100 * 86_400.0


def order(reranker, query, *scores):
    answer = reranker.rerank(query, ranked(*scores))
    by_item = dict(enumerate(scores))
    assert answer.score.tolist() == [by_item[item] for item in answer.item.tolist()]  # scores go with their items
    return answer.item.tolist()


# -- MMR ---------------------------------------------------------------------------------------------------------------


def test_mmr_by_hand():
    # Relevance 1, 0.8, 0.4, 0. Second place: item 1 has 0.5*0.8 - 0.5*1 = -0.1, item 2 has 0.5*0.4 - 0 = 0.2.
    # Third: item 1 still -0.1, item 3 has 0 - 0.5*1 (like item 2).
    query = asked(topics=[[0], [0], [1], [1]], n=4)
    assert order(MMR(MMRConfig(strength=0.5)), query, 5.0, 4.0, 2.0, 0.0) == [0, 2, 1, 3]


def test_mmr_counts_shared_topics_in_part():
    # Cosine of {0, 1} and {0} is 0.71. Second place: item 1 has 0.5*0.9 - 0.5*0.71 = 0.1, item 2 0.5*0.5 = 0.25.
    query = asked(topics=[[0, 1], [0], [2], []], n=2)
    assert order(MMR(MMRConfig(strength=0.5)), query, 1.0, 0.9, 0.5, 0.0)[:2] == [0, 2]
    # With less strength 0.8*0.9 - 0.2*0.71 = 0.58 beats 0.8*0.5.
    assert order(MMR(MMRConfig(strength=0.2)), query, 1.0, 0.9, 0.5, 0.0)[:2] == [0, 1]


def test_mmr_by_vectors():
    vectors = ItemVectors.of(np.array([0, 1, 2]), np.array([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0]]))
    query = asked(topics=[[0], [1], [0], [0]], n=3, vectors=lambda: vectors)
    mmr = MMR(MMRConfig(strength=0.5, similarity="vectors"))
    assert order(mmr, query, 1.0, 0.9, 0.5, 0.0) == [0, 2, 3, 1]  # item 3 has no vector: it is like none
    assert order(mmr, asked(topics=[[0]] * 3, n=3), 1.0, 0.9, 0.5) == [0, 1, 2]  # no vectors at all


# -- Calibration -------------------------------------------------------------------------------------------------------


def test_calibration_by_hand():
    # Wanted 70:30. Relevance alone would fill the list with topic 0; three of one and one of the other are nearest.
    query = asked(topics=[[0], [0], [0], [0], [1], [1]], n=4, interest=[0.7, 0.3])
    calibrated = order(Calibrate(CalibrateConfig(strength=0.8)), query, 1.0, 0.98, 0.96, 0.94, 0.5, 0.0)
    assert sorted(calibrated[:4]) == [0, 1, 2, 4]
    assert calibrated[0] == 0


def test_the_cost_of_a_place_is_worked_out_exactly():
    """Against the formula, worked out anew for every choice."""
    rng = np.random.default_rng(0)
    interest = rng.dirichlet(np.ones(6) * 0.5)
    topics = [list(rng.choice(6, rng.integers(0, 4), replace=False)) for _ in range(30)]
    scores = np.sort(rng.random(30))[::-1]
    query = asked(topics=topics, n=8, interest=interest)
    strength = 0.6
    answer = Calibrate(CalibrateConfig(strength=strength)).rerank(query, ranked(*scores)).item.tolist()
    relevance = (scores - scores.min()) / (scores.max() - scores.min())
    table = query.item_topics.toarray()
    chosen: list[int] = []
    for _ in range(8):
        values = []
        for item in range(30):
            rows = [i for i in [*chosen, item] if topics[i]]
            listed = table[rows].mean(axis=0) if rows else np.zeros(6)
            values.append((1 - strength) * relevance[item] - strength * divergence(interest, listed))
        chosen.append(max((i for i in range(30) if i not in chosen), key=lambda i: (round(values[i], 12), -i)))
    assert answer[:8] == chosen


def test_the_long_term_view_can_be_meant():
    query = asked(topics=[[0], [0], [1]], n=2, interest=[1.0, 0.0], long_term=[0.0, 1.0])
    assert order(Calibrate(CalibrateConfig(strength=0.9)), query, 1.0, 0.9, 0.0)[:2] == [0, 1]
    assert order(Calibrate(CalibrateConfig(strength=0.9, view="long_term")), query, 1.0, 0.9, 0.0)[0] == 2


# -- Novelty, freshness ------------------------------------------------------------------------------------------------


def test_novelty_by_hand():
    # Surprise of 8, 4, 1, 0 of 13 events: 0.70, 1.70, 3.70, 3.70 bits (an unseen item counts as the rarest), brought to
    # 0, 1/3, 1, 1. With strength 0.5: 0.5, 0.4 + 0.17, 0.2 + 0.5, 0 + 0.5.
    query = asked(topics=[[]] * 4, n=4, popularity=[8.0, 4.0, 1.0, 0.0])
    assert order(Novelty(NoveltyConfig(strength=0.5)), query, 1.0, 0.8, 0.4, 0.0) == [2, 1, 0, 3]


def test_where_nobody_did_anything_nothing_is_novel():
    assert order(Novelty(), asked(topics=[[]] * 2, n=2, popularity=[0.0, 0.0]), 1.0, 0.0) == [0, 1]


def test_freshness_by_hand():
    # After 14 days half as new. Strength 0.5: 0.5 + 0.5*0, 0.4 + 0.5*0.5, 0.0 + 0.5*1; the first is not catalogued.
    query = asked(topics=[[]] * 3, n=3, since=[-np.inf, NOW - 14 * 86_400, NOW])
    assert order(Freshness(FreshnessConfig(strength=0.5)), query, 1.0, 0.8, 0.0) == [1, 0, 2]


# -- Fairness ----------------------------------------------------------------------------------------------------------


def test_the_least_numbers_are_those_of_the_paper():
    # Zehlike et al. 2017, table 2, significance 0.1.
    assert least(12, 0.5, 0.1) == (0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4)
    assert least(12, 0.3, 0.1) == (0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2)
    assert least(12, 0.7, 0.1) == (0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6)


def test_fairness_by_hand():
    # Items 0..4 hold 80 of 84 events; of ten places at share 0.5 the tail is due one at 4, two at 7, three at 9.
    query = asked(topics=[[]] * 14, n=10, popularity=[16.0] * 5 + [16.0] * 5 + [1.0] * 4)
    answer = order(Fairness(FairnessConfig(share=0.5, head_share=0.9)), query, *np.arange(14.0, 0.0, -1.0))
    assert answer == [0, 1, 2, 10, 3, 4, 11, 5, 12, 6, 7, 8, 9, 13]


def test_tail_items_that_stand_high_already_count():
    query = asked(topics=[[]] * 6, n=6, popularity=[1.0, 50.0, 50.0, 50.0, 50.0, 1.0])
    assert order(Fairness(FairnessConfig(share=0.3)), query, *np.arange(6.0, 0.0, -1.0)) == list(range(6))


def test_the_head_is_the_fewest_items_that_hold_the_share():
    assert in_head(np.array([5.0, 3.0, 1.0, 1.0]), 0.8).tolist() == [True, True, False, False]
    assert in_head(np.zeros(3), 0.8).tolist() == [False] * 3


# -- Fatigue -----------------------------------------------------------------------------------------------------------


def showing(**times):
    """Return impressions of items by number, days ago, newest first."""
    at = np.full((len(times), 4), -np.inf)
    for row, days in enumerate(times.values()):
        at[row, : len(days)] = NOW - np.array(days) * 86_400
    return Impressions(np.array([int(name[1:]) for name in times], dtype=np.int32), at)


def test_fatigue_by_hand():
    # Item 0 was shown now and three days ago: 1 + 1/2 showings; 2**-1.5 = 0.354 of relevance 1.
    query = asked(topics=[[]] * 3, n=3, shown=lambda: showing(i0=[0.0, 3.0]))
    fatigue = Fatigue(FatigueConfig(strength=1.0, half_life_days=3.0))
    assert order(fatigue, query, 1.0, 0.36, 0.0) == [1, 0, 2]
    assert order(fatigue, query, 1.0, 0.35, 0.0) == [0, 1, 2]


def test_a_reaction_ends_the_fatigue():
    shown = showing(i0=[2.0, 3.0])
    for days_ago, expected in [(1.0, [0, 1, 2]), (2.5, [0, 1, 2]), (4.0, [1, 0, 2])]:
        query = asked(topics=[[]] * 3, n=3, shown=lambda: shown, took={0: NOW - days_ago * 86_400})
        fatigue = Fatigue(FatigueConfig(strength=1.0))
        # Reacted between the two showings: one is left, 2**-(2/3) = 0.63 of it still stands.
        scores = (1.0, 0.6, 0.0) if days_ago == 2.5 else (1.0, 0.5, 0.0)
        assert order(fatigue, query, *scores) == expected


def test_what_is_shown_later_is_not_known_yet():
    query = asked(topics=[[]] * 2, n=2, shown=lambda: showing(i0=[-1.0]))
    assert order(Fatigue(FatigueConfig(strength=9.0)), query, 1.0, 0.5) == [0, 1]


def test_through_the_engine(open_engine, toy):
    engine = open_engine(components={"pipeline": {"rerankers": ["fatigue"]}, "fatigue": {"strength": 3.0}})
    engine.ingest(toy.events)
    first = engine.recommend("user-2", 3)[0]
    assert first.moves == {}
    seen = {"type": "impression", "user_id": "user-2", "item_id": first.item_id}
    engine.ingest([seen, seen])
    later = engine.recommend("user-2", 40)
    place = [one.item_id for one in later].index(first.item_id)
    assert place > 0
    assert later[place].moves == {"fatigue": -place}
    assert engine.explain("user-2", first.item_id).recommendation.moves == {"fatigue": -place}
    # Somebody else is not tired of it.
    assert all("fatigue" not in one.moves for one in engine.recommend("user-3", 10))


# -- All of them -------------------------------------------------------------------------------------------------------

STRONG = {
    "spread": {"max_share": 0.2},
    "mmr": {"strength": 0.7},
    "calibrate": {"strength": 0.7},
    "novelty": {"strength": 0.7},
    "fair": {"share": 0.7},
    "fatigue": {"strength": 2.0},
    "fresh": {"strength": 0.7},
}


def made(name, **options):
    return RERANKERS[name](RERANKERS[name].Config(**options))


def test_every_reranker_is_tried_here():
    assert set(STRONG) == set(RERANKERS)


@pytest.mark.parametrize("name", STRONG)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_nothing_is_lost_or_added_and_scores_go_with_their_items(name, data):
    m = data.draw(st.integers(0, 12))
    scores = sorted(data.draw(st.lists(st.floats(-5, 5), min_size=m, max_size=m)), reverse=True)
    topics = data.draw(st.lists(st.lists(st.integers(0, 3), unique=True, max_size=3), min_size=m, max_size=m))
    popularity = data.draw(st.lists(st.integers(0, 9).map(float), min_size=m, max_size=m))
    shown = Impressions(np.arange(m, dtype=np.int32)[::2], np.full((len(range(0, m, 2)), 4), NOW - 86_400))
    query = asked(topics=topics, n=data.draw(st.integers(1, 14)), popularity=popularity, shown=lambda: shown)
    before = [scores, query.item_topics.data.copy()]
    answer = order(made(name, **STRONG[name]), query, *scores)
    assert sorted(answer) == list(range(m))
    assert before[0] == scores
    assert (before[1] == query.item_topics.data).all()


@pytest.mark.parametrize("name", [name for name in STRONG if name != "spread"])
def test_strength_zero_changes_nothing(name):
    query = asked(
        topics=[[0], [0], [1]], n=3, popularity=[9.0, 5.0, 1.0], since=[0.0, 1.0, NOW], shown=lambda: showing(i0=[0.0])
    )
    option = "share" if name == "fair" else "strength"
    assert order(made(name, **{option: 0}), query, 1.0, 0.9, 0.1) == [0, 1, 2]


@pytest.mark.parametrize("name", STRONG)
def test_an_empty_list_stays_empty(name):
    empty = Candidates(np.empty(0, np.int64), np.empty(0))
    assert made(name, **STRONG[name]).rerank(asked(topics=[[0]], n=3), empty).item.size == 0


@pytest.mark.parametrize("name", STRONG)
@pytest.mark.parametrize("wrong", [{"strength": -0.1}, {"strength": 99, "x": 1}, {"max_share": 0}, {"share": 1}])
def test_impossible_settings_are_refused(name, wrong):
    with pytest.raises(ValidationError):
        made(name, **wrong)


@pytest.mark.parametrize("name", STRONG)
def test_every_reranker_works_in_the_pipeline(open_engine, toy, name):
    engine = open_engine(components={"pipeline": {"rerankers": [name]}, name: STRONG[name]})
    engine.ingest(toy.events)
    plain = open_engine(components={"pipeline": {"rerankers": []}})
    plain.ingest(toy.events)
    everything = {one.item_id: place for place, one in enumerate(plain.recommend("user-2", 40))}
    slate = engine.recommend("user-2", 10)
    assert len(slate) == 10
    for place, one in enumerate(slate):
        assert one.moves.get(name, 0) == everything[one.item_id] - place  # it says how it changed the list
