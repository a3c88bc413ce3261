"""Items that go with the user's items: item-based nearest neighbours."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.interest.models.evidence import Mine, newest_items, taken_by_users
from penchant.interest.models.learned import KeepsLearned
from penchant.interest.models.neighbours import Similarity, Table, best_three, nearest, silent_where_zero
from penchant.math.arrays import Float32Array, FloatArray, IntArray


class ItemKNNConfig(BaseModel):
    """Configuration of item-based nearest neighbours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_neighbours: int = Field(default=50, ge=1)
    """Neighbours kept per item."""
    similarity: Similarity = "cosine"
    """How alike two items are by who took them; ``pearson`` centres items, ``adjusted_cosine`` centres users."""
    shrinkage: float = Field(default=20.0, ge=0)
    """Added to the norm, so that two users in common do not look like certainty."""
    half_life_days: float = Field(default=60.0, gt=0)
    """After so many days one of the user's items counts half."""
    common_half_life_days: float | None = Field(default=None, gt=0)
    """After so many days what a user took counts half in the similarities; None: nothing fades there."""
    max_history: int = Field(default=200, ge=1)
    """The user's newest items that count."""


class ItemPearsonConfig(ItemKNNConfig):
    """Configuration of item-based nearest neighbours by Pearson's correlation."""

    similarity: Similarity = "pearson"
    """How alike two items are by who took them."""


class ItemAdjustedCosineConfig(ItemKNNConfig):
    """Configuration of item-based nearest neighbours by the adjusted cosine."""

    similarity: Similarity = "adjusted_cosine"
    """How alike two items are by who took them."""


class ItemKNN(KeepsLearned[Table]):
    """Score = sum over the user's items ``j`` of ``2**(-age_j / half_life) * sim(j, i)``.

    By cosine ``sim(j, i) = users of both / (sqrt(users of j * users of i) + shrinkage)``; an item is no neighbour of
    itself. Fit costs O(sum over users of items**2); memory is ``8 * n_neighbours`` bytes an item.

    Source:
        Deshpande & Karypis, "Item-based top-N recommendation algorithms", TOIS 2004, section 4.1. Shrinkage: Bell &
        Koren, "Improved neighborhood-based collaborative filtering", KDD Cup 2007. The other similarities:
        ``neighbours.centring``. The decay by age is ours, after Ding & Li, CIKM 2005.
    """

    name = "item_knn"
    Config: type[ItemKNNConfig] = ItemKNNConfig
    _kind = Table

    def __init__(self, config: ItemKNNConfig | None = None) -> None:
        self.config = config or self.Config()

    def fit(self, training: ItemTraining) -> None:
        """Find every item's nearest neighbours."""
        config = self.config
        matrix = taken_by_users(training.interactions, config.common_half_life_days)
        self._learned = nearest(matrix, config.similarity, config.n_neighbours, config.shrinkage)

    def _mine(self, histories: Histories) -> tuple[Mine, FloatArray]:
        mine = newest_items(histories, self.learned.n_rows, self.config.max_history)
        return mine, mine.faded(self.config.half_life_days)

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return how near each item is to the user's; ``-inf`` for those that are no neighbours of any."""
        mine, weight = self._mine(histories)
        return silent_where_zero(self.learned.spread(mine.start, mine.item, weight, items.n_items))

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return the up to three of the user's items that contribute most."""
        mine, weight = self._mine(histories)
        part = weight.copy()
        for place, j in enumerate(mine.item.tolist()):
            other, value = self.learned.row(j)
            part[place] *= value[other == item].sum()
        return best_three(mine.item, part)


class ItemPearson(ItemKNN):
    """``ItemKNN`` with Pearson's correlation of the two items' columns."""

    name = "item_pearson"
    Config = ItemPearsonConfig


class ItemAdjustedCosine(ItemKNN):
    """``ItemKNN`` with the cosine after every user's mean was taken away."""

    name = "item_adjusted_cosine"
    Config = ItemAdjustedCosineConfig
