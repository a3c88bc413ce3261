"""What a sequence model has learned, and its answers: scores, next topics, evidence, reasons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.domain.item_model import Histories, ItemTable
from penchant.errors import NotFittedError
from penchant.interest.models.sequence.batches import asked
from penchant.interest.models.sequence.content import Content
from penchant.interest.models.sequence.require import load_torch
from penchant.math.arrays import BoolArray, Float32Array, FloatArray, IntArray

if TYPE_CHECKING:
    from penchant.interest.models.sequence.network import Network

TOGETHER = 256
"""Questions answered in one pass."""
LEFT_OUT = 50
"""The newest items of a user that are left out one by one to see which speak for an answer."""
FELT = 1e-5
"""A score must fall by more than this for an item to be a reason."""


@dataclass(frozen=True)
class Scored:
    """Items that can be scored: their numbers, rows (first those of the network), vectors made ready, log priors."""

    items: ItemTable
    number: IntArray
    row: IntArray
    ready: Any
    log_prior: Any


@dataclass
class Learned:
    """A trained network with what it takes to ask it.

    Attributes:
        network: The network, in evaluation.
        known: Item number of each of its rows, rising, shape ``(n,)``.
        n_items: Size of the item vocabulary when it was trained.
        max_length: The newest events it sees.
        content: How text and topics become the fixed part of an item's vector; None: they do not.
        more: What training learned about items, guessed from the fixed part, shape ``(fixed, d - fixed)``.
        timed: Whether there were real times.
        mask_seen: Whether training left out what a user had seen: of those items it says nothing, and they come last.
        evidence: Mean and standard deviation of the log of the evidence weights.
    """

    network: Network
    known: IntArray
    n_items: int
    max_length: int
    content: Content | None
    more: Float32Array
    timed: bool
    mask_seen: bool
    evidence: tuple[float, float]
    row: IntArray = field(init=False)
    _scored: Scored | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.row = np.full(self.n_items, -1, np.int64)
        self.row[self.known] = np.arange(self.known.size)

    def rows_of(self, item: IntArray) -> IntArray:
        """Return the network's row of each item number, -1 = none."""
        inside = (item >= 0) & (item < self.n_items)
        return np.where(inside, self.row[np.where(inside, item, 0)], -1)

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return the score of every item, shape ``(len(histories), items.n_items)``."""
        torch = load_torch()
        result = np.full((len(histories), items.n_items), -np.inf, np.float32)
        scored, first = self._table(items), 0
        with torch.inference_mode():
            for chunk in histories.chunks(TOGETHER):
                h, own = self.read(chunk)
                scores = self.network.answer(h, scored.ready, scored.log_prior)
                if own is not None:
                    scores[:, : scored.row.size] += own[:, scored.row]
                known = scores[:, : scored.row.size]
                part = result[first : first + len(chunk)]
                part[:, scored.number] = scores.cpu().numpy()
                if self.mask_seen and known.shape[1]:
                    self._seen_last(part, chunk, known.amin(dim=1).cpu().numpy())
                first += len(chunk)
        return result

    def _seen_last(self, scores: Float32Array, histories: Histories, lowest: Float32Array) -> None:
        """Put each row's own items that the network knows at its lowest score."""
        mine = (histories.item < scores.shape[1]) & (self.rows_of(histories.item.astype(np.int64)) >= 0)
        row = histories.rows()[mine]
        scores[row, histories.item[mine]] = lowest[row]

    def read(self, histories: Histories) -> tuple[Any, Any]:
        """Return what the network makes of each history, ``(B, d)``, and what its own items add, ``(B, n)`` or None."""
        torch = load_torch()
        device = self.network.ids.device
        inputs, days, last = asked(histories, self.row, self.max_length)
        shown, when, step = (torch.from_numpy(values).to(device) for values in (inputs, days, last))
        window = torch.arange(len(histories), device=device)
        h = self.network(shown, when)[window, step]
        return h, None if self.network.again is None else self.network.own(shown, when, window, step)

    def _table(self, items: ItemTable) -> Scored:
        if self._scored is None or self._scored.items is not items:
            self._scored = self._all_scored(items)
        return self._scored

    def _all_scored(self, items: ItemTable) -> Scored:
        torch = load_torch()
        network = self.network
        row = self.rows_of(np.arange(items.n_items))
        number, new = np.flatnonzero(row >= 0), np.flatnonzero(row < 0)
        vectors, prior = network.items()[row[number]], network.log_prior[row[number]]
        if self.content is not None and new.size:
            table = ItemTable(items.topics[new], [items.text[i] for i in new.tolist()], items.since[new])
            fixed, says = fixed_part(self.content, table, network.ids.shape[1] + self.content.size)
            guessed = np.concatenate([fixed, fixed @ self.more], axis=1)[says]
            number = np.concatenate([number, new[says]])
            vectors = torch.cat([vectors, torch.from_numpy(guessed).to(vectors.device)])
            prior = torch.cat([prior, network.log_prior.median().expand(int(says.sum()))])
        return Scored(items, number, row[row >= 0], network.ready(vectors), prior)

    def next_topics(self, histories: Histories) -> FloatArray:
        """Return how likely each topic is the next item's, shape ``(B, n_topics)``."""
        if self.network.topics is None:
            raise NotFittedError("no topics were learned; set topic_weight above 0 and fit on items with topics")
        torch, head = load_torch(), self.network.topics
        with torch.inference_mode():
            parts = [torch.softmax(head(self.read(chunk)[0]), -1).cpu() for chunk in histories.chunks(TOGETHER)]
        result: FloatArray = torch.cat(parts).numpy().astype(np.float64)
        return result

    def next_evidence(self, histories: Histories, item: IntArray) -> FloatArray:
        """Return the evidence weight expected of each row with that row's ``item`` next, NaN where it is unknown."""
        if self.network.evidence is None:
            raise NotFittedError("no evidence weights were learned; set evidence_weight above 0 and fit again")
        torch, first = load_torch(), 0
        row, parts = self.rows_of(item), []
        with torch.inference_mode():
            items = self.network.items()
            for chunk in histories.chunks(TOGETHER):
                mine = items[np.maximum(row[first : first + len(chunk)], 0)]
                parts.append(self.network.weighed(self.read(chunk)[0], mine).cpu())
                first += len(chunk)
        mean, deviation = self.evidence
        guess: FloatArray = np.exp(torch.cat(parts).numpy().astype(np.float64) * deviation + mean)
        return np.where(row >= 0, guess, np.nan)

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return up to three items without which ``item`` would score lower, the largest fall first."""
        torch = load_torch()
        newest = newest_items(histories)
        newest = newest[self.rows_of(newest) >= 0][:LEFT_OUT]
        row = int(self.rows_of(np.array([item]))[0])
        if row < 0 or not newest.size:
            return np.zeros(0, np.int64)
        with torch.inference_mode():
            (h, own), prior = self.read(without(histories, newest)), self.network.log_prior[row]
            scored = self.network.scores(h, self.network.items()[row][None], prior)[:, 0]
            scores = (scored if own is None else scored + own[:, row]).cpu().numpy()
        fall = scores[0] - scores[1:]
        order = np.argsort(-fall, kind="stable")[:3]
        chosen: IntArray = newest[order[fall[order] > FELT]]
        return chosen


def fixed_part(content: Content, items: ItemTable, width: int) -> tuple[Float32Array, BoolArray]:
    """Return the fixed part of each item's vector of ``width`` numbers, and whether there is any."""
    vectors, says = content.vectors(items)
    return vectors * np.float32(np.sqrt(content.size / width)), says


def newest_items(histories: Histories) -> IntArray:
    """Return the distinct items of the one row, newest first."""
    item, place = np.unique(histories.item[::-1], return_index=True)
    return item[np.argsort(place, kind="stable")].astype(np.int64)


def without(histories: Histories, left_out: IntArray) -> Histories:
    """Return the one history as it is, then without all events of each of ``left_out``."""
    keep = np.concatenate([np.ones((1, histories.item.size), bool), histories.item != left_out[:, None]])
    row, event = np.nonzero(keep)
    start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=keep.shape[0]))]).astype(np.int64)
    asked_at = np.repeat(histories.asked_at, keep.shape[0])
    return Histories(start, histories.item[event], histories.at[event], histories.weight[event], asked_at)
