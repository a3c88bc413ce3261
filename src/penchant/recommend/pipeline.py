"""The declared way from a query to a list: sources -> ranker -> rerankers -> slate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from penchant.config import component_config
from penchant.domain.query import Query
from penchant.domain.rules import RULES
from penchant.domain.slate import Candidates
from penchant.errors import NotFittedError, UnknownNameError
from penchant.recommend import RANKERS, RERANKERS, SOURCES
from penchant.recommend.contract import CandidateSource, Ranker, Reranker
from penchant.recommend.relevance import places_up
from penchant.recommend.rules import arranged, boosted


class PipelineConfig(BaseModel):
    """Which components make a recommendation, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[str, ...] = ("recent", "item_knn", "interest", "popular", "new", "taste")
    """Candidate sources and item models by name; their order breaks no ties."""
    ranker: str = "blend"
    """Puts the candidates into one order."""
    rerankers: tuple[str, ...] = ("spread",)
    """Change the order afterwards, one after the other."""
    pool: int = Field(default=100, ge=1)
    """Candidates asked of every source."""
    seen: Literal["auto", "allow", "exclude"] = "auto"
    """Whether items that the user dealt with may come again; ``auto`` allows them where people repeat (see ``repeat``)."""
    repeat: float = Field(default=0.2, ge=0, le=1)
    """``auto`` allows seen items when at least this share of all interactions is with an item taken before."""


Make = Callable[[str], CandidateSource]
"""Returns a source by name, as it was saved where it was; ``NotInstalledError`` when it needs what is not there."""


class Pipeline:
    """The built pipeline. A strategy is the name of one source: then its candidates alone make the list.

    Item models stand beside the sources: those that the pipeline declares are made at once, others when they are first
    asked for, so that a model that nobody uses costs nothing and needs nothing.
    """

    def __init__(
        self,
        config: PipelineConfig,
        options: Mapping[str, Mapping[str, Any]],
        models: Iterable[str] = (),
        make: Make | None = None,
    ) -> None:
        self.config = config
        self._make = make
        self._models = [name for name in models if name not in SOURCES] if make is not None else []
        self.sources: dict[str, CandidateSource] = {name: _build(SOURCES[name], options, name) for name in SOURCES}
        for name in config.sources:
            self.source(name, "candidate source")
        self.ranker: Ranker = _build(RANKERS[config.ranker], options, config.ranker)
        self.rerankers: list[Reranker] = [_build(RERANKERS[name], options, name) for name in config.rerankers]

    @property
    def names(self) -> list[str]:
        """Return the names of all sources and item models, made or not."""
        return [*self.sources, *(name for name in self._models if name not in self.sources)]

    def source(self, name: str, kind: str = "strategy") -> CandidateSource:
        """Return a source, made when it is first asked for.

        Raises:
            UnknownNameError: When there is none.
        """
        if name not in self.sources:
            if self._make is None or name not in self._models:
                raise UnknownNameError(kind, name, self.names)
            self.sources[name] = self._make(name)
        return self.sources[name]

    def proposals(self, query: Query) -> dict[str, Candidates]:
        """Return the candidates of every declared source."""
        n = max(self.config.pool, query.n)
        return {name: self.sources[name].candidates(query, n) for name in self.config.sources}

    def run(
        self, query: Query, strategy: str | None = None, moves: dict[str, dict[int, int]] | None = None
    ) -> tuple[Candidates, dict[str, dict[int, float]]]:
        """Return the whole ranked list, best first, and each source's part of each score.

        Args:
            query: What is asked.
            strategy: One source alone; None for all, ranked and reranked.
            moves: Filled with what each reranker did: ``{reranker: {item: places up}}``.

        Raises:
            UnknownNameError: When there is no such strategy.
            NotFittedError: When it is an item model that has not been fitted.
        """
        if strategy is None:
            ranked, parts = boosted(query, *self.ranker.rank(query, self.proposals(query)))
            for name, reranker in zip(self.config.rerankers, self.rerankers, strict=True):
                before, ranked = ranked, reranker.rerank(query, ranked)
                if moves is not None:
                    moves[name] = places_up(before, ranked)
            return self._arranged(query, ranked, moves), parts
        source = self.source(strategy)
        if strategy in self._models and not getattr(source, "fitted", True):
            raise NotFittedError(
                f"the model {strategy!r} has not been fitted; call engine.fit([{strategy!r}]), or "
                f"penchant interest fit {strategy}"
            )
        ranked = source.candidates(query, max(self.config.pool, query.n))
        own = {strategy: dict(zip(ranked.item.tolist(), ranked.score.tolist(), strict=True))}
        ranked, parts = boosted(query, ranked, own)
        return self._arranged(query, ranked, moves), parts

    @staticmethod
    def _arranged(query: Query, ranked: Candidates, moves: dict[str, dict[int, int]] | None) -> Candidates:
        """Return the list as pins and quotas want it."""
        after = arranged(query, ranked)
        if moves is not None and after is not ranked:
            moves[RULES] = places_up(ranked, after)
        return after


def _build(component: Any, options: Mapping[str, Mapping[str, Any]], name: str) -> Any:
    return component(component_config(component.Config, options, name))
