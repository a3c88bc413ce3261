"""Fit the ranker that learns: ask questions of the past, look at what came, learn which candidates are taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.clock import DAY_S, day_of
from penchant.errors import NotInstalledError
from penchant.loop.fitting import interactions_of
from penchant.recommend.contract import Asked

if TYPE_CHECKING:
    from penchant.loop.fitting import Fitting

SLICE = 0.9
"""Share of the interactions that the sources learn from before they are asked about the rest."""


def fit_ranker(fitting: Fitting) -> dict[str, Any]:
    """Fit the pipeline's ranker on the newest slice, save it, and return what came of it.

    Without the library that it needs the blend goes on ranking.
    """
    pipeline = fitting.recommender.pipeline
    ranker: Any = pipeline.ranker
    try:
        report: dict[str, Any] = ranker.fit(
            past_questions(fitting, ranker.config.users), pipeline.config.sources, fitting.seed
        )
    except NotInstalledError as error:
        return {"used": "blend", "missing": error.install}
    fitting.save(ranker.name, ranker.encode())
    return report


def past_questions(fitting: Fitting, most: int) -> Iterator[Asked]:
    """Return questions at the end of the first nine tenths, with sources that have not seen the last one.

    Users are those active on both sides, ``most`` of them at random. While the questions are gone through, the
    pipeline's sources are the ones of then; afterwards, the live ones again.
    """
    interactions, recommender = fitting.interactions, fitting.recommender
    if not interactions.at.size:
        return
    # At the end of a day the population's counts are ready: no partial day to fold for each question.
    cut = day_of(float(np.quantile(interactions.at, SLICE))) * DAY_S - 1e-6
    late = interactions.at > cut
    both = np.intersect1d(interactions.user[~late], interactions.user[late])
    rng = np.random.default_rng([fitting.seed, 4])
    users = np.sort(rng.choice(both, most, replace=False)) if both.size > most else both
    sources = recommender.pipeline.sources
    # What was brought from outside has not learned from the log: it may be asked as it is.
    live = {name: sources[name] for name in fitting.declared if not getattr(sources[name], "given", False)}
    early = interactions_of(fitting.batch, cut)
    try:
        for name, source in live.items():
            if name not in fitting.early:
                fitting.early[name] = fitting.fitted(name, source, early, folder=False)
            sources[name] = fitting.early[name]
        for user in users.tolist():
            query = recommender.query(fitting.batch.users[user], 10, cut, {})
            taken = np.unique(interactions.item[late & (interactions.user == user)]).astype(np.int64)
            taken = taken[taken < query.allowed.size]
            taken = taken[query.allowed[taken]]
            if taken.size:
                yield Asked(query, recommender.pipeline.proposals(query), taken)
    finally:
        sources.update(live)
