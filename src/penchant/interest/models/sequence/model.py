"""The item model around every sequence network: learn, answer, save."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.domain.packing import pack, unpack
from penchant.errors import FormatError, NotFittedError, PenchantError
from penchant.interest.models.sequence.batches import Sequences, real_times
from penchant.interest.models.sequence.config import SequenceConfig
from penchant.interest.models.sequence.content import Content, ridge
from penchant.interest.models.sequence.learned import Learned, fixed_part
from penchant.interest.models.sequence.require import choose_device, load_torch
from penchant.math.arrays import Float32Array, FloatArray, IntArray

if TYPE_CHECKING:
    from torch import nn

    from penchant.interest.models.sequence.checkpoint import Checkpoint
    from penchant.interest.models.sequence.network import Network
    from penchant.interest.models.sequence.training import Trainer

FORMAT = 1
COMES_BACK = 0.01
"""With fewer interactions than this share with items taken before, users are taken never to come back to one."""
SEEN_SHARE = 0.01
"""Leaving seen items out of the softmax helped where users have seen more of all items than this (5 % on MovieLens), and
harmed where they have seen less (0.1 % on Amazon Beauty): docs/experiments/SEQUENCE.md."""


@dataclass(frozen=True)
class Material:
    """What a training is made of: sequences of rows, what is fixed of each row, its topics, and the settings found."""

    sequences: Sequences
    known: IntArray
    content: Content | None
    fixed: Float32Array
    topics: Float32Array | None
    evidence: tuple[float, float]
    timed: bool
    mask_seen: bool
    comes_back: bool
    device: str


class SequenceModel:
    """A network reads the user's newest events in order and says what comes next.

    Items without a training event are answered from their text and topics when there are any, else with ``-inf``; their
    prior is that of the median item. ``because`` is occlusion: each of the 50 newest items is left out by itself, with
    all its events, and the score is read again.

    Learning costs one pass of the network over the windows per epoch; a state is ``4 * n_items * embedding_size`` bytes
    and the network's own weights.
    """

    name = "sequence"
    Config: ClassVar[type[SequenceConfig]] = SequenceConfig

    def __init__(self, config: Any = None) -> None:
        self.config = config or self.Config()
        self.report: dict[str, Any] = {}
        """How the last training went: epochs, the best one, its NDCG@10, seconds per epoch."""
        self._learned: Learned | None = None
        self._fitted = False

    @property
    def fitted(self) -> bool:
        """Return whether ``fit`` or ``decode`` has happened."""
        return self._fitted

    def body(self, timed: bool) -> nn.Module:
        """Return a new network body for the configuration; ``timed`` where there are real times."""
        raise NotImplementedError("a sequence model says what its network is")

    def fit(self, training: ItemTraining) -> None:
        """Learn from scratch, or from where an interrupted training of the same left off in ``training.folder``."""
        load_torch()
        material = self._material(training)
        if material is None:
            self._learned, self.report, self._fitted = None, {}, True
            return
        self._learned, self.report, files = self._train(material, training)
        self._fitted = True
        for file in files:
            file.remove()

    def _material(self, training: ItemTraining) -> Material | None:
        interactions, config = training.interactions, self.config
        if not interactions.user.size:
            return None
        known = np.unique(interactions.item).astype(np.int64)
        found = Sequences.of(interactions, config.validation)
        if found.held_out.all():
            found = found.everything()
        weight = np.log(np.maximum(found.weight, 1e-9))
        evidence = (float(weight.mean()), max(float(weight.std()), 1e-6))
        rows = np.searchsorted(known, found.item)
        sequences = Sequences(found.start, rows, found.at, (weight - evidence[0]) / evidence[1], found.held_out)
        size = int(config.content_share * config.embedding_size)
        content = Content.fit(training.items, size, config.content_terms) if size else None
        fixed = np.zeros((known.size, 0), np.float32)
        if content is not None:
            fixed = fixed_part(content, training.items, config.embedding_size)[0][known]
        topics = training.items.topics[known].toarray().astype(np.float32) if config.topic_weight else None
        mask = config.mask_seen == "yes" or (config.mask_seen == "auto" and sees_much(interactions))
        comes_back = config.again and interactions.repeat_share() >= COMES_BACK and not mask
        timed = getattr(config, "time_bias", True) and real_times(sequences)
        device = choose_device(config.device)
        return Material(sequences, known, content, fixed, topics, evidence, timed, mask, comes_back, device)

    def _train(self, material: Material, training: ItemTraining) -> tuple[Learned, dict[str, Any], list[Checkpoint]]:
        from penchant.interest.models.sequence.network import arrays

        trainer, file = self._trained(material, material.sequences, training, self.config.epochs, "")
        state, files = trainer.state, [file]
        report: dict[str, Any] = {
            "epochs": state.epoch,
            "best_epoch": state.best_epoch,
            "validation_ndcg": round(state.best_score, 5),
            "seconds_per_epoch": round(float(np.median(trainer.seconds)), 3) if trainer.seconds else None,
            "parameters": sum(value.numel() for value in arrays(trainer.network).values()),
        }
        if self.config.refit and state.best_epoch:
            everything = material.sequences.everything()
            trainer, file = self._trained(material, everything, training, state.best_epoch, "_again")
            files.append(file)
        learned = Learned(
            trainer.network.eval().requires_grad_(False),
            material.known,
            training.interactions.n_items,
            self.config.max_length,
            material.content,
            guessed_from_content(trainer.network, material.sequences),
            material.timed,
            material.mask_seen,
            material.evidence,
        )
        return learned, report, [one for one in files if one is not None]

    def _trained(
        self, material: Material, sequences: Sequences, training: ItemTraining, epochs: int, part: str
    ) -> tuple[Trainer, Checkpoint | None]:
        """Return a trainer that is done, and the file in which it kept where it stood."""
        torch = load_torch()
        from penchant.interest.models.sequence.checkpoint import Checkpoint
        from penchant.interest.models.sequence.training import Task, Trainer, alone

        topics = material.topics
        with alone(training.seed, material.device, self.config.threads):
            n_topics = 0 if topics is None else topics.shape[1]
            prior = log_prior(sequences, material.known.size)
            network = self._build(prior, material.fixed, n_topics, material.timed, material.comes_back)
        task = Task(
            sequences,
            self.config,
            training.seed,
            material.device,
            material.mask_seen,
            None if topics is None else torch.from_numpy(topics).to(material.device),
            epochs,
            training.progress,
            self.name,
        )
        file = None
        if training.folder is not None:
            file = Checkpoint(training.folder, self.name + part, self._fingerprint(material, sequences, training))
        trainer = Trainer(network, task)
        trainer.fit(file)
        return trainer, file

    def _build(self, prior: Float32Array, fixed: Float32Array, n_topics: int, timed: bool, comes_back: bool) -> Network:
        torch = load_torch()
        from penchant.interest.models.sequence.again import Again
        from penchant.interest.models.sequence.network import Network

        again = Again(self.config.max_length, timed) if comes_back else None
        body = self.body(timed)
        return Network(self.config, body, torch.from_numpy(prior), torch.from_numpy(fixed), n_topics, again)

    def _fingerprint(self, material: Material, sequences: Sequences, training: ItemTraining) -> str:
        """Return what tells this training from any other."""
        crc = zlib.crc32(self.config.model_dump_json(exclude={"threads"}).encode())
        parts = [sequences.start, sequences.item, sequences.at, sequences.weight, sequences.held_out]
        parts += [material.known, material.fixed]
        if material.topics is not None:
            parts.append(material.topics)
        for array in parts:
            crc = zlib.crc32(np.ascontiguousarray(array).tobytes(), crc)
        return f"{self.name} {training.seed} {material.device} {crc:08x}"

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return how likely each item is next, on a log scale, shape ``(len(histories), items.n_items)``."""
        learned = self._asked()
        if learned is None or not len(histories):
            return np.full((len(histories), items.n_items), -np.inf, np.float32)
        return learned.scores(histories, items)

    def next_topics(self, histories: Histories) -> FloatArray:
        """Return how likely each topic is the next item's, rows sum to 1, shape ``(B, n_topics)``.

        Raises:
            NotFittedError: When it was not fitted with ``topic_weight`` above 0 on items with topics.
        """
        return self._taught("topics").next_topics(histories)

    def next_evidence(self, histories: Histories, item: IntArray) -> FloatArray:
        """Return the evidence weight expected of each row's user with ``item`` of that row next, shape ``(B,)``.

        NaN for items that training never saw.

        Raises:
            NotFittedError: When it was not fitted with ``evidence_weight`` above 0.
        """
        return self._taught("evidence weights").next_evidence(histories, item)

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return up to three items of the one row without which ``item`` would score lower, the largest fall first."""
        learned = self._asked()
        return np.zeros(0, np.int64) if learned is None else learned.because(histories, item)

    def _asked(self) -> Learned | None:
        if not self._fitted:
            raise NotFittedError(f"{self.name} is not fitted; call fit or decode first")
        return self._learned

    def _taught(self, what: str) -> Learned:
        learned = self._asked()
        if learned is None:
            raise NotFittedError(f"{self.name} learned no {what}: it was fitted on no interactions")
        return learned

    def encode(self) -> bytes:
        """Return what was learned as bytes."""
        learned = self._asked()
        fields: dict[str, Any] = {"model": self.name, "config": self.config.model_dump(mode="json"), "learned": None}
        if learned is not None:
            from penchant.interest.models.sequence.network import arrays

            content = learned.content
            fields["learned"] = {
                "network": {name: value.numpy() for name, value in arrays(learned.network).items()},
                "known": learned.known,
                "n_items": learned.n_items,
                "more": learned.more,
                "timed": learned.timed,
                "mask_seen": learned.mask_seen,
                "evidence": list(learned.evidence),
                "content": content and [list(content.vocabulary), content.idf, content.n_topics, content.directions],
            }
        return pack(FORMAT, fields)

    def decode(self, data: bytes) -> None:
        """Take what ``encode`` wrote; ``FormatError`` when damaged or of another model."""
        fields = unpack(data, FORMAT)
        try:
            if fields["model"] != self.name:
                raise FormatError(f"bytes of the model {fields['model']!r} given; this is {self.name!r}")
            new = type(self)(self.Config(**fields["config"]))
            learned = None if fields["learned"] is None else new._taken(fields["learned"])
        except PenchantError:
            raise
        except (KeyError, TypeError, ValueError, RuntimeError, IndexError, AttributeError) as error:
            raise FormatError(f"not a saved sequence model ({error}); fit it again") from error
        self.config, self._learned, self.report, self._fitted = new.config, learned, {}, True

    def _taken(self, fields: dict[str, Any]) -> Learned:
        torch = load_torch()
        from penchant.interest.models.sequence.network import load
        from penchant.interest.models.sequence.training import alone

        values, content = fields["network"], fields["content"]
        n_topics = values["topics.bias"].shape[0] if "topics.bias" in values else 0
        with alone(0, "cpu", None):
            again = "again.order" in values
            network = self._build(values["log_prior"], values["content"], n_topics, fields["timed"], again)
        load(network, {name: torch.from_numpy(value) for name, value in values.items()})
        return Learned(
            network.to(choose_device(self.config.device)).eval().requires_grad_(False),
            fields["known"],
            fields["n_items"],
            self.config.max_length,
            None if content is None else Content(tuple(content[0]), *content[1:]),
            fields["more"],
            fields["timed"],
            fields["mask_seen"],
            (float(fields["evidence"][0]), float(fields["evidence"][1])),
        )


def sees_much(interactions: Interactions) -> bool:
    """Return whether users never come back to an item and have seen a good part of all."""
    seen = interactions.user.size / np.unique(interactions.user).size / np.unique(interactions.item).size
    return bool(seen > SEEN_SHARE) and interactions.repeat_share() < COMES_BACK


def log_prior(sequences: Sequences, n: int) -> Float32Array:
    """Return the log of each item's share of the events trained on, with one event more for each."""
    count = np.bincount(sequences.item[~sequences.held_out], minlength=n) + 1.0
    share: Float32Array = np.log(count / count.sum()).astype(np.float32)
    return share


def guessed_from_content(network: Network, sequences: Sequences) -> Float32Array:
    """Return the matrix that makes of an item's fixed numbers the ones that training would have learned."""
    fixed = network.content.cpu().numpy().astype(np.float64)
    learned = network.ids.detach().cpu().numpy().astype(np.float64)
    count = np.bincount(sequences.item, minlength=fixed.shape[0]).astype(np.float64)
    matrix: Float32Array = ridge(fixed, learned, count / max(1.0, count.mean())).astype(np.float32)
    return matrix
