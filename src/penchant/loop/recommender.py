"""From a user id to a list: gather what is known, run the pipeline, say why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from penchant.clock import from_s
from penchant.config import Settings, component_config
from penchant.domain.impressions import Impressions
from penchant.domain.item_model import ItemTable
from penchant.domain.packing import unpack
from penchant.domain.profile import History, RecentTopics
from penchant.domain.query import Query
from penchant.domain.rules import NO_RULES, RULES, BusinessRulesConfig
from penchant.domain.slate import Because, Candidates, Explanation, Recommendation
from penchant.domain.taste import ItemVectors, Taste, TasteItem
from penchant.errors import ConfigError
from penchant.interest.models import MODELS
from penchant.interest.statements import Standing, StatementsConfig, apply_statements, standing
from penchant.interest.taste import read_taste, taste_reader
from penchant.loop.crowd import crowd_at, sized
from penchant.loop.fold import Ledger
from penchant.loop.interests import said_by
from penchant.loop.model_source import ModelSource, model_source
from penchant.math.arrays import BoolArray, IntArray
from penchant.recommend.blend import Blend, BlendConfig
from penchant.recommend.catalog_index import CatalogIndex
from penchant.recommend.contract import FittedSource
from penchant.recommend.pipeline import Pipeline, PipelineConfig
from penchant.recommend.rules import RuleBook, used_up
from penchant.recommend.vectors import NearTaste
from penchant.storage.shelf import ModelShelf

BLEND_FORMAT = 1
SHOWN = 10
"""Length of the list that "recommended" means in an explanation."""
SHOWN_OTHERS = 3
"""Other items named of each group of a user's taste."""


class Recommender:
    """Answers for one engine. Keeps the catalogue as arrays and the fitted models at hand."""

    def __init__(self, ledger: Ledger, settings: Settings, shelf: ModelShelf) -> None:
        self._ledger = ledger
        self._settings = settings
        self._statements = component_config(StatementsConfig, settings.components, "statements")
        self._shelf = shelf
        config = component_config(PipelineConfig, settings.components, "pipeline")
        self.pipeline = Pipeline(config, settings.components, MODELS, self._saved_model)
        self.index = CatalogIndex(self._ledger.items, self._ledger.topics)
        self.index.put(self._ledger.states.every("catalog").values())
        standing_rules = component_config(BusinessRulesConfig, settings.components, "business_rules")
        self.rules = RuleBook(standing_rules, self.index, self._ledger.items, self._ledger.topics)
        self._ledger.watchers.append(self._watch)
        self.repeat_share = 0.0
        self._load()

    def _watch(self, learner: str, changed: Mapping[str, Any]) -> None:
        if learner == "catalog":
            self.index.put(changed.values())
        elif not learner:
            self.index.clear()
        self.rules.watch(learner, changed)

    def _saved_model(self, name: str) -> ModelSource:
        """Return an item model as it was fitted last, if it was."""
        source = model_source(name, self._settings.components)
        self._shelf.restore(name, source.decode)
        return source

    def _load(self) -> None:
        for source in self.pipeline.sources.values():
            if hasattr(source, "decode") and not isinstance(source, ModelSource):
                fitted: FittedSource = source  # type: ignore[assignment]
                self._shelf.restore(source.name, fitted.decode)
        ranker: Any = self.pipeline.ranker
        if hasattr(ranker, "decode"):
            self._shelf.restore(ranker.name, ranker.decode)
        learned = self._shelf.restore("blend", lambda data: unpack(data, BLEND_FORMAT))
        if learned is not None:
            self.use_blend(learned["weights"], float(learned["repeat_share"]))

    def use_blend(self, weights: Mapping[str, float], repeat_share: float) -> None:
        """Rank with learned weights, unless the settings name their own, and note how much people repeat."""
        self.repeat_share = repeat_share
        if "blend" in self._settings.components:
            return
        ranker: Any = self.pipeline.ranker
        learned = Blend(BlendConfig(weights=dict(weights)))
        if isinstance(ranker, Blend):
            self.pipeline.ranker = learned
        elif hasattr(ranker, "blend"):
            ranker.blend = learned

    @property
    def near(self) -> NearTaste:
        """Return the source that holds the item vectors."""
        source: Any = self.pipeline.sources["taste"]
        return source  # type: ignore[no-any-return]

    def taste(self, user_id: str, at: float) -> Taste:
        """Return a user's taste in items; see ``Engine.taste``."""
        history = self._history(user_id, at)
        reading = read_taste(history, self.near.vectors, at, self.near.config)
        ids, last_at = self._ledger.items.ids, dict(zip(history.item.tolist(), history.last_at.tolist(), strict=True))
        return Taste(
            user_id=user_id,
            at=from_s(at),
            medoids=tuple(
                TasteItem(
                    item_id=ids[medoid.item],
                    title=self.index.title(medoid.item),
                    share=medoid.share,
                    n_items=medoid.members.size,
                    last_at=from_s(last_at[medoid.item]),
                    others=tuple(ids[item] for item in medoid.members.tolist() if item != medoid.item)[:SHOWN_OTHERS],
                )
                for medoid in reading.medoids
            ),
            agreement=reading.agreement,
            fast_evidence=reading.fast_evidence,
            slow_evidence=reading.slow_evidence,
        )

    def use_vectors(self, item_ids: Sequence[str], vectors: ArrayLike, shelf: ModelShelf, now_us: int) -> int:
        """Take item vectors from outside and keep them; see ``Engine.use_item_vectors``."""
        rows, ledger = np.asarray(vectors, dtype=np.float64), self._ledger
        number = ledger.items.numbers(item_ids)
        if not len(item_ids) and not rows.size:
            found = ItemVectors.none()
        elif rows.ndim != 2 or rows.shape[0] != number.size:
            raise ConfigError(
                f"{number.size} items and vectors of shape {rows.shape}; give one row of numbers for each item"
            )
        else:
            found = ItemVectors.of(number[number >= 0], rows[number >= 0], given=True)
        shelf.save(self.near.name, ledger.log.tail(), now_us, found.encode())
        self.near.vectors = found
        return len(found)

    def _history(self, user_id: str, at: float) -> History:
        learner: Any = self._ledger.learners["history"]
        history: History = learner.read(self._ledger.state_at("history", user_id, at), at)
        return history

    def _shown(self, user_id: str, at: float) -> Impressions:
        learner: Any = self._ledger.learners["impressions"]
        shown: Impressions = learner.read(self._ledger.state_at("impressions", user_id, at), at)
        return shown

    def _facts(self, user_id: str, at: float) -> dict[str, Any]:
        learner: Any = self._ledger.learners["facts"]
        known = learner.read(self._ledger.state_at("facts", user_id, at), at)
        return {name: fact.value for name, fact in known.items()}

    def _recent(self, user_id: str, at: float) -> RecentTopics:
        learner: Any = self._ledger.learners["history"]
        recent: RecentTopics = learner.recent(self._ledger.state_at("history", user_id, at))
        return recent

    def query(
        self,
        user_id: str,
        n: int,
        at: float,
        context: Mapping[str, Any],
        exclude: Iterable[str] = (),
        rules: BusinessRulesConfig = NO_RULES,
    ) -> Query:
        """Return everything that sources may ask about, as of a moment."""
        ledger = self._ledger
        tracker: Any = ledger.learners["tracker"]
        # The states first, the sizes afterwards: while others write, numbers only ever grow.
        state, history = ledger.state_at("tracker", user_id, at), self._history(user_id, at)
        with ledger.locked():
            item_topics, topic_items, since = self.index.arrays()
            size = since.size
        counted = ledger.population("topic_population", at, tracker.config.population_half_life_days)
        n_topics = item_topics.shape[1]
        reading = tracker.read(state, at, sized(counted, n_topics), context, crowd_at(ledger, at, n_topics))
        said = said_by(ledger, user_id, at)
        parents = ledger.parents(at, item_topics.shape[1])
        reading = apply_statements(reading, said, at, self._statements, parents)
        muted = standing(said, at, self._statements, parents).muted
        allowed = np.ones(size, dtype=np.bool_)
        for item_id in exclude:
            number = ledger.items.number(item_id)
            if 0 <= number < size:
                allowed[number] = False
        # Items that were not there yet at that moment must not be in its list.
        allowed &= since <= at
        ruling = self.rules.ruling(rules, item_topics, parents, since, at)
        if not self.seen_allowed:
            allowed[ruling.not_pinned(history.item)] = False
        if muted:
            allowed[self._muted_items(item_topics, muted)] = False
        for out in ruling.out.values():
            allowed &= ~out
        return Query(
            user_id=user_id,
            n=n,
            at=at,
            history=history,
            reading=reading,
            taste=taste_reader(history, at),
            popularity=lambda half_life: sized(ledger.population("item_population", at, half_life), size),
            item_topics=item_topics,
            topic_items=topic_items,
            since=since,
            allowed=allowed,
            items=ledger.items,
            topics=ledger.topics,
            titles=self.index.title,
            table=self.table,
            context=context,
            shown=lambda: self._shown(user_id, at),
            facts=lambda: self._facts(user_id, at),
            vectors=lambda: self.near.vectors,
            said=lambda: said,
            ruling=ruling,
        )

    def table(self) -> ItemTable:
        """Return what item models may know of the items."""
        with self._ledger.locked():
            return self.index.table()

    def _muted_items(self, item_topics: sparse.csr_array, muted: Mapping[int, float]) -> IntArray:
        """Return the items all of whose topics, or the first of them, are muted."""
        is_muted = np.zeros(item_topics.shape[1])
        is_muted[list(muted)] = 1.0
        share = item_topics @ is_muted
        partly = np.flatnonzero((share > 0) & (share < 1 - 1e-9)).tolist()
        number = self._ledger.topics.number
        first = [i for i in partly if (item := self.index.item(i)) and number(item.topics[0]) in muted]
        return np.concatenate([np.flatnonzero(share >= 1 - 1e-9), np.array(first, dtype=np.int64)])

    def _told(self, query: Query) -> Standing:
        """Return what holds of the user's statements."""
        said = said_by(self._ledger, query.user_id, query.at)
        parents = self._ledger.parents(query.at, query.reading.probability.size)
        return standing(said, query.at, self._statements, parents)

    @property
    def seen_allowed(self) -> bool:
        """Return whether items that the user dealt with may come again."""
        config = self.pipeline.config
        return config.seen == "allow" or (config.seen == "auto" and self.repeat_share >= config.repeat)

    def recommend(
        self,
        user_id: str,
        n: int,
        at: float,
        context: Mapping[str, Any],
        exclude: Iterable[str],
        strategy: str | None,
        rules: BusinessRulesConfig = NO_RULES,
    ) -> list[Recommendation]:
        """Return the list; see ``Engine.recommend``."""
        query = self.query(user_id, n, at, context, exclude, rules)
        moves: dict[str, dict[int, int]] = {}
        ranked, parts = self.pipeline.run(query, strategy, moves)
        return self._explain_all(query, ranked, parts, range(min(n, ranked.item.size)), moves)

    def rank_all(self, user_id: str, n: int, at: float) -> tuple[dict[str, IntArray], BoolArray]:
        """Return the list of every strategy and of the whole pipeline, as item numbers, and which items were allowed."""
        query = self.query(user_id, n, at, {})
        lists = {name: self.pipeline.run(query, name)[0].item[:n] for name in self.pipeline.sources}
        lists["pipeline"] = self.pipeline.run(query)[0].item[:n]
        return lists, query.allowed

    def _explain_all(
        self,
        query: Query,
        ranked: Candidates,
        parts: Mapping[str, Mapping[int, float]],
        places: Iterable[int],
        moves: Mapping[str, Mapping[int, int]],
    ) -> list[Recommendation]:
        chosen = []
        for place in places:
            item = int(ranked.item[place])
            mine = {source: scores[item] for source, scores in parts.items() if item in scores}
            proposing = () if item in query.ruling.pins.values() else [name for name in mine if name != RULES]
            source = max(proposing, key=lambda name: mine[name], default=RULES)
            chosen.append(
                (
                    item,
                    float(ranked.score[place]),
                    source,
                    mine,
                    self._because(query, source, item),
                )
            )
        wanted = {item: self._positions(query, because) for item, *_, because in chosen}
        rows = dict(self._ledger.log.at_positions([p for positions in wanted.values() for p in positions]))
        return [
            Recommendation(
                item_id=query.items.ids[item],
                title=query.titles(item),
                score=score,
                source=source,
                reason=because.text,
                evidence=tuple(rows[p].event_id for p in wanted[item] if p in rows),
                parts=mine,
                moves={name: by_item[item] for name, by_item in moves.items() if item in by_item},
            )
            for item, score, source, mine, because in chosen
        ]

    def _because(self, query: Query, source: str, item: int) -> Because:
        """Return a source's reason; where interests led there that rest on what the user said, that is the reason."""
        if source == RULES:
            return Because("Placed here by a rule")
        told = self._told(query)
        if source == "interest" and told.stated:
            topics = query.item_topics.indices[query.item_topics.indptr[item] : query.item_topics.indptr[item + 1]]
            topic = int(topics[np.argmax(query.reading.probability[topics])]) if topics.size else -1
            liked = self._liked(query, told, topic)
            if liked is not None:
                return Because(f"You said that you like {query.topics.ids[liked]}", topic=liked)
        return self.pipeline.sources[source].because(query, item)

    def _liked(self, query: Query, told: Standing, topic: int) -> int | None:
        """Return the topic itself, or the nearest one above it, that the user said to like; None when there is none."""
        parents = self._ledger.parents(query.at, query.reading.probability.size)
        while topic >= 0:
            if told.stated.get(topic, (0.0,))[0] > 0:
                return topic
            topic = int(parents[topic])
        return None

    def _positions(self, query: Query, because: Because) -> list[int]:
        """Return log positions of the user's events that a reason speaks of, at most three."""
        if because.items:
            place = {int(item): i for i, item in enumerate(query.history.item)}
            return [int(query.history.last_position[place[item]]) for item in because.items if item in place][:3]
        if because.topic is not None:
            strength, _, position = self._told(query).stated.get(because.topic, (0.0, 0.0, 0))
            if strength > 0:
                return [position]
            recent = self._recent(query.user_id, query.at)
            mine = np.flatnonzero((recent.topic == because.topic) & (recent.weight > 0) & (recent.at <= query.at))
            if mine.size:
                return [int(p) for p in recent.position[mine[-3:]][::-1]]
            starts, items = query.topic_items.indptr, query.topic_items.indices
            within = np.isin(query.history.item, items[starts[because.topic] : starts[because.topic + 1]])
            return [int(p) for p in query.history.last_position[within][-3:][::-1]]
        return []

    def explain(self, user_id: str, item_id: str, at: float) -> Explanation:
        """Return why an item is, or is not, recommended; see ``Engine.explain``."""
        query = self.query(user_id, SHOWN, at, {})
        number = query.items.number(item_id)
        if number < 0 or number >= query.allowed.size or not query.since[number] <= at:
            reason = f"No event up to then has spoken of {item_id}"
            return Explanation(user_id, item_id, "unknown_item", None, None, reason, {})
        topics = query.item_topics.indices[query.item_topics.indptr[number] : query.item_topics.indptr[number + 1]]
        liking = {query.topics.ids[topic]: float(query.reading.probability[topic]) for topic in topics}
        if not query.allowed[number]:
            muted = self._told(query).muted
            if number in self._muted_items(query.item_topics, muted):
                since, topic = max((muted[topic], topic) for topic in topics.tolist() if topic in muted)
                reason = f"{query.topics.ids[topic]}: muted by the user on {from_s(since):%Y-%m-%d}"
                return Explanation(user_id, item_id, "excluded", None, None, reason, liking)
            if (rule := query.ruling.keeps_out(number)) is not None:
                return Explanation(user_id, item_id, "excluded", None, None, f"Excluded by rule {rule}", liking)
            reason = "You dealt with it before, and items are not recommended twice here"
            return Explanation(user_id, item_id, "excluded", None, None, reason, liking)
        moves: dict[str, dict[int, int]] = {}
        ranked, parts = self.pipeline.run(query, None, moves)
        place = np.flatnonzero(ranked.item == number)
        if place.size == 0 and (quota := used_up(query, number, ranked.item)) is not None:
            return Explanation(user_id, item_id, "excluded", None, None, f"Excluded by rule {quota}", liking)
        if place.size == 0:
            reason = "No source proposes it: " + _why_not(query, number, liking)
            return Explanation(user_id, item_id, "not_a_candidate", None, None, reason, liking)
        shown = self._explain_all(query, ranked, parts, [int(place[0])], moves)[0]
        verdict: Any = "recommended" if place[0] < SHOWN else "ranked"
        return Explanation(user_id, item_id, verdict, int(place[0]) + 1, shown, shown.reason, liking)


def _why_not(query: Query, item: int, liking: Mapping[str, float]) -> str:
    best = max(query.reading.probability, default=0.0)
    if not liking:
        return "it has no topics, no buyers in common with your items, and is not popular"
    topic = max(liking, key=lambda name: liking[name])
    return f"{topic} is {liking[topic]:.1%} of what comes next for you (the first topic is {best:.1%}), and others lead in it"
