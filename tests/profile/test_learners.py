from __future__ import annotations

import pytest

from penchant.interest import LEARNERS as INTEREST_LEARNERS
from penchant.interest.parameters import TrackerConfig
from penchant.interest.tracker import Tracker
from penchant.profile import LEARNERS as PROFILE_LEARNERS
from penchant.testing import LearnerContract
from penchant.testing.learner_contract import a_bit_of_everything

FOUND = [(PROFILE_LEARNERS, name) for name in PROFILE_LEARNERS] + [
    (INTEREST_LEARNERS, name) for name in INTEREST_LEARNERS
]


def test_as_many_learners_as_there_are_were_found():
    assert sorted(name for _, name in FOUND) == [
        "behaviour",
        "catalog",
        "consent",
        "facts",
        "history",
        "impressions",
        "item_population",
        "statements",
        "topic_catalog",
        "topic_population",
        "tracker",
    ]


class TestRegistered(LearnerContract):
    @pytest.fixture(params=FOUND, ids=[name for _, name in FOUND])
    def learner(self, request):
        registry, name = request.param
        learner = registry[name]()
        assert learner.name == name
        return learner


class TestTrackerWithFewTopics(LearnerContract):
    """Forgetting topics that do not fit is part of the fold, so it too must not depend on batches."""

    @pytest.fixture
    def learner(self):
        return Tracker(TrackerConfig(half_lives_days=(2.0, 30.0), short_view=0, max_topics=8))

    @pytest.fixture
    def rows(self):
        return a_bit_of_everything(n_topics=60)
