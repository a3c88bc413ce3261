from __future__ import annotations

import numpy as np
import pytest

from penchant.errors import ConfigError
from penchant.process.augment import AugmentConfig, augment

START = np.array([0, 4, 4, 6, 12])
ITEM = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], dtype=np.int32)
SIMILAR = ((np.arange(12)[:, None] + [1, 2]) % 12).astype(np.int32)


def test_the_sequences_come_first_and_versions_name_theirs():
    start, item, of = augment(START, ITEM, np.random.default_rng(0), AugmentConfig(copies=2), token=99)
    assert start[:5].tolist() == START.tolist()
    assert item[:12].tolist() == ITEM.tolist()
    assert of.tolist() == [0, 1, 2, 3, 0, 0, 3, 3]  # sequences 1 and 2 are too short
    for place, number in list(enumerate(of.tolist()))[4:]:
        mine = set(ITEM[START[number] : START[number + 1]].tolist())
        assert set(item[start[place] : start[place + 1]].tolist()) <= mine | {99}


@pytest.mark.parametrize(
    ("step", "length"), [("crop", 3), ("mask", 6), ("reorder", 6), ("substitute", 6), ("insert", 8)]
)
def test_every_step_does_its_work(step, length):
    # Of six items 40 % are 2: crop keeps floor(0.6 * 6) = 3.
    config = AugmentConfig(steps=(step,), share=0.4)
    start, item, _ = augment(START, ITEM, np.random.default_rng(1), config, token=99, similar=SIMILAR)
    version = item[start[-2] : start[-1]]
    assert version.size == length
    assert version.tolist() != ITEM[6:].tolist()


def test_no_sequences_and_no_copies():
    start, item, of = augment(np.zeros(1, np.int64), ITEM[:0], np.random.default_rng(0), token=9)
    assert (start.tolist(), item.tolist(), of.tolist()) == ([0], [], [])
    assert augment(START, ITEM, np.random.default_rng(0), AugmentConfig(copies=0), token=9)[0].tolist() == [
        *START.tolist()
    ]


def test_the_same_chance_gives_the_same_versions():
    one, other = (augment(START, ITEM, np.random.default_rng(3), token=99)[1].tolist() for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("steps", "words"), [((), "name a step"), (("mask",), "give a token"), (("crop", "insert"), "give similar")]
)
def test_a_step_that_lacks_something_is_refused(steps, words):
    with pytest.raises(ConfigError, match=words):
        augment(START, ITEM, np.random.default_rng(0), AugmentConfig(steps=steps))
