"""The sequence models by name: convolutions, recurrent networks, the plain Transformer, and our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penchant.interest.models.sequence.config import CaserConfig, GatedConfig, RecurrentConfig, TransformerConfig
from penchant.interest.models.sequence.model import SequenceModel

if TYPE_CHECKING:
    from torch import nn


class Gated(SequenceModel):
    """Our own: gated attention with a bias of gaps in order and time, cosine scores, popularity and content.

    See ``gated.py`` for the network and ``network.py`` for the scores, with their sources.
    """

    name = "sequence"
    Config = GatedConfig
    config: GatedConfig

    def body(self, timed: bool) -> nn.Module:
        """Return gated blocks."""
        from penchant.interest.models.sequence.gated import GatedBody

        return GatedBody(self.config, timed)


class Transformer(SequenceModel):
    """SASRec with softmax cross-entropy over all items; learned numbers only, plain products, no prior."""

    name = "transformer"
    Config = TransformerConfig
    config: TransformerConfig

    def body(self, timed: bool) -> nn.Module:
        """Return blocks of attention."""
        from penchant.interest.models.sequence.transformer import TransformerBody

        return TransformerBody(self.config, timed)


class Gru(SequenceModel):
    """A GRU under the scores and the loss of the others."""

    name = "gru"
    Config = RecurrentConfig
    config: RecurrentConfig

    def body(self, timed: bool) -> nn.Module:
        """Return gated recurrent units."""
        from torch import nn

        from penchant.interest.models.sequence.recurrent import RecurrentBody

        return RecurrentBody(self.config, nn.GRU)


class Lstm(SequenceModel):
    """An LSTM under the scores and the loss of the others."""

    name = "lstm"
    Config = RecurrentConfig
    config: RecurrentConfig

    def body(self, timed: bool) -> nn.Module:
        """Return long short-term memory cells."""
        from torch import nn

        from penchant.interest.models.sequence.recurrent import RecurrentBody

        return RecurrentBody(self.config, nn.LSTM)


class Caser(SequenceModel):
    """Convolutions over the newest items under the scores and the loss of the others."""

    name = "caser"
    Config = CaserConfig
    config: CaserConfig

    def body(self, timed: bool) -> nn.Module:
        """Return horizontal and vertical filters."""
        from penchant.interest.models.sequence.caser import CaserBody

        return CaserBody(self.config, timed)
