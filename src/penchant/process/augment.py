"""Make several versions of every user's sequence, for models that learn from more than what happened."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.errors import ConfigError
from penchant.math.arrays import Int32Array, IntArray
from penchant.math.augment import crop, insert, mask, reorder, substitute

Step: TypeAlias = Literal["crop", "mask", "reorder", "substitute", "insert"]


class AugmentConfig(BaseModel):
    """Configuration of augmented sequences."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[Step, ...] = ("crop", "mask", "reorder")
    """What may be done to a sequence; one of them is drawn for every version."""
    copies: int = Field(default=1, ge=0)
    """Versions made of every sequence, beside the sequence itself."""
    share: float = Field(default=0.3, gt=0, lt=1)
    """Of a sequence that is hidden, shuffled, replaced or added; ``crop`` keeps the rest."""
    min_length: int = Field(default=3, ge=1)
    """Shorter sequences are left as they are: there is too little in them to take away."""


def augment(
    start: IntArray,
    item: Int32Array,
    rng: np.random.Generator,
    config: AugmentConfig | None = None,
    token: int | None = None,
    similar: Int32Array | None = None,
) -> tuple[IntArray, Int32Array, IntArray]:
    """Return sequences and their versions, as ``(start, item, of)``.

    Args:
        start: Sequence ``s`` is ``item[start[s]:start[s + 1]]``, shape ``(S + 1,)``.
        item: Item numbers, oldest first within each sequence, shape ``(m,)``.
        rng: Source of chance.
        config: What is done.
        token: Number that stands for a hidden item; needed for ``mask``.
        similar: Items similar to each, -1 for none, shape ``(I, k)``; needed for ``substitute`` and ``insert``.

    Returns:
        All sequences as they were, then the versions of the first, of the second and so on; ``of`` says of which
        sequence each is, shape of the sequences.

    Raises:
        ConfigError: When a step needs what was not given.
    """
    config = config or AugmentConfig()
    if not config.steps or ("mask" in config.steps and token is None):
        raise ConfigError("name a step at least, and give a token for the step 'mask'")
    if similar is None and {"substitute", "insert"} & set(config.steps):
        raise ConfigError("the steps 'substitute' and 'insert' need a table of similar items; give similar")
    sequences = [item[start[s] : start[s + 1]] for s in range(start.size - 1)]
    made: list[Int32Array] = []
    of = list(range(len(sequences)))
    for number, sequence in enumerate(sequences):
        if sequence.size >= config.min_length:
            for _ in range(config.copies):
                step = config.steps[rng.integers(len(config.steps))]
                made.append(_version(sequence, step, config.share, token, similar, rng))
                of.append(number)
    every = [*sequences, *made]
    ends = np.cumsum([0, *(sequence.size for sequence in every)])
    flat = np.concatenate(every) if every else np.empty(0, np.int32)
    return ends.astype(np.int64), flat.astype(np.int32), np.array(of, dtype=np.int64)


def _version(
    sequence: Int32Array,
    step: Step,
    share: float,
    token: int | None,
    similar: Int32Array | None,
    rng: np.random.Generator,
) -> Int32Array:
    if step == "crop":
        return crop(sequence, 1.0 - share, rng)
    if step == "mask" and token is not None:
        return mask(sequence, share, token, rng)
    if step == "reorder" or similar is None:
        return reorder(sequence, share, rng)
    return (substitute if step == "substitute" else insert)(sequence, share, similar, rng)
