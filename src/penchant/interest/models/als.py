"""Implicit alternating least squares, of interactions alone or of interactions and topics together."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from penchant.domain.item_model import ItemTraining
from penchant.interest.models.evidence import Mine, taken_by_users
from penchant.interest.models.factors import FactorModel, Factors, library, telling, topic_vectors
from penchant.math.arrays import Float32Array, FloatArray


class ALSConfig(BaseModel):
    """Configuration of implicit alternating least squares."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedding_size: int = Field(default=64, ge=1)
    """Length of the vectors."""
    epochs: int = Field(default=15, ge=1)
    """Rounds over users and items."""
    reg: float = Field(default=50.0, gt=0)
    """Weight of the squared length of the vectors."""
    alpha: float = Field(default=10.0, gt=0)
    """Confidence in what was taken is ``1 + alpha``, faded; in what was not it is 1."""
    half_life_days: float | None = Field(default=60.0, gt=0)
    """After so many days what was taken counts half, in training and in the history; None: nothing fades."""
    topic_weight: float = Field(default=0.0, ge=0)
    """Share of ``alpha`` with which every topic stands in the training as one more user, who took its items; 0: none."""
    n_threads: int = Field(default=1, ge=1)
    """Threads of the training; they do not change what is learned."""


class CollectiveConfig(ALSConfig):
    """Configuration of alternating least squares of interactions and topics together."""

    topic_weight: float = Field(default=0.1, ge=0)
    """Share of ``alpha`` with which every topic stands in the training as one more user, who took its items; 0: none."""


class ALS(FactorModel):
    """Factors that minimise ``sum c_ui (p_ui - x_u·y_i)**2 + reg (|X|**2 + |Y|**2)``, sides in turn, by ``implicit``.

    ``p`` is 1 for what was taken, 0 for all else. A user's vector is the same minimum with the items held fixed,
    ``x_u = (Y'Y + Y'(C - I)Y + reg I)**-1 Y'C p``, in O(history * d**2 + d**3). With ``topic_weight`` every topic is one more
    user, who took all items about it. The library itself knows no features of items; this way the items of one topic
    come near each other, and one that came after training gets the mean of its topics'.

    Source:
        Hu, Koren & Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008; the topics after
        Singh & Gordon, "Relational learning via collective matrix factorization", KDD 2008.
    """

    name = "als"
    Config: type[ALSConfig] = ALSConfig
    config: ALSConfig
    _ready: tuple[Factors, FloatArray] | None = None

    def __init__(self, config: ALSConfig | None = None) -> None:
        self.config = config or self.Config()

    def fit(self, training: ItemTraining) -> None:
        """Learn the items' vectors.

        Raises:
            NotInstalledError: When the extra ``cf`` is missing.
        """
        implicit, config = library(), self.config
        taken = taken_by_users(training.interactions, config.half_life_days)
        known = np.bincount(taken.indices, minlength=taken.shape[1]) > 0
        vectors = np.zeros((known.size, config.embedding_size), np.float32)
        rows = [config.alpha * taken]
        if config.topic_weight > 0:
            about = (training.items.topics > 0).astype(np.float64).T
            rows.append(config.alpha * config.topic_weight * about)
        matrix = sparse.csr_matrix(sparse.vstack(rows)).astype(np.float32)
        matrix.data += 1.0  # the library takes a stored number for the confidence itself
        if known.any():
            with implicit.limits():
                model = implicit.als(
                    factors=config.embedding_size,
                    regularization=config.reg,
                    iterations=config.epochs,
                    num_threads=config.n_threads,
                    random_state=training.seed,
                )
                model.fit(matrix, show_progress=False, callback=telling(training, self.name, config.epochs))
            vectors[known] = model.item_factors[known]
        topic = topic_vectors(training.items, vectors, known) if config.topic_weight > 0 else None
        self._learned = Factors.of(vectors, known, topic=topic)

    def _gram(self) -> FloatArray:
        """Return ``Y'Y + reg I``, worked out once."""
        learned = self.learned
        if self._ready is None or self._ready[0] is not learned:
            y = learned.item.astype(np.float64)
            self._ready = (learned, y.T @ y + self.config.reg * np.eye(y.shape[1]))
        return self._ready[1]

    def vectors(self, mine: Mine, value: FloatArray) -> Float32Array:
        """Return the least-squares answers to the histories; see the class."""
        found = np.zeros((mine.start.size - 1, self.learned.item.shape[1]), np.float32)
        more = self.config.alpha * value
        for b in range(found.shape[0]):
            here = slice(int(mine.start[b]), int(mine.start[b + 1]))
            own = self.learned.item[mine.item[here]].astype(np.float64)  # (m, d)
            if own.any():
                left = self._gram() + own.T @ (more[here, None] * own)
                found[b] = np.linalg.solve(left, own.T @ (1 + more[here]))
        return found

    def parts(self, mine: Mine, value: FloatArray, item: int) -> FloatArray:
        """Return ``c_uj y_j' W y_i`` of each ``j``, which sum up to the score; Hu et al., section 5."""
        more = self.config.alpha * value
        own = self.learned.item[mine.item].astype(np.float64)
        left = self._gram() + own.T @ (more[:, None] * own)
        towards: FloatArray = np.linalg.solve(left, self.learned.item[item].astype(np.float64))
        return (own @ towards) * (1 + more)


class Collective(ALS):
    """``ALS`` of the interactions and the items' topics together: items that nobody took yet have a place too."""

    name = "collective"
    Config = CollectiveConfig
