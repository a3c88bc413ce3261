"""Learn the tracker's parameters from a log: ask what would come next, look what came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_softmax

from penchant.domain.batch import EventBatch
from penchant.domain.moment import Moment, moments
from penchant.domain.stream import as_one_user
from penchant.interest import network as networks
from penchant.interest.activity_learning import Around, drawn_users, learn_activity
from penchant.interest.companions import find_companions
from penchant.interest.crowd import NO_CROWD, Crowd
from penchant.interest.features import Gathered, feature_matrix, topic_facts
from penchant.interest.mixture import fit_mixture
from penchant.interest.network import Network
from penchant.interest.parameters import TrackerParameters
from penchant.interest.prequential import RECENT, TopicEvidence
from penchant.interest.seasons import HOUR, WEEKDAY, Season, Seasons, lifts
from penchant.interest.tracker import Tracker, TrackerState
from penchant.math.arrays import Float16Array, Float32Array, FloatArray, IntArray
from penchant.math.calendar import hour_of, weekday_of

MAX_CELLS = 1_600_000
"""Rows of features (moments times topics) to train on; what a laptop does in well under a minute."""
MAX_MOMENTS = 8_000
MIN_MOMENTS = 300
"""With fewer the mixture is left as it is."""
HIDDEN = 32
EPOCHS = 10
MAX_SAMPLE = 400_000
"""Rows whose mean and spread stand for all."""
STEP = 64
"""Moments a training step."""
WORTH = 0.0005
"""Nats an event that a correction must gain on users it was not trained on."""
CHANGED = 0.4
"""Share of the users asked whose interests are made to change."""
MAX_VALUES = 100
"""A circumstance with more values is no season."""


@dataclass(frozen=True)
class Circumstance:
    """What was the case at every event of a batch: a code into ``values``, -1 for unknown, shape ``(n,)``."""

    values: tuple[str, ...]
    code: IntArray


@dataclass(frozen=True)
class _Asked:
    """A moment: what was known, and what came."""

    user: int
    seen: Gathered
    came: Float32Array
    """Weight of each known topic that came, shape ``(n,)``."""
    row: int
    """Row of the moment's first event in the batch."""
    changed: bool
    """Whether the user was made of two, so that interests change."""


def fit_tracker(
    tracker: Tracker,
    batch: EventBatch,
    population: Callable[[float], FloatArray],
    from_s: float,
    names: Sequence[str],
    seed: int,
    circumstances: Mapping[str, Circumstance] | None = None,
    crowd: Callable[[float], Crowd] | None = None,
) -> TrackerParameters:
    """Return the parameters that tell best what came next: mixture, network, seasons, activity and its calibration.

    Everything is learned on events from ``from_s`` on, asked before they are learned, of a sample of users; network,
    seasons and calibration are kept only where they help on users or times that they were not learned on.

    Args:
        tracker: Folds the events; its parameters do not matter.
        batch: Events of many users, in log order.
        population: Decayed topic counts of the days before the day of a moment, shape ``(T,)``.
        from_s: Seconds since 1970.
        names: Topic ids by number, as many as there are topics.
        seed: Seed of all chance.
        circumstances: What was the case at each event, by name, beside hour and weekday.
        crowd: What else was known of everybody at a moment.
    """
    rng = np.random.default_rng([seed, 20])
    bare = Tracker(tracker.config)
    cells = max(1, len(names))
    limit = max(MIN_MOMENTS, min(MAX_MOMENTS, MAX_CELLS // cells))
    around = Around(population, crowd or (lambda _at: NO_CROWD))
    asked, states = _ask(bare, batch, around, from_s, limit, rng)
    evidence = _evidence(bare, [one for one in asked if not one.changed])
    parameters = fit_mixture(evidence)
    if len(asked) < MIN_MOMENTS:
        return parameters
    facts = topic_facts(states, len(names), find_companions(batch, from_s, len(names), rng))
    parameters = replace(parameters, topics=tuple(names), facts=facts)
    mixed = Tracker(tracker.config, parameters)
    n_topics = len(names)
    base = np.full((len(asked), n_topics), -np.inf, dtype=np.float32)
    came = np.zeros((len(asked), n_topics), dtype=np.float32)
    features: Float16Array | None = None
    for i, one in enumerate(asked):
        p = mixed.mixture(one.seen)
        base[i, one.seen.number] = np.log(p / p.sum())
        came[i, one.seen.number] = one.came
        rows = feature_matrix(one.seen, p, facts)
        if features is None:
            features = np.zeros((len(asked), n_topics, rows.shape[1]), dtype=np.float16)  # logarithms: three digits do
        features[i, one.seen.number] = rows
    assert features is not None  # noqa: S101 - there are at least MIN_MOMENTS
    held = _held_out(np.array([one.user for one in asked]), rng)
    first_row = np.array([one.row for one in asked])
    del asked, states  # what they hold is in the features
    scorer = _scorer(features, base, came, held, rng)
    if scorer is not None:
        for part in np.array_split(np.arange(base.shape[0]), max(1, base.shape[0] // 256)):
            base[part] += _answers(scorer, features, part)
    del features
    seasons = _seasons(batch, first_row, base, came, from_s, n_topics, circumstances or {})
    activity = learn_activity(mixed, batch, around, from_s, rng)
    return replace(parameters, scorer=scorer, seasons=seasons, activity=activity, calibrated_at=float(batch.at.max()))


def _ask(
    tracker: Tracker,
    batch: EventBatch,
    around: Around,
    from_s: float,
    limit: int,
    rng: np.random.Generator,
) -> tuple[list[_Asked], list[TrackerState]]:
    """Return up to ``limit`` moments with what was known before each, and the last states of the real users asked."""
    asked: list[_Asked] = []
    states: list[TrackerState] = []
    users = [(user_id, rows) for user_id, rows in drawn_users(batch, tracker.types, rng) if rows.size >= 2]
    end = float(batch.at.max()) if len(batch) else from_s
    for number, (user_id, rows) in enumerate(users):
        if len(asked) >= limit:
            break
        changed = len(users) > 1 and rng.random() < CHANGED
        if changed:
            rows = _changed(batch.at, rows, users[number - 1][1], from_s, end, rng)
        rows = rows[np.argsort(batch.at[rows], kind="stable")]
        state = _walk(tracker, as_one_user(batch, rows, user_id), rows, around, from_s, (number, changed), asked)
        if not changed:
            states.append(state)
    return asked[:limit], states


def _changed(
    at: FloatArray, mine: IntArray, other: IntArray, from_s: float, end: float, rng: np.random.Generator
) -> IntArray:
    """Return the rows of a user whose interests change: another one's from some moment on, half of them for a while only.

    Real users seldom change at once, so without these nobody could learn what a change looks like when it begins.
    """
    since = from_s + (end - from_s) * rng.uniform(0.0, 0.7)
    until = end + 1.0 if rng.random() < 0.5 else since + (end - since) * rng.uniform(0.1, 0.6)
    away = (at[other] >= since) & (at[other] < until)
    here = (at[mine] < since) | (at[mine] >= until)
    return np.concatenate([mine[here], other[away]])


def _walk(
    tracker: Tracker,
    own: EventBatch,
    rows: IntArray,
    around: Around,
    from_s: float,
    who: tuple[int, bool],
    asked: list[_Asked],
) -> TrackerState:
    """Ask before every moment of one user from ``from_s`` on, and learn it; return the last state."""
    user_id, state = own.users[0], tracker.start()
    for _, before, later in moments(own, from_s, tracker.types):
        if before.size:
            state = tracker.update({}, own.select(before))[user_id]
        for moment in later:
            if moment.topic.size and len(state.topic):
                seen = around.gather(tracker, state, moment.at)
                one = _question(seen, moment, who, int(rows[moment.rows[0]]))
                if one.came.sum() > 0:
                    asked.append(one)
            state = tracker.update({user_id: state}, own.select(moment.rows))[user_id]
    return state


def _question(seen: Gathered, moment: Moment, who: tuple[int, bool], row: int) -> _Asked:
    came = np.zeros(seen.number.size, dtype=np.float32)
    place = np.searchsorted(seen.number, moment.topic)
    # A topic that nobody had touched before cannot be learned from.
    known = (place < seen.number.size) & (seen.number[np.minimum(place, seen.number.size - 1)] == moment.topic)
    np.add.at(came, place[known], moment.share[known].astype(np.float32))
    return _Asked(who[0], seen, came, row, who[1])


def _evidence(tracker: Tracker, asked: Sequence[_Asked]) -> TopicEvidence:
    """Return the moments as the mixture learns from them: one row for each topic that came."""
    n_views = len(tracker.config.half_lives_days)
    topic, known, prior, weight, came = [np.empty((0, n_views))], [np.empty((0, n_views))], [], [], []
    for one in asked:
        there = np.flatnonzero(one.came)
        views = np.zeros((one.seen.number.size, n_views))
        views[one.seen.place] = one.seen.views
        topic.append(views[there])
        known.append(np.tile(views.sum(axis=0), (there.size, 1)))
        prior.append(one.seen.own_prior[there])
        weight.append(one.came[there].astype(np.float64))
        came.append(one.seen.number[there])
    n = sum(part.size for part in prior)
    return TopicEvidence(
        np.array(tracker.config.half_lives_days),
        np.concatenate(topic),
        np.concatenate(known),
        np.concatenate(prior or [np.empty(0)]),
        np.concatenate(weight or [np.empty(0)]),
        np.full((n, RECENT), -1, dtype=np.int32),
        np.concatenate(came or [np.empty(0, np.int64)]),
    )


def _held_out(user: IntArray, rng: np.random.Generator) -> IntArray:
    """Return the rows of a sixth of the users."""
    users = np.unique(user)
    chosen = rng.choice(users, max(1, users.size // 6), replace=False)
    return np.flatnonzero(np.isin(user, chosen))


def _scorer(
    features: Float16Array, base: Float32Array, came: Float32Array, held: IntArray, rng: np.random.Generator
) -> Network | None:
    """Return the network that corrects the mixture, None where it does not help users it has not seen."""
    learned_on = np.setdiff1d(np.arange(base.shape[0]), held)
    there = np.isfinite(base)
    there[held] = False
    sample = np.flatnonzero(there)
    if sample.size > MAX_SAMPLE:
        sample = rng.choice(sample, MAX_SAMPLE, replace=False)
    first = networks.start(features.reshape(-1, features.shape[2])[sample].astype(np.float32), HIDDEN, 1, rng)
    n_steps = max(1, learned_on.size // STEP)

    def steps(rng: np.random.Generator) -> Iterator[networks.Batch]:
        for part in np.array_split(rng.permutation(learned_on), n_steps):
            rows = features[part].reshape(-1, features.shape[2]).astype(np.float32)
            yield rows, networks.softmax_loss(base[part], came[part])

    def validate(network: Network) -> float:
        losses = []
        for part in np.array_split(held, max(1, held.size // 256)):
            loss, _ = networks.softmax_loss(base[part], came[part])(_answers(network, features, part).reshape(-1, 1))
            losses.append((loss, float(came[part].sum())))
        return sum(loss * n for loss, n in losses) / sum(n for _, n in losses)

    network, after, before = networks.train(first, steps, n_steps, validate, EPOCHS, rng)
    return network if after < before - WORTH else None


def _answers(network: Network, features: Float16Array, part: IntArray) -> Float32Array:
    """Return the network's output for some moments, shape ``(len(part), T)``."""
    rows = features[part].reshape(-1, features.shape[2]).astype(np.float32)
    return network(rows)[:, 0].reshape(part.size, -1)


def _seasons(
    batch: EventBatch,
    rows: IntArray,
    base: Float32Array,
    came: Float32Array,
    from_s: float,
    n_topics: int,
    circumstances: Mapping[str, Circumstance],
) -> Seasons | None:
    """Return the circumstances that tell something: lifts from before ``from_s`` must help after it.

    ``rows`` are the rows of the batch at which the moments begin, shape ``(M,)``.
    """
    every = {
        HOUR: Circumstance(tuple(str(i) for i in range(24)), hour_of(batch.at)),
        WEEKDAY: Circumstance(tuple(str(i) for i in range(7)), weekday_of(batch.at)),
        **{name: one for name, one in circumstances.items() if 1 < len(one.values) <= MAX_VALUES},
    }
    owner = batch.topic_owner
    share = np.maximum(batch.weight[owner], 0.0) / np.diff(batch.topic_start)[owner]
    topic = batch.topic.astype(np.int64)
    early = batch.at[owner] < from_s
    if early.sum() < MIN_MOMENTS:
        return None
    found: dict[str, Season] = {}
    log_p = log_softmax(np.where(np.isfinite(base), base, np.float32(-60.0)), axis=1)
    now = _loss(log_p, came)
    for name, one in every.items():
        code, n_values = one.code[rows], len(one.values)
        known = code >= 0
        best, chosen = now - WORTH, (0.0, 0.0, log_p)
        for shrink in (300.0, 3_000.0, 30_000.0):
            table = lifts(one.code[owner][early], topic[early], share[early], n_values, n_topics, shrink)
            moved = np.where(known[:, None], table[np.maximum(code, 0)], 0.0).astype(np.float32)
            for exponent in (0.25, 0.5, 0.75, 1.0):
                shifted = log_softmax(log_p + np.float32(exponent) * moved, axis=1)
                loss = _loss(shifted, came)
                if loss < best:
                    best, chosen = loss, (shrink, exponent, shifted)
        shrink, exponent, log_p = chosen
        if exponent:
            now = best
            table = lifts(one.code[owner], topic, share, n_values, n_topics, shrink)
            found[name] = Season(one.values, table, exponent)
    return Seasons(found) if found else None


def _loss(log_p: Float32Array, came: Float32Array) -> float:
    """Return the mean of ``-log p`` of what came."""
    there = came > 0
    return float(-(came[there] * log_p[there]).sum() / came.sum())
