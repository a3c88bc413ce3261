"""Models that learn from all interactions which items go with whom; one file a family, one contract for all."""

from penchant.registry import Registry

MODELS = Registry(
    "item model",
    "penchant.interest.model",
    {},
)
"""Every model of ``penchant.domain.item_model.ItemModel``, by the name that strategies and tables use."""
