from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from penchant import Engine, Settings
from penchant.config import component_config
from penchant.errors import ConfigError, SourceError
from penchant.interest.parameters import TrackerConfig


def test_defaults_work():
    settings = Settings()
    assert settings.url == "memory"
    assert settings == Settings.load()
    assert Engine.open(settings=settings).log.count() == 0


def test_a_file_with_overrides_on_top(tmp_path):
    file = tmp_path / "penchant.toml"
    file.write_text(
        'url = "sqlite:///x.db"\nseed = 7\nearliest = 2000-01-01\nclock_tolerance = "PT1H"\n'
        "[components.tracker]\nhalf_lives_days = [1, 10, 100]\n[components.blend.weights]\npopular = 1\n"
    )
    settings = Settings.load(file, url="memory", durability="full")
    assert (settings.url, settings.seed, settings.durability) == ("memory", 7, "full")
    assert settings.clock_tolerance == timedelta(hours=1)
    assert settings.earliest == datetime(2000, 1, 1, tzinfo=UTC)
    assert settings.components["blend"] == {"weights": {"popular": 1}}
    assert component_config(TrackerConfig, settings.components, "tracker").half_lives_days == (1.0, 10.0, 100.0)
    assert component_config(TrackerConfig, {}, "tracker") == TrackerConfig()


def test_settings_survive_as_json():
    settings = Settings(
        url="sqlite:///x.db", clock_tolerance=timedelta(minutes=5), components={"spread": {"max_share": 0.2}}
    )
    assert Settings.model_validate_json(settings.model_dump_json()) == settings
    assert Settings(**settings.model_dump()) == settings


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        Settings().seed = 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sed": 3}, "setting 'sed'.*known: url, durability"),
        ({"seed": "many"}, "setting 'seed'"),
        ({"checkpoint_events": 0}, "setting 'checkpoint_events'"),
        ({"durability": "some"}, "setting 'durability'"),
        ({"components": {"tracker": 3}}, "setting 'components.tracker'"),
        ({"earliest": "long ago"}, "setting 'earliest'"),
    ],
)
def test_a_wrong_setting_is_named(given, words):
    with pytest.raises(ConfigError, match=words):
        Settings.load(**given)
    with pytest.raises(ConfigError, match=words):
        Engine.open(**given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tracker": {"speed": 1}}, "components.tracker.speed: .*known: half_lives_days"),
        ({"tracker": {"max_topics": 1}}, "components.tracker.max_topics"),
        ({"tracker": {"half_lives_days": [3, 2, 1]}}, "components.tracker: .*must rise"),
        ({"tracker": {"half_lives_days": [1]}}, "components.tracker: .*short_view 1 is none of the 1"),
    ],
)
def test_a_wrong_option_of_a_component_is_named(given, words):
    with pytest.raises(ConfigError, match=words):
        component_config(TrackerConfig, given, "tracker")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"nowhere\.toml"):
        Settings.load(tmp_path / "nowhere.toml")
    with pytest.raises(SourceError, match=str(tmp_path)):
        Settings.load(tmp_path)


@pytest.mark.parametrize("content", [b"url = ", b"\xff\xfe", b"= 3", b"[components\n"])
def test_a_file_that_is_no_toml_is_named(tmp_path, content):
    (tmp_path / "penchant.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"penchant\.toml is not TOML"):
        Settings.load(tmp_path / "penchant.toml")


def test_the_digest_is_of_everything_but_the_place():
    settings = Settings()
    assert settings.digest() == Settings(url="sqlite:///elsewhere.db").digest()
    assert len(settings.digest()) == 12
    others = [
        Settings(seed=1),
        Settings(durability="full"),
        Settings(clock_tolerance=timedelta(days=2)),
        Settings(components={"spread": {"max_share": 0.5}}),
        Settings(components={"spread": {"max_share": 0.6}}),
    ]
    assert len({settings.digest(), *(other.digest() for other in others)}) == 6
    one = Settings(components={"a": {"x": 1}, "b": {"y": 2}})
    assert one.digest() == Settings(components={"b": {"y": 2}, "a": {"x": 1}}).digest()


def test_limits_reach_the_door():
    engine = Engine.open(
        earliest="2020-01-01", clock_tolerance=timedelta(0), clock=lambda: datetime(2026, 1, 1, tzinfo=UTC)
    )
    view = {"type": "view", "user_id": "ann", "item_id": "tea"}
    assert engine.ingest({**view, "at": "2019-12-31T23:59:59Z"}).reasons == {"at is before 2020-01-01T00:00:00Z": 1}
    assert engine.ingest({**view, "at": "2026-01-01T00:00:01Z"}).reasons == {"at is in the future": 1}
    assert engine.ingest([{**view, "at": "2020-01-01"}, {**view, "at": "2026-01-01"}]).accepted == 2


def test_before_1970_is_a_time_too():
    engine = Engine.open(earliest="1900-01-01", clock=lambda: datetime(1961, 5, 1, tzinfo=UTC))
    engine.ingest({"type": "view", "user_id": "ann", "item_id": "tea", "topics": ["drinks"], "at": "1961-04-12"})
    assert engine.interests("ann")[0].topic == "drinks"
    assert [one.item_id for one in engine.recommend("bob", strategy="popular")] == ["tea"]


def test_engine_settings_and_overrides_go_together():
    engine = Engine.open(settings=Settings(seed=5, durability="full"), seed=6)
    assert (engine.settings.seed, engine.settings.durability) == (6, "full")
