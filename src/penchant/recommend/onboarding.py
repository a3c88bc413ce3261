"""Which questions tell most about a new user: what the answers of people like them would say of what comes next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.math.arrays import BoolArray, FloatArray, IntArray

LEAST = 0.01
"""A statement weaker than this would say nothing."""


class OnboardingConfig(BaseModel):
    """Configuration of the questions to new users."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    people: int = Field(default=500, ge=10)
    """Users of the log, drawn at random, whose tastes stand for those that a new user may have."""
    min_events: int = Field(default=10, ge=1)
    """Fewer events say too little of a user's taste."""
    questions: int = Field(default=100, ge=1)
    """Questions looked at: those about the topics or items that most people care for."""
    prior_events: float = Field(default=5.0, gt=0)
    """Events like everybody's that each taste begins with."""
    noise: float = Field(default=0.1, gt=0, lt=0.5)
    """Chance that somebody answers otherwise than what they did says."""
    criterion: Literal["entropy", "popular"] = "entropy"
    """What is asked first: what tells most of the next topic, or what most people do most."""
    branches: int = Field(default=8, ge=1)
    """Combinations of answers followed, the likeliest, when several questions are chosen at once."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """People whose tastes are known, and how they would answer.

    Attributes:
        next: P(topic of the next event) of each person, rows sum to 1, shape ``(U, T)``.
        yes: P(yes) of each person to each question, inside (0, 1), shape ``(U, Q)``.
    """

    next: FloatArray
    yes: FloatArray

    @classmethod
    def of(cls, next_topic: FloatArray, said_yes: BoolArray, noise: float) -> Crowd:
        """Return people with the answers that follow from what they did, up to noise."""
        return cls(next_topic, np.where(said_yes, 1.0 - noise, noise))

    def weights(self, answers: Iterable[tuple[int, bool]]) -> FloatArray:
        """Return how likely the new user is like each person, given answers ``(question, yes)``, shape ``(U,)``, sum 1."""
        log_weight = np.zeros(self.next.shape[0])
        for question, yes in answers:
            p = self.yes[:, question]
            log_weight += np.log(p if yes else 1.0 - p)
        weight: FloatArray = np.exp(log_weight - log_weight.max(initial=0.0))
        weight /= max(float(weight.sum()), 1e-300)
        return weight

    def gains(self, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the information in bits that each answer gives on the next topic, and P(yes), shapes ``(Q,)``.

        ``I = H(topic) - P(yes) H(topic | yes) - P(no) H(topic | no)``, each distribution the mean over people by weight.
        """
        before = weight @ self.next  # (T,)
        weighted = self.yes * weight[:, None]
        yes = weighted.sum(axis=0)  # (Q,)
        with_yes = weighted.T @ self.next  # (Q, T), P(yes and topic)
        with_no = np.maximum(before - with_yes, 0.0)
        # H(topic | answer), weighted: - sum P(answer, topic) log P(topic | answer).
        after = _entropy(with_yes) - _entropy(yes) + _entropy(with_no) - _entropy(1.0 - yes)
        gain: FloatArray = np.maximum(0.0, _entropy(before[None, :])[0] - after)
        return gain, yes


def _entropy(p: FloatArray) -> FloatArray:
    """Return ``- sum p log2 p`` over the last axis of a table, of each entry of a plain array."""
    part = -p * np.log2(np.where(p > 0, p, 1.0))
    return part.sum(axis=1) if p.ndim == 2 else part


def choose_questions(
    crowd: Crowd,
    n: int,
    answers: Iterable[tuple[int, bool]] = (),
    branches: int = 8,
    order: IntArray | None = None,
) -> list[tuple[int, float, float]]:
    """Return ``n`` questions, the most telling first, as ``(question, bits, P(yes))``.

    The first is the most telling after the answers given. Each of the others is the most telling on average over what may
    be answered to those before it, of which the ``branches`` likeliest combinations are followed. A question that
    has been answered is not asked again.

    With an ``order`` of questions they are asked in that order, whatever they tell.

    Cost: ``O(branches * people * questions * topics)`` a question.

    Source:
        Asking what splits people best: Golbandi, Koren & Lempel, "Adaptive bootstrapping of recommender systems using
        decision trees", WSDM 2011. Information gain for the questions: Rashid, Karypis & Riedl, "Learning preferences of
        new users in recommender systems: an information theoretic approach", SIGKDD Explorations 10(2), 2008. That the
        gain is on the next topic, and people are weighted instead of divided, is ours.
    """
    given = list(answers)
    gone = np.zeros(crowd.yes.shape[1], dtype=np.bool_)
    gone[[question for question, _ in given]] = True
    cells = [(1.0, crowd.weights(given))]  # how likely these answers are, and who is like that then
    chosen: list[tuple[int, float, float]] = []
    for _ in range(min(n, int((~gone).sum()))):
        gain, yes = np.zeros(gone.size), np.zeros(gone.size)
        total = sum(p for p, _ in cells)
        for p, weight in cells:
            of_cell, yes_of_cell = crowd.gains(weight)
            gain += p / total * of_cell
            yes += p / total * yes_of_cell
        best = int(np.argmax(np.where(gone, -1.0, gain)))
        if order is not None:
            best = int(order[~gone[order]][0])
        chosen.append((best, float(gain[best]), float(yes[best])))
        gone[best] = True
        split = []
        for p, weight in cells:
            for share in (crowd.yes[:, best], 1.0 - crowd.yes[:, best]):
                joint = weight * share
                mass = float(joint.sum())
                if mass > 0:
                    split.append((p * mass, joint / mass))
        cells = sorted(split, key=lambda cell: -cell[0])[:branches]
    return chosen


def taste_of(counts: FloatArray, prior_events: float) -> FloatArray:
    """Return P(topic) of each person: own counts plus ``prior_events`` spread as everybody's are, shape ``(U, T)``."""
    everybody = counts.sum(axis=0)
    everybody = everybody / max(everybody.sum(), 1e-300)
    mixed: FloatArray = counts + prior_events * everybody
    mixed /= np.maximum(mixed.sum(axis=1, keepdims=True), 1e-300)
    return mixed


def likes(counts: FloatArray, least: float = 2.0) -> BoolArray:
    """Return who cares for which topic: a larger share than everybody's, and two events at least, shape ``(U, T)``."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)
    everybody = counts.sum(axis=0) / max(counts.sum(), 1e-300)
    liked: BoolArray = (share > everybody) & (counts >= least)
    return liked


def asked_about(cared_for: BoolArray, n: int) -> IntArray:
    """Return the columns that most people say yes to, at most ``n``; none that nobody does."""
    times = cared_for.sum(axis=0)
    order = np.argsort(-times, kind="stable")[:n]
    asked: IntArray = order[times[order] > 0].astype(np.int64)
    return asked


def worth(taste: FloatArray, cared_for: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return what a yes and what a no on each topic is worth as a statement, shapes ``(T,)``, in (0, 1] and [-1, 0).

    A statement ``v > 0`` raises a topic to ``v`` times the strongest one, ``v < 0`` multiplies it by ``1 + v``. So that
    afterwards it stands where it stands with people who would answer so, ``v = E(p | yes) / max E(p)`` and
    ``v = E(p | no) / E(p) - 1``. Where nobody, or everybody, would answer so it is 1 and -1.
    """
    n_yes, n_no = cared_for.sum(axis=0), (~cared_for).sum(axis=0)
    everybody = taste.mean(axis=0) if taste.size else np.zeros(taste.shape[1])
    with_yes = (taste * cared_for).sum(axis=0) / np.maximum(1, n_yes)
    with_no = (taste * ~cared_for).sum(axis=0) / np.maximum(1, n_no)
    top = max(float(everybody.max(initial=0.0)), 1e-300)
    yes = np.where(n_yes > 0, np.clip(with_yes / top, LEAST, 1.0), 1.0)
    less = with_no / np.maximum(everybody, 1e-300) - 1.0
    no = np.where((n_no > 0) & (n_yes > 0), np.clip(less, -1.0, -LEAST), -1.0)
    return yes, no
