"""The item model around every sequence network: learn, answer, explain, save."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import ValidationError

from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.domain.packing import pack, unpack
from penchant.errors import FormatError, NotFittedError, NotInstalledError
from penchant.interest.models.sequence.batches import Sequences, asked, real_times
from penchant.interest.models.sequence.config import SequenceConfig
from penchant.interest.models.sequence.content import Content, ridge
from penchant.math.arrays import Float32Array, FloatArray, IntArray

if TYPE_CHECKING:
    from torch import nn

    from penchant.interest.models.sequence.network import Network

FORMAT = 1
TOGETHER = 256
"""Questions answered in one pass."""
COMES_BACK = 0.01
"""With fewer interactions than this share with items taken before, users are taken never to come back to one."""
LEFT_OUT = 50
"""The newest items of a user that are left out one by one to see which speak for an answer."""


class SequenceModel:
    """A network reads the user's newest events in order and says what comes next.

    Items without a training event are answered from their text and topics when there are any, else with ``-inf``; their
    prior is that of the median item.

    Learning costs one pass of the network over the windows per epoch; a state is ``4 * n_items * embedding_size`` bytes
    and the network's own weights.
    """

    name = "sequence"
    Config: ClassVar[type[SequenceConfig]] = SequenceConfig

    def __init__(self, config: Any = None) -> None:
        self.config = config or self.Config()
        self.report: dict[str, Any] = {}
        """How the last training went: epochs, the best one, its NDCG@10, seconds per epoch."""
        self._fitted = False
        self._network: Network | None = None
        self._content: Content | None = None
        self._known: IntArray = np.zeros(0, np.int64)  # item number of each row of the network
        self._row: IntArray = np.zeros(0, np.int64)  # row of each item number, -1 = none
        self._more: Float32Array = np.zeros((0, 0), np.float32)  # content -> learned numbers
        self._timed = False
        self._topics_learned = 0
        self._seen_table: tuple[ItemTable, IntArray, Any, Any] | None = None

    @property
    def fitted(self) -> bool:
        """Return whether ``fit`` or ``decode`` has happened."""
        return self._fitted

    def body(self, timed: bool) -> nn.Module:
        """Return a new network body for the configuration; ``timed`` where there are real times."""
        raise NotImplementedError("a sequence model says what its network is")

    def fit(self, training: ItemTraining) -> None:
        """Learn from scratch."""
        torch = _torch()
        from penchant.interest.models.sequence.checkpoint import Checkpoint
        from penchant.interest.models.sequence.network import arrays
        from penchant.interest.models.sequence.training import Task, Trainer, alone

        config, interactions = self.config, training.interactions
        self._start_anew(interactions.n_items)
        if not interactions.user.size:
            return
        self._known = np.unique(interactions.item).astype(np.int64)
        self._row[self._known] = np.arange(self._known.size)
        sequences = self._rows(Sequences.of(interactions, config.validation))
        if not (~sequences.held_out).any():
            sequences = sequences.everything()
        self._timed = real_times(sequences)
        vectors = self._fit_content(training.items)
        topics = self._topics(training.items) if config.topic_weight else None
        self._topics_learned = 0 if topics is None else topics.shape[1]
        device = _device(config)
        mask = config.mask_seen == "yes" or (config.mask_seen == "auto" and interactions.repeat_share() < COMES_BACK)

        def train(kept: Sequences, epochs: int, part: str) -> Any:
            with alone(training.seed, device, config.threads):
                network = self._build(_log_prior(kept, self._known.size), vectors)
            given = None if topics is None else torch.from_numpy(topics).to(device)
            task = Task(kept, config, training.seed, device, mask, given, epochs, training.progress, self.name)
            saved = None
            if training.folder is not None:
                saved = Checkpoint(training.folder, f"{self.name}{part}", self._fingerprint(kept, training))
                kept_files.append(saved)
            trainer = Trainer(network, task)
            state = trainer.fit(saved)
            return network, state, trainer.seconds

        kept_files: list[Any] = []
        network, state, seconds = train(sequences, config.epochs, "")
        self.report = {
            "epochs": state.epoch,
            "best_epoch": state.best_epoch,
            "validation_ndcg": round(state.best_score, 5),
            "seconds_per_epoch": round(float(np.median(seconds)), 3) if seconds else None,
            "parameters": sum(value.numel() for value in arrays(network).values()),
        }
        if config.refit and state.best_epoch:
            network, _, _ = train(sequences.everything(), state.best_epoch, "_again")
        self._network = network.eval().requires_grad_(False)
        self._guess_from_content(sequences)
        for file in kept_files:
            file.remove()

    def _start_anew(self, n_items: int) -> None:
        self._network, self._content, self._seen_table = None, None, None
        self._known, self._row = np.zeros(0, np.int64), np.full(n_items, -1, np.int64)
        self._more, self._timed, self._topics_learned = np.zeros((0, 0), np.float32), False, 0
        self._fitted, self.report = True, {}

    def _rows(self, sequences: Sequences) -> Sequences:
        """Return the sequences with rows of the network as items, and evidence weights of mean 0 and variance 1."""
        weight = np.log(np.maximum(sequences.weight, 1e-9))
        weight = (weight - weight.mean()) / max(float(weight.std()), 1e-6)
        return Sequences(sequences.start, self._row[sequences.item], sequences.at, weight, sequences.held_out)

    def _fit_content(self, items: ItemTable) -> Float32Array:
        """Return the fixed part of each known item's vector, shape ``(n_known, fixed)``."""
        size = int(self.config.content_share * self.config.embedding_size)
        self._content = Content.fit(items, size, self.config.content_terms) if size else None
        if self._content is None:
            return np.zeros((self._known.size, 0), np.float32)
        return self._fixed(items)[0][self._known]

    def _fixed(self, items: ItemTable) -> tuple[Float32Array, Any]:
        assert self._content is not None
        vectors, says = self._content.vectors(items)
        return vectors * np.float32(np.sqrt(self._content.size / self.config.embedding_size)), says

    def _topics(self, items: ItemTable) -> Float32Array | None:
        topics = items.topics[self._known].toarray().astype(np.float32)
        return topics if topics.size else None

    def _build(self, log_prior: Float32Array, fixed: Float32Array) -> Network:
        torch = _torch()
        from penchant.interest.models.sequence.network import Network

        body = self.body(self._timed)
        prior, content = torch.from_numpy(log_prior), torch.from_numpy(fixed)
        return Network(self.config, body, prior, content, self._topics_learned)

    def _fingerprint(self, sequences: Sequences, training: ItemTraining) -> str:
        crc = zlib.crc32(self.config.model_dump_json(exclude={"threads"}).encode())
        parts = (sequences.start, sequences.item, sequences.at, sequences.weight, sequences.held_out, self._known)
        for array in parts:
            crc = zlib.crc32(np.ascontiguousarray(array).tobytes(), crc)
        for text in training.items.text:
            crc = zlib.crc32(text.encode(), crc)
        return f"{self.name} {training.seed} {crc:08x}"

    def _guess_from_content(self, sequences: Sequences) -> None:
        """Learn what training would have made of an item from what it says."""
        if self._content is None or self._network is None:
            return
        fixed = self._network.content.cpu().numpy().astype(np.float64)
        learned = self._network.ids.detach().cpu().numpy().astype(np.float64)
        count = np.bincount(sequences.item, minlength=fixed.shape[0]).astype(np.float64)
        self._more = ridge(fixed, learned, count / max(1.0, count.mean())).astype(np.float32)

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return how likely each item is next, on a log scale, shape ``(len(histories), items.n_items)``."""
        self._need_fit()
        result = np.full((len(histories), items.n_items), -np.inf, np.float32)
        if self._network is None or not len(histories):
            return result
        torch = _torch()
        number, vectors, prior = self._table(items)
        first = 0
        with torch.inference_mode():
            for chunk in histories.chunks(TOGETHER):
                scores = self._network.scores(self._read(chunk), vectors, prior)
                result[first : first + len(chunk), number] = scores.cpu().numpy()
                first += len(chunk)
        return result

    def _read(self, histories: Histories) -> Any:
        """Return what the network makes of each history, shape ``(B, d)``."""
        torch = _torch()
        assert self._network is not None
        device = self._network.ids.device
        inputs, days, last = asked(histories, self._row, self.config.max_length)
        h = self._network(torch.from_numpy(inputs).to(device), torch.from_numpy(days).to(device))
        return h[torch.arange(len(histories)), torch.from_numpy(last).to(device)]

    def _table(self, items: ItemTable) -> tuple[IntArray, Any, Any]:
        """Return the item numbers that can be scored, their vectors and their log priors."""
        if self._seen_table is not None and self._seen_table[0] is items:
            return self._seen_table[1:]
        torch = _torch()
        assert self._network is not None
        network = self._network
        row = np.full(items.n_items, -1, np.int64)
        shared = min(items.n_items, self._row.size)
        row[:shared] = self._row[:shared]
        number = np.flatnonzero(row >= 0)
        vectors, prior = network.items()[row[number]], network.log_prior[row[number]]
        new = np.flatnonzero(row < 0)
        if self._content is not None and new.size:
            table = ItemTable(items.topics[new], [items.text[i] for i in new], items.since[new])
            fixed, says = self._fixed(table)
            both = np.concatenate([fixed, fixed @ self._more], axis=1)[says]
            number = np.concatenate([number, new[says]])
            vectors = torch.cat([vectors, torch.from_numpy(both).to(vectors.device)])
            prior = torch.cat([prior, network.log_prior.median().expand(int(says.sum()))])
        self._seen_table = (items, number, vectors, prior)
        return number, vectors, prior

    def next_topics(self, histories: Histories) -> FloatArray:
        """Return how likely each topic is the next item's, rows sum to 1, shape ``(B, n_topics)``.

        Raises:
            NotFittedError: When it was not fitted with ``topic_weight`` above 0 on items with topics.
        """
        self._need_fit()
        if self._network is None or self._network.topics is None:
            raise NotFittedError(
                f"{self.name} learned no topics; set topic_weight above 0 and fit on items with topics"
            )
        torch = _torch()
        with torch.inference_mode():
            parts = [torch.softmax(self._network.topics(self._read(chunk)), -1) for chunk in histories.chunks(TOGETHER)]
            result: FloatArray = torch.cat(parts).cpu().numpy().astype(np.float64)
        return result

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return up to three items of the one row without which ``item`` would score lower, the largest loss first.

        Occlusion: each of the 50 newest items is left out by itself, with all its events, and the score is read again.
        """
        self._need_fit()
        if self._network is None or item >= self._row.size or self._row[item] < 0 or not histories.item.size:
            return np.zeros(0, np.int64)
        torch = _torch()
        mine = np.unique(histories.item[::-1], return_index=True)
        newest = mine[0][np.argsort(mine[1], kind="stable")][:LEFT_OUT]
        newest = newest[newest < self._row.size]
        newest = newest[self._row[newest] >= 0].astype(np.int64)
        with torch.inference_mode():
            h = self._read(_without(histories, newest))
            row = self._row[item]
            network = self._network
            scores = network.scores(h, network.items()[row][None], network.log_prior[row]).cpu().numpy()[:, 0]
        loss = scores[0] - scores[1:]
        order = np.argsort(-loss, kind="stable")[:3]
        chosen: IntArray = newest[order[loss[order] > 1e-5]]
        return chosen

    def encode(self) -> bytes:
        """Return what was learned as bytes."""
        self._need_fit()
        network: dict[str, Any] = {}
        if self._network is not None:
            from penchant.interest.models.sequence.network import arrays

            network = {name: value.numpy() for name, value in arrays(self._network).items()}
        content = self._content
        fields = {
            "model": self.name,
            "config": self.config.model_dump(mode="json"),
            "network": network,
            "known": self._known,
            "n_items": int(self._row.size),
            "more": self._more,
            "timed": self._timed,
            "topics_learned": self._topics_learned,
            "content": None
            if content is None
            else [list(content.vocabulary), content.idf, content.n_topics, content.directions],
        }
        return pack(FORMAT, fields)

    def decode(self, data: bytes) -> None:
        """Take what ``encode`` wrote; ``FormatError`` when damaged or of another model."""
        fields = unpack(data, FORMAT)
        try:
            if fields["model"] != self.name:
                raise FormatError(f"bytes of the model {fields['model']!r} given; this is {self.name!r}")
            new = type(self)(self.Config(**fields["config"]))
            new._take(fields)
        except (KeyError, TypeError, ValueError, RuntimeError, IndexError, ValidationError) as error:
            if isinstance(error, FormatError | NotInstalledError):
                raise
            raise FormatError(f"not a saved sequence model ({error}); fit it again") from error
        self.__dict__.update(new.__dict__)

    def _take(self, fields: dict[str, Any]) -> None:
        self._start_anew(fields["n_items"])
        self._known, self._more = fields["known"], fields["more"]
        self._row[self._known] = np.arange(self._known.size)
        self._timed, self._topics_learned = fields["timed"], fields["topics_learned"]
        if fields["content"] is not None:
            vocabulary, idf, n_topics, directions = fields["content"]
            self._content = Content(tuple(vocabulary), idf, n_topics, directions)
        if not fields["network"]:
            return
        torch = _torch()
        from penchant.interest.models.sequence.network import load
        from penchant.interest.models.sequence.training import alone

        with alone(0, "cpu", None):
            network = self._build(fields["network"]["log_prior"], fields["network"]["content"])
        load(network, {name: torch.from_numpy(value) for name, value in fields["network"].items()})
        self._network = network.to(_device(self.config)).eval().requires_grad_(False)

    def _need_fit(self) -> None:
        if not self._fitted:
            raise NotFittedError(f"{self.name} is not fitted; call fit or decode first")


def _torch() -> Any:
    """Return torch, which is slow to import, when it is needed."""
    try:
        import torch
    except ImportError as error:
        raise NotInstalledError("torch, which sequence models need,", "pip install 'penchant[deep]'") from error
    return torch


def _device(config: SequenceConfig) -> str:
    torch = _torch()
    if config.device != "auto":
        return config.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def _log_prior(sequences: Sequences, n: int) -> Float32Array:
    """Return the log of each item's share of the events trained on, with one event more for each."""
    count = np.bincount(sequences.item[~sequences.held_out], minlength=n) + 1.0
    return np.log(count / count.sum()).astype(np.float32)


def _without(histories: Histories, left_out: IntArray) -> Histories:
    """Return the one history as it is, then without all events of each of ``left_out``."""
    keep = np.concatenate([np.ones((1, histories.item.size), bool), histories.item != left_out[:, None]])
    row, event = np.nonzero(keep)
    start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=keep.shape[0]))])
    asked_at = np.repeat(histories.asked_at, keep.shape[0])
    return Histories(start, histories.item[event], histories.at[event], histories.weight[event], asked_at)
