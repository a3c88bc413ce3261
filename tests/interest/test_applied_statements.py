from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from penchant.clock import DAY_S
from penchant.domain.interests import Reading
from penchant.domain.statements import SCOPE_CODE, Statements
from penchant.interest.statements import LEAST, StatementsConfig, apply_statements, force, standing

CONFIG = StatementsConfig()
P = np.array([0.5, 0.3, 0.15, 0.05])
ALONE = np.full(4, -1, dtype=np.int32)


def reading(p=P):
    return Reading(p.copy(), p[::-1].copy(), p.copy(), np.array([5.0, 3.0, 1.0, 0.0]), 9.0, 2.0)


def words(*given):
    """Return statements of ``(topic, scope, value, at in days)``, with ``until`` in days where there is a fifth."""
    rows = sorted(((*row, math.inf)[:5] for row in given), key=lambda row: row[3])
    topic, scope, value, at, until = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return Statements(
        np.array(topic, np.int32),
        np.array([SCOPE_CODE[name] for name in scope], np.int8),
        np.array(value, np.float64),
        np.array(at, np.float64) * DAY_S,
        np.array(until, np.float64) * DAY_S,
        np.arange(len(rows), dtype=np.int64) + 1,
    )


def probability(said, day=0.0, **kwargs):
    return apply_statements(reading(), said, day * DAY_S, **kwargs).probability


def test_a_fresh_liking_stands_as_high_as_the_strongest():
    expected = np.array([0.5, 0.3, 0.15, 0.5])
    assert probability(words((3, "always", 1.0, 0))) == pytest.approx(expected / expected.sum())
    half = np.array([0.5, 0.3, 0.25, 0.05])
    assert probability(words((2, "always", 0.5, 0))) == pytest.approx(half / half.sum())


def test_a_liking_never_lowers():
    assert probability(words((0, "always", 0.1, 0))) == pytest.approx(P)


def test_a_dislike_takes_its_part():
    expected = np.array([0.5 * 0.25, 0.3, 0.15, 0.05])
    assert probability(words((0, "always", -0.75, 0))) == pytest.approx(expected / expected.sum())
    gone = probability(words((0, "always", -1.0, 0)))
    assert gone[0] == pytest.approx(0.5 * LEAST / 0.5, rel=1e-3)
    everything = probability(words(*((topic, "always", -1.0, 0) for topic in range(4))))
    assert everything == pytest.approx(P)  # to dislike all alike is to say nothing


def test_likings_are_measured_after_dislikes():
    expected = np.array([0.5 * LEAST, 0.3, 0.15, 0.3])
    assert probability(words((0, "always", -1.0, 0), (3, "always", 1.0, 0))) == pytest.approx(expected / expected.sum())


def test_it_fades_and_inference_takes_over():
    said = words((3, "always", 1.0, 0))
    expected = np.array([0.5, 0.3, 0.15, 0.25])
    assert probability(said, 180) == pytest.approx(expected / expected.sum())
    assert probability(said, 180 * 5) == pytest.approx(P)
    assert force(said, 360 * DAY_S, CONFIG).tolist() == [0.25]


def test_expiry():
    said = words((3, "always", 1.0, 0, 10))
    assert probability(said, 9.9)[3] > 0.2
    assert probability(said, 10) == pytest.approx(P)
    passing = words((3, "now", 1.0, 0), (2, "now", 1.0, 0, 20))
    assert force(passing, 6.5 * DAY_S, CONFIG) == pytest.approx([2**-6.5] * 2)
    assert force(passing, 7 * DAY_S, CONFIG).tolist() == [0.0, 2**-7]
    later = StatementsConfig(now_half_life_days=2, now_expires_days=30)
    assert force(passing, 8 * DAY_S, later).tolist() == [2**-4, 2**-4]


def test_what_is_said_later_is_not_known_yet():
    assert probability(words((3, "always", 1.0, 5)), 4) == pytest.approx(P)


def test_now_leaves_the_long_term_alone():
    said = apply_statements(reading(), words((3, "now", 1.0, 0)), 0.0)
    assert said.long_term == pytest.approx(P[::-1])
    assert said.short_term == pytest.approx(said.probability)
    assert said.probability[3] == said.probability[0]
    always = apply_statements(reading(), words((0, "always", 1.0, 0)), 0.0)
    assert always.long_term[0] == pytest.approx(always.long_term[3])


def test_now_silences_what_contradicts_it():
    both = apply_statements(reading(), words((0, "always", 1.0, 0), (0, "now", -1.0, 1)), DAY_S)
    assert both.probability[0] < 1e-5
    assert both.long_term[0] > 0.3
    agreed = apply_statements(reading(), words((3, "always", 0.5, 0), (3, "now", 0.1, 0)), 0.0)
    assert agreed.probability[3] == pytest.approx(0.25 / 1.2)


def test_a_withdrawal_and_a_mute_change_nothing_here():
    given_reading = reading()
    for said in (words(), words((3, "always", 0.0, 0)), words((3, "mute", 1.0, 0)), words((9, "always", 1.0, 0))):
        assert apply_statements(given_reading, said, 0.0) is given_reading


def test_the_reading_given_stays_as_it_was():
    given_reading = reading()
    apply_statements(given_reading, words((3, "always", 1.0, 0), (0, "now", -1.0, 0)), 0.0)
    assert given_reading.probability.tolist() == P.tolist()
    assert given_reading.short_term.tolist() == P.tolist()


def test_a_word_on_a_branch_is_one_on_all_of_it():
    parents = np.array([-1, 3, 3, -1], dtype=np.int32)  # 1 and 2 lie under 3
    liked = np.array([0.5, 0.5, 0.25, 0.05 / 0.3 * 0.5])
    assert probability(words((3, "always", 1.0, 0)), parents=parents) == pytest.approx(liked / liked.sum())
    disliked = np.array([0.5, 0.15, 0.075, 0.025])
    assert probability(words((3, "always", -0.5, 0)), parents=parents) == pytest.approx(disliked / disliked.sum())
    # What is said of a topic under it says more.
    but = np.array([0.5, 0.3 * LEAST, 0.5, 0.05 * LEAST])
    said = words((3, "always", -1.0, 0), (2, "always", 1.0, 0))
    assert probability(said, parents=parents) == pytest.approx(but / but.sum(), abs=1e-6)


def test_what_holds_by_topic():
    parents = np.array([-1, 3, 3, -1], dtype=np.int32)
    said = words(
        (0, "always", 1.0, 0),
        (0, "now", -0.5, 1),
        (1, "always", 0.0, 0),
        (1, "mute", 1.0, 2),
        (3, "mute", 1.0, 1, 5),
        (2, "always", 1.0, 3),
        (8, "always", 1.0, 0),
        (8, "mute", 1.0, 0),
    )
    told = standing(said, 2 * DAY_S, CONFIG, parents)
    assert {topic: round(strength, 6) for topic, (strength, *_) in told.stated.items()} == {0: -0.25}
    assert told.stated[0][1:] == (8 * DAY_S, 5)
    assert told.muted == {1: 2 * DAY_S, 2: DAY_S, 3: DAY_S}
    assert told.topics == (0, 1, 3)
    assert standing(said, 5 * DAY_S, CONFIG, parents).muted == {1: 2 * DAY_S}


ROWS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["always", "now", "mute"]),
        st.floats(-1, 1),
        st.floats(0, 300),
    ),
    max_size=8,
    unique_by=lambda row: row[:2],
)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.floats(0, 400), st.randoms(use_true_random=False))
def test_it_stays_a_distribution_and_order_does_not_matter(rows, day, chance):
    parents = np.array([-1, 0, 1, -1], dtype=np.int32)
    one = apply_statements(reading(), words(*rows), day * DAY_S, parents=parents)
    chance.shuffle(rows)
    other = apply_statements(reading(), words(*rows), day * DAY_S, parents=parents)
    for name in ("probability", "long_term", "short_term"):
        view = getattr(one, name)
        assert view.sum() == pytest.approx(1.0)
        assert (view > 0).all()
        assert getattr(other, name) == pytest.approx(view)
    assert one.evidence is not None
    assert one.evidence.tolist() == reading().evidence.tolist()


def test_settings_out_of_range_are_refused():
    for name in ("always_half_life_days", "now_half_life_days", "now_expires_days"):
        with pytest.raises(ValidationError):
            StatementsConfig(**{name: 0})
