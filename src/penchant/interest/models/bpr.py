"""Bayesian personalised ranking: factors that put what a user took before what the user did not."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from penchant.domain.item_model import ItemTraining
from penchant.interest.models.evidence import Mine, taken_by_users
from penchant.interest.models.factors import FactorModel, Factors, library, telling
from penchant.math.arrays import Float32Array, FloatArray


class BPRConfig(BaseModel):
    """Configuration of Bayesian personalised ranking."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedding_size: int = Field(default=64, ge=1)
    """Length of the vectors."""
    epochs: int = Field(default=60, ge=1)
    """Passes over what was taken."""
    learning_rate: float = Field(default=0.05, gt=0)
    """Step size."""
    reg: float = Field(default=0.01, ge=0)
    """Weight of the squared length of the vectors."""
    half_life_days: float | None = Field(default=None, gt=0)
    """After so many days one of the user's items counts half in the user's vector; None: nothing fades."""


class BPR(FactorModel):
    """Factors that make ``x_u·y_i + b_i`` larger for what was taken than for what was not, by ``implicit``.

    Trained by one thread: with several the steps of one overwrite those of another in no fixed order. A user's vector is
    ``mean(y_j) W``; ``W`` is the ridge regression from the mean of the items' vectors to the vector that training gave each
    of its users. The steps of the training themselves would need chance at every answer.

    Source:
        Rendle, Freudenthaler, Gantner & Schmidt-Thieme, "BPR: Bayesian personalized ranking from implicit feedback", UAI
        2009. The way users are found is ours.
    """

    name = "bpr"
    Config = BPRConfig
    config: BPRConfig

    def __init__(self, config: BPRConfig | None = None) -> None:
        self.config = config or BPRConfig()

    def fit(self, training: ItemTraining) -> None:
        """Learn the items' vectors and biases, and the way to the users' vectors.

        Raises:
            NotInstalledError: When the extra ``cf`` is missing.
        """
        implicit, config = library(), self.config
        taken = sparse.csr_matrix(taken_by_users(training.interactions).astype(np.float32))
        known = np.bincount(taken.indices, minlength=taken.shape[1]) > 0
        d = config.embedding_size
        if known.sum() < 2:  # no two items to put into order
            self._learned = Factors.of(np.zeros((known.size, d), np.float32), known)
            return
        with implicit.limits():
            model = implicit.bpr(
                factors=d,
                learning_rate=config.learning_rate,
                regularization=config.reg,
                iterations=config.epochs,
                num_threads=1,
                random_state=training.seed,
            )
            model.fit(taken, show_progress=False, callback=telling(training, self.name, config.epochs))
        # The library keeps an item's bias in a column after its vector, and a one there in the users'.
        items = np.where(known[:, None], model.item_factors[:, :d], 0.0).astype(np.float32)
        bias = np.where(known, model.item_factors[:, d], 0.0).astype(np.float32)
        self._learned = Factors.of(items, known, bias, user=_way(taken, items, model.user_factors[:, :d]))

    def vectors(self, mine: Mine, value: FloatArray) -> Float32Array:
        """Return the means of the items' vectors, each weighing ``value``, taken to where users are."""
        weights = mine.matrix(value, self.learned.known.size)
        weights.data *= self.learned.known[mine.item]
        total = np.asarray(weights.sum(axis=1)).ravel()
        mean = (weights @ self.learned.item) / np.where(total > 0, total, 1.0)[:, None]
        return np.asarray(mean @ self.learned.user, np.float32) if self.learned.user.size else mean.astype(np.float32)

    def parts(self, mine: Mine, value: FloatArray, item: int) -> FloatArray:
        """Return ``value * y_j W y_i`` of each ``j``: each one's share in the mean."""
        if not self.learned.user.size:
            return np.zeros(mine.item.size)
        towards: FloatArray = self.learned.user.astype(np.float64) @ self.learned.item[item]
        part: FloatArray = (self.learned.item[mine.item] @ towards) * value
        return part


def _way(taken: sparse.csr_matrix, items: Float32Array, users: Float32Array) -> Float32Array:
    """Return the ``W`` of least ``sum |mean W - x_u|**2 + |W|**2`` over the users who took anything, shape ``(d, d)``."""
    n_items = np.diff(taken.indptr)
    there = n_items > 0
    mean = (taken @ items)[there].astype(np.float64) / n_items[there, None]
    left = mean.T @ mean + np.eye(items.shape[1])
    return np.asarray(np.linalg.solve(left, mean.T @ users[there].astype(np.float64)), np.float32)
