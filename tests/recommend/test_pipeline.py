from __future__ import annotations

import msgspec
import numpy as np
import pytest

from penchant.errors import ConfigError, UnknownNameError
from penchant.recommend import SOURCES
from penchant.recommend.pipeline import Pipeline, PipelineConfig


def ids(recommendations):
    return [one.item_id for one in recommendations]


def test_every_source_can_be_asked_alone(open_engine, toy):
    engine = open_engine(components={"pipeline": {"seen": "allow"}})
    engine.ingest(toy.events)
    engine.fit(["item_knn", "taste"])
    for name in PipelineConfig().sources:
        slate = engine.recommend("user-2", 5, strategy=name)
        assert slate
        assert {one.source for one in slate} == {name}
        assert [one.score for one in slate] == sorted((one.score for one in slate), reverse=True)
        assert all(one.parts == {name: one.score} for one in slate)


def test_an_unknown_strategy_names_the_known_ones(toy_engine):
    with pytest.raises(
        UnknownNameError, match=r"no strategy named 'magic'; known: (.*, )?interest, .*popular, .*recent, .*taste"
    ):
        toy_engine.recommend("user-2", strategy="magic")


def test_sources_outside_the_pipeline_can_still_be_asked(open_engine, toy):
    engine = open_engine(components={"pipeline": {"sources": ["popular"]}})
    engine.ingest(toy.events)
    assert {one.source for one in engine.recommend("user-2")} == {"popular"}
    assert {one.source for one in engine.recommend("user-2", strategy="new")} == {"new"}


def test_a_list_without_rerankers_is_the_ranker_s(open_engine, toy):
    engine = open_engine(components={"pipeline": {"rerankers": []}})
    engine.ingest(toy.events)
    slate = engine.recommend("user-2", 30)
    assert [one.score for one in slate] == sorted((one.score for one in slate), reverse=True)


def test_no_topic_takes_more_than_its_share(toy_engine):
    topics = {event["item_id"]: event["topics"][0] for event in toy_engine_events(toy_engine)}
    slate = toy_engine.recommend("user-2", 10)
    counts = [sum(topics[item] == topic for item in ids(slate)) for topic in set(topics.values())]
    assert max(counts) <= 4


def toy_engine_events(engine):
    items = engine.log.span(0, 10**18)
    items = items.filter(items["type"] == "item")
    return [{"item_id": row["item_id"], "topics": msgspec.json.decode(row["topics"])} for row in items.rows(named=True)]


@pytest.mark.parametrize(
    ("components", "words"),
    [
        ({"pipeline": {"sources": ["popular", "magic"]}}, "no candidate source named 'magic'; known: (.*, )?interest"),
        ({"pipeline": {"ranker": "magic"}}, "no ranker named 'magic'; known: blend"),
        ({"pipeline": {"rerankers": ["magic"]}}, "no reranker named 'magic'; known: calibrate, fair"),
    ],
)
def test_an_unknown_component_is_named(open_engine, components, words):
    with pytest.raises(UnknownNameError, match=words):
        open_engine(components=components).recommend("ann")


@pytest.mark.parametrize(
    ("components", "words"),
    [
        ({"pipeline": {"pool": 0}}, "components.pipeline.pool"),
        ({"pipeline": {"seen": "sometimes"}}, "components.pipeline.seen"),
        ({"item_knn": {"neighbours": 5}}, "components.item_knn.neighbours.*known: n_neighbours"),
        ({"popular": {"half_life_days": -1}}, "components.popular.half_life_days"),
        ({"spread": {"max_share": 2}}, "components.spread.max_share"),
        ({"blend": {"weights": {"popular": "much"}}}, "components.blend.weights"),
    ],
)
def test_a_wrong_option_is_a_config_error_that_says_where(open_engine, components, words):
    with pytest.raises(ConfigError, match=words):
        open_engine(components=components).recommend("ann")


def test_options_reach_the_component():
    pipeline = Pipeline(
        PipelineConfig(sources=("recent", "popular")),
        {"popular": {"half_life_days": 3.0}, "spread": {"max_share": 1.0}},
    )
    assert pipeline.sources["popular"].config.half_life_days == 3.0
    assert pipeline.rerankers[0].config.max_share == 1.0
    assert pipeline.sources["recent"].config == SOURCES["recent"]().config


def test_a_long_list_asks_the_sources_for_as_many(toy_engine):
    pipeline = Pipeline(PipelineConfig(sources=("recent", "interest", "popular"), pool=3), {})
    query = toy_engine.recommender.query("user-2", 20, toy_engine.now(), {})
    assert pipeline.proposals(query)["popular"].item.size == min(20, int(np.count_nonzero(query.allowed)))
