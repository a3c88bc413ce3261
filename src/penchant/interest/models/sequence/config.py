"""Settings of the sequence models: what all share, and what each adds."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Augmentation = Literal["crop", "mask", "reorder", "substitute"]


class SequenceConfig(BaseModel):
    """Configuration that all sequence models share; the defaults are for two cores without a GPU."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedding_size: int = Field(default=64, ge=4)
    """Numbers that describe an item, and the width of the network."""
    max_length: int = Field(default=50, ge=1)
    """The user's newest events that the network sees."""
    windows: Literal["last", "all"] = "all"
    """Training reads only the newest window of a long history, or all of it in windows of ``max_length``."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the activations dropped while training."""
    scoring: Literal["cosine", "dot"] = "cosine"
    """Cosine times a learned scale, or the plain product."""
    scale: float = Field(default=12.0, gt=0)
    """What the cosine is multiplied by at the start of training; one over the temperature."""
    popularity: bool = True
    """Add the log of each item's share of all events to its score, times a learned factor that starts at 1."""
    content_share: float = Field(default=0.5, ge=0, le=0.9)
    """At most this share of an item's numbers is fixed by its text and topics; 0 = all are learned."""
    content_terms: int = Field(default=20_000, ge=0)
    """Words kept, the most frequent ones in at least two items."""

    epochs: int = Field(default=20, ge=1)
    """Most passes over the training windows."""
    batch_size: int = Field(default=128, ge=1)
    """Windows in one step."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Highest learning rate of AdamW; it warms up over ``warmup`` and falls as a cosine to a tenth."""
    warmup: float = Field(default=0.03, ge=0, le=1)
    """Share of all steps in which the learning rate rises."""
    weight_decay: float = Field(default=0.3, ge=0)
    """AdamW's decay of matrices."""
    clip: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient of one step."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the target that is spread over all items."""
    averaging: float = Field(default=0.995, ge=0, lt=1)
    """Decay per step of a moving average of the weights that answers in their place; 0 = none."""
    full_softmax_items: int | None = Field(default=None, ge=1)
    """With more items than that, the softmax is over a sample; none given: 50,000 on a GPU, 5,000 without."""
    n_negatives: int = Field(default=1024, ge=1)
    """Items sampled for each step by popularity, shared by its windows; their odds are corrected for."""
    mask_seen: Literal["auto", "yes", "no"] = "auto"
    """Whether items seen before are left out of the softmax in training; auto: where users hardly ever come back to an
    item and the usual one has seen more than a hundredth of all items."""
    again: bool = True
    """Where users come back to items, let their own earlier events add to the scores of those items."""
    next_n: int = Field(default=1, ge=1)
    """The target of each step is drawn from so many next events; 1 = always the next one. More than 1 suits answers that
    have to hold for weeks."""
    item_weight: float = Field(default=1.0, ge=0)
    """Weight of the loss of the next item; 0 = a model of topics or evidence alone."""
    topic_weight: float = Field(default=0.0, ge=0)
    """Weight of the loss of the next item's topics, learned beside the next item; 0 = not learned."""
    evidence_weight: float = Field(default=0.0, ge=0)
    """Weight of the loss of the next event's evidence weight (a rating, a spend); 0 = not learned."""
    augment: tuple[Augmentation, ...] = ()
    """How training windows are changed at random."""
    augment_share: float = Field(default=0.5, gt=0, le=1)
    """Share of the windows that are changed, each in one of the ways."""

    validation: Literal["time", "last", "none"] = "time"
    """What early stopping looks at: the last 5 % of time, each user's last event, or nothing. It is not trained on."""
    patience: int = Field(default=5, ge=1)
    """Epochs without a better NDCG@10 after which training stops."""
    refit: bool = False
    """Train again on everything, for as many steps as were best."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU when there is one."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads while training; none given: as PyTorch has them."""
    compile: bool = False
    """Compile the network with torch.compile before training."""


class AttentionConfig(SequenceConfig):
    """Configuration that networks of attention blocks share."""

    n_blocks: int = Field(default=2, ge=1)
    """Blocks, one after the other."""
    n_heads: int = Field(default=2, ge=1)
    """Heads of attention; must divide ``embedding_size``."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.embedding_size % self.n_heads:
            raise ValueError(f"n_heads {self.n_heads} must divide embedding_size {self.embedding_size}")
        return self


class GatedConfig(AttentionConfig):
    """Configuration of gated attention blocks with a bias by position and time."""

    attention: Literal["softmax", "pointwise"] = "softmax"
    """Weights that sum to one, or a SiLU of each by itself (HSTU)."""
    feed_forward: float = Field(default=2.0, ge=0)
    """Width of the gated feed-forward part as a multiple of ``embedding_size``; 0 = none."""
    time_bias: bool = True
    """Use the time between events, where there are real times."""


class TransformerConfig(AttentionConfig):
    """Configuration of the plain Transformer (SASRec)."""

    scoring: Literal["cosine", "dot"] = "dot"
    """Cosine times a learned scale, or the plain product."""
    popularity: bool = False
    """Add the log of each item's share of all events to its score, times a learned factor that starts at 1."""
    content_share: float = Field(default=0.0, ge=0, le=0.9)
    """At most this share of an item's numbers is fixed by its text and topics; 0 = all are learned."""


class RecurrentConfig(SequenceConfig):
    """Configuration of the recurrent networks."""

    n_layers: int = Field(default=1, ge=1)
    """Layers, one over the other."""


class CaserConfig(SequenceConfig):
    """Configuration of convolutions over the newest events."""

    window: int = Field(default=5, ge=1)
    """Events that the filters see at once."""
    n_horizontal: int = Field(default=16, ge=1)
    """Filters of each height 1..``window`` over whole items."""
    n_vertical: int = Field(default=4, ge=1)
    """Weighted sums of the window's items."""
