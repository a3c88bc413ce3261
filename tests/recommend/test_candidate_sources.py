from __future__ import annotations

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.recommend import RANKERS, RERANKERS, SOURCES
from penchant.recommend.affinity import InterestAffinity
from penchant.recommend.newest import Newest
from penchant.recommend.popular import Popular, PopularConfig
from penchant.recommend.recent import Recent
from penchant.testing import SourceContract


def test_as_many_components_as_there_are_were_found():
    assert sorted(SOURCES) == ["interest", "like_minded", "new", "peers", "popular", "recent", "taste"]
    assert sorted(RANKERS) == ["blend", "stack", "vote"]
    assert sorted(RERANKERS) == ["calibrate", "fair", "fatigue", "fresh", "mmr", "novelty", "spread"]


class TestRegistered(SourceContract):
    @pytest.fixture(params=sorted(SOURCES))
    def make(self, request):
        component = SOURCES[request.param]
        assert component.name == request.param
        return component


@pytest.mark.parametrize("registry", [SOURCES, RANKERS, RERANKERS], ids=["sources", "rankers", "rerankers"])
def test_every_config_survives_as_json(registry):
    for name in registry:
        config = registry[name].Config()
        again = type(config).model_validate_json(config.model_dump_json())
        assert again == config
        assert registry[name](again).config == config
        assert registry[name]().config == config


ITEMS = [
    {"type": "item", "item_id": "tea", "title": "Green tea", "topics": ["drinks"], "at": 0},
    {"type": "item", "item_id": "mug", "topics": ["kitchen", "drinks"], "at": 3 * DAY_S},
    {"type": "item", "item_id": "pan", "topics": ["kitchen"], "at": 8 * DAY_S},
    {"type": "item", "item_id": "odd", "at": 9 * DAY_S},
]
DEEDS = [
    {"type": "purchase", "user_id": "ann", "item_id": "tea", "at": 0},
    {"type": "purchase", "user_id": "ann", "item_id": "tea", "at": 5 * DAY_S},
    {"type": "view", "user_id": "ann", "item_id": "mug", "at": 9 * DAY_S},
    {"type": "purchase", "user_id": "bob", "item_id": "mug", "at": 10 * DAY_S},
    {"type": "dislike", "user_id": "bob", "item_id": "pan", "at": 10 * DAY_S},
]
AT = 10 * DAY_S + 100


@pytest.fixture
def asked(open_engine):
    engine = open_engine()
    assert engine.ingest(ITEMS + DEEDS).accepted == 9

    def ask(user_id, at=AT):
        query = engine.recommender.query(user_id, 10, at, {})
        return query, lambda found: dict(
            zip([query.items.ids[i] for i in found.item], found.score.tolist(), strict=True)
        )

    return ask


def test_popular_by_hand(asked):
    query, named = asked("nobody")
    found = named(Popular(PopularConfig(half_life_days=5.0)).candidates(query, 10))
    # Days 0 and 5 as of day 10: 1/4 + 1/2; day 9 and today: 1/4 * 2**-0.2 + 1. Nobody likes the pan.
    assert found == {"mug": pytest.approx(1.0 + 0.25 * 2**-0.2), "tea": pytest.approx(0.75)}
    assert list(found) == ["mug", "tea"]


def test_recent_by_hand(asked):
    query, named = asked("ann")
    query.allowed[:] = True
    source = Recent()
    age_days = (AT - 5 * DAY_S) / DAY_S, (AT - 9 * DAY_S) / DAY_S
    assert named(source.candidates(query, 10)) == {
        "tea": pytest.approx(2.0 * 2 ** (-age_days[0] / 60)),
        "mug": pytest.approx(0.25 * 2 ** (-age_days[1] / 60)),
    }
    because = source.because(query, query.items.number("tea"))
    assert because.text == "You took it 2 times, last 1970-01-06"
    assert because.items == (query.items.number("tea"),)
    assert source.because(query, query.items.number("mug")).text == "You took it on 1970-01-10"
    assert source.candidates(asked("nobody")[0], 10).item.size == 0


def test_interest_by_hand(asked):
    query, named = asked("ann")
    query.allowed[:] = True
    source = InterestAffinity()
    popularity = query.popularity(60.0) + 0.05
    item = {name: query.items.number(name) for name in ("tea", "mug", "pan", "odd")}
    drinks, kitchen = (query.reading.probability[query.topics.number(name)] for name in ("drinks", "kitchen"))
    of_drinks = popularity[item["tea"]] + popularity[item["mug"]] / 2
    of_kitchen = popularity[item["pan"]] + popularity[item["mug"]] / 2
    found = named(source.candidates(query, 10))
    assert found == {
        "tea": pytest.approx(drinks * popularity[item["tea"]] / of_drinks),
        "mug": pytest.approx(popularity[item["mug"]] / 2 * (drinks / of_drinks + kitchen / of_kitchen)),
        "pan": pytest.approx(kitchen * popularity[item["pan"]] / of_kitchen),
    }
    # Each topic's probability is handed out to its items, whole.
    assert sum(found.values()) == pytest.approx(drinks + kitchen)
    because = source.because(query, item["mug"])
    assert because.topic == query.topics.number("drinks")
    assert "drinks" in because.text
    assert f"{drinks:.0%}" in because.text
    stranger = asked("nobody")[0]
    assert source.because(stranger, item["tea"]).topic is None


def test_newest_by_hand(asked):
    query, named = asked("nobody", at=9 * DAY_S)
    query.allowed[:] = True
    found = named(Newest().candidates(query, 10))
    liking = {name: query.reading.probability[query.topics.number(name)] for name in ("drinks", "kitchen")}
    assert found == {
        "tea": pytest.approx(2 ** (-9 / 7) * (1 + liking["drinks"])),
        "odd": pytest.approx(1.0),
        "pan": pytest.approx(2 ** (-1 / 7) * (1 + liking["kitchen"])),
        "mug": pytest.approx(2 ** (-6 / 7) * 1.5),
    }
    assert Newest().because(query, query.items.number("mug")).text == "New since 1970-01-04"


def test_what_is_not_there_yet_is_not_new(asked):
    query, named = asked("nobody", at=4 * DAY_S)
    assert set(named(Newest().candidates(query, 10))) == {"mug", "tea"}
    assert np.flatnonzero(query.allowed).tolist() == [0, 1]
