"""A suite that never fails is worth nothing: each of these parts breaks one promise, and the suite must notice."""

from __future__ import annotations

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
