"""A suite that never fails is worth nothing: each of these parts breaks one promise, and the suite must notice."""

from __future__ import annotations

import polars  # noqa: F401  pytester forgets what a run imported, and Polars cannot be imported twice
import pytest

pytest_plugins = ["pytester"]

LOGS = {
    "forgets that an id was taken": "    def append(self, rows):\n        self._ids.clear()\n        return super().append(rows)",
    "uses positions again": (
        "    def erase(self, user_id):\n        gone = super().erase(user_id)\n        self._tail = 0\n        return gone"
    ),
    "leaves out an end of a span": "    def span(self, a, b):\n        return super().span(a + 1, b)",
    "reads from the beginning": "    def read(self, after=0, chunk=200_000):\n        return super().read(0, chunk)",
    "loses a mark": "    def set_mark(self, name, value):\n        self._marks.setdefault(name, value)",
}
LEARNERS = {
    "changes the old state": (
        "    def update(self, states, batch):\n"
        "        for state in states.values():\n            state.by_type[0] += 1\n"
        "        return super().update(states, batch)"
    ),
    "counts batches": (
        "    def update(self, states, batch):\n"
        "        return {k: replace(s, n_sessions=s.n_sessions + 1) for k, s in super().update(states, batch).items()}"
    ),
    "does not know its newest event": "    def last_at(self, state):\n        return state.first_at",
    "believes damaged bytes": (
        "    def decode(self, data):\n"
        "        try:\n            return super().decode(data)\n        except FormatError:\n            return self.start()"
    ),
    "forgets to keep something": (
        "    def encode(self, state):\n        return super().encode(replace(state, spend_cents=0))"
    ),
}
SOURCES = {
    "proposes what is not allowed": "        return Candidates(np.arange(n), np.ones(n))",
    "proposes too much": "        return super().candidates(query, n + 1)",
    "proposes the same twice": (
        "        one = super().candidates(query, n)\n"
        "        return Candidates(one.item[[0, 0]], one.score[[0, 0]]) if one.item.size > 1 else one"
    ),
    "turns the list round": (
        "        one = super().candidates(query, n)\n        return Candidates(one.item[::-1], one.score[::-1])"
    ),
    "gives another answer each time": (
        "        self.asked = getattr(self, 'asked', 0.0) + 1.0\n"
        "        one = super().candidates(query, n)\n        return Candidates(one.item, one.score * self.asked)"
    ),
    "changes the question": "        query.since[:] = 0\n        return super().candidates(query, n)",
}
MODELS = {
    "says NaN": "    def scores(self, histories, items):\n        return super().scores(histories, items) * np.nan",
    "says too little": "    def scores(self, histories, items):\n        return super().scores(histories, items)[:, :50]",
    "knows no new items": (
        "    def scores(self, histories, items):\n        scores = super().scores(histories, items)\n"
        "        assert items.n_items <= 65\n        return scores"
    ),
    "mixes the rows": (
        "    def scores(self, histories, items):\n        scores = super().scores(histories, items)\n"
        "        return scores - (np.float32(len(scores)))"
    ),
    "looks at what comes later": (
        "    def scores(self, histories, items):\n        scores = super().scores(histories, items)\n"
        "        return scores + np.float32(items.since.max() / 1e6)"
    ),
    "remembers who asked": (
        "    def scores(self, histories, items):\n        self._both = self._both * 1.01\n"
        "        return super().scores(histories, items)"
    ),
    "names what the user never took": "    def because(self, histories, item):\n        return np.array([61])",
    "learns on top of what it knew": (
        "    def fit(self, training):\n        old = self._both\n        super().fit(training)\n"
        "        if old is not None:\n            self._both = self._both * 2"
    ),
    "draws from the global source of chance": (
        "    def fit(self, training):\n        np.random.rand()\n        super().fit(training)"
    ),
    "learns nothing": "    def fit(self, training):\n        super().fit(training)\n        self._both = self._both * 0 + 1",
    "forgets to keep something": (
        "    def encode(self):\n        full, self._both = self._both, self._both * 2\n        data = super().encode()\n"
        "        self._both = full\n        return data"
    ),
    "believes damaged bytes": (
        "    def decode(self, data):\n        try:\n            super().decode(data)\n"
        "        except FormatError:\n            pass"
    ),
    "is lost without events": (
        "    def fit(self, training):\n        training.interactions.at.min()\n        super().fit(training)"
    ),
}
FILES = {
    "log": """
import pytest
from penchant.collect.log.memory import MemoryLog
from penchant.testing import EventLogContract

class Part(MemoryLog):
{body}

class TestPart(EventLogContract):
    durable = False
    transactional = False

    @pytest.fixture
    def open_log(self):
        return Part
""",
    "learner": """
import pytest
from dataclasses import replace
from penchant.errors import FormatError
from penchant.profile.behaviour import BehaviourLearner
from penchant.testing import LearnerContract

class Part(BehaviourLearner):
{body}

class TestPart(LearnerContract):
    @pytest.fixture
    def learner(self):
        return Part()
""",
    "model": """
import numpy as np
from companions import Companions
from penchant.errors import FormatError
from penchant.testing import ItemModelContract

class Part(Companions):
{body}

class TestPart(ItemModelContract):
    def make(self):
        return Part()
""",
    "source": """
import numpy as np
import pytest
from penchant.domain.slate import Candidates
from penchant.recommend.popular import Popular
from penchant.testing import SourceContract

class Part(Popular):
{body}

class TestPart(SourceContract):
    @pytest.fixture
    def make(self):
        return Part
""",
}
BROKEN = [
    *(("model", what, body) for what, body in MODELS.items()),
    *(("log", what, body) for what, body in LOGS.items()),
    *(("learner", what, body) for what, body in LEARNERS.items()),
    *(("source", what, f"    def candidates(self, query, n):\n{body}") for what, body in SOURCES.items()),
]


def run(pytester, kind, body):
    pytester.makepyfile(FILES[kind].format(body=body))
    return pytester.inline_run("-p", "no:randomly", "-p", "no:cacheprovider", "-x", "-q")


@pytest.mark.parametrize(("kind", "what", "body"), BROKEN, ids=[f"a {kind} that {what}" for kind, what, _ in BROKEN])
def test_a_broken_part_is_noticed(pytester, kind, what, body):
    assert run(pytester, kind, body).countoutcomes()[2] == 1


@pytest.mark.parametrize("kind", sorted(FILES))
def test_a_sound_part_passes(pytester, kind):
    passed, skipped, failed = run(pytester, kind, "    pass").countoutcomes()
    assert (failed, skipped) == (0, 0)
    assert passed >= 14
