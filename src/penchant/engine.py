"""The loop on one page: collect -> process -> profile -> interest -> recommend -> (evaluate) -> collect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from penchant import clock as clocks
from penchant.clock import Clock, Moment
from penchant.collect import LOGS
from penchant.config import Settings, component_config
from penchant.domain.alike import Export, SimilarItem, SimilarUser
from penchant.domain.consent import NO_CONSENT, Consent
from penchant.domain.event import Event, Receipt, Refusal
from penchant.domain.interests import Interest
from penchant.domain.item import Item
from penchant.domain.onboarding import Question, QuestionKind
from penchant.domain.profile import Profile
from penchant.domain.progress import Progress, silent
from penchant.domain.row import Row, to_event
from penchant.domain.slate import Explanation, Recommendation
from penchant.domain.statements import StatementScope
from penchant.domain.taste import Taste
from penchant.errors import ConfigError, EventError
from penchant.interest import LEARNERS as INTEREST_LEARNERS
from penchant.interest.models import MODELS
from penchant.interest.parameters import TrackerConfig
from penchant.interest.statements import StatementsConfig
from penchant.interest.tracker import Tracker
from penchant.loop.consenting import Gate
from penchant.loop.fold import Ledger
from penchant.loop.together import receipt_of, shown, take_together
from penchant.loop.versions import TrackerVersions
from penchant.process.label import LabelConfig
from penchant.process.validate import Limits, validate
from penchant.profile import LEARNERS as PROFILE_LEARNERS
from penchant.profile.consent import ConsentConfig
from penchant.recommend import RANKERS, RERANKERS, SOURCES
from penchant.storage.shelf import ModelShelf

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import ArrayLike

    from penchant.collect.questionnaire import Questionnaire
    from penchant.loop.alike import SimilarUsers
    from penchant.loop.onboarding import Onboarding
    from penchant.loop.recommender import Recommender

Given: TypeAlias = "Event | Mapping[str, Any] | Iterable[Event | Mapping[str, Any]] | pl.DataFrame"
CHUNK = 100_000


class Engine:
    """Takes events, keeps every user's interests right, and recommends from them.

    One engine stands behind library, command line and servers. It may be used from several threads; writes queue up and
    are committed together. ``at`` everywhere is the moment asked about (default: now): the answer knows every event that
    happened up to then and none after it.
    """

    def __init__(self, settings: Settings, clock: Clock = clocks.now) -> None:
        self.settings = settings
        self._clock = clock
        _check_components(settings)
        config = component_config(TrackerConfig, settings.components, "tracker")
        self._labels = component_config(LabelConfig, settings.components, "label")
        self._statements = component_config(StatementsConfig, settings.components, "statements")
        learners = {name: PROFILE_LEARNERS[name]() for name in PROFILE_LEARNERS}
        self._facts, self._behaviour = learners["facts"], learners["behaviour"]
        learners |= {name: INTEREST_LEARNERS[name]() for name in INTEREST_LEARNERS if name != "tracker"}
        self._recommender: Recommender | None = None
        self._onboarding: Onboarding | None = None
        self._similar_users: SimilarUsers | None = None
        log, checkpoint, database = _storage(settings)
        try:
            folder = Path(settings.url.removeprefix("parquet:///")) if settings.url.startswith("parquet:") else None
            self._shelf = ModelShelf(database, folder)
            learners["tracker"] = Tracker(config)
            self.ledger = Ledger(log, checkpoint, learners, settings.checkpoint_events, _fold_version(learners, config))
            # Which numbers the topics have is known once the ledger is there.
            self._trackers = TrackerVersions(self._shelf, config, lambda: self.ledger.topics.ids)
            self.ledger.learners["tracker"] = self.tracker
            self._gate = Gate(self.ledger, component_config(ConsentConfig, settings.components, "consent"))
        except BaseException:
            log.close()
            raise

    @classmethod
    def open(
        cls,
        url: str | None = None,
        *,
        settings: Settings | None = None,
        clock: Clock = clocks.now,
        **overrides: Any,
    ) -> Engine:
        """Return an engine on a log: in memory, in a SQLite file, in PostgreSQL, or in Parquet files.

        Args:
            url: ``sqlite:///penchant.db``, ``postgresql+psycopg://user@host/name``, ``parquet:///folder``; None means
                what the settings say, which by default is memory.
            settings: Where nothing else is given.
            clock: Says what time it is; tests give a fixed one.
            overrides: Single settings by name.

        Raises:
            ConfigError: When the URL or a setting is wrong.
            StorageError: When the log cannot be opened.
        """
        given = (settings or Settings.load()).model_dump() | ({} if url is None else {"url": url}) | overrides
        return cls(Settings.load(**given), clock)

    # -- collect and process ---------------------------------------------------------------------------------------

    def ingest(
        self,
        events: Given,
        *,
        refused: Callable[[Refusal], None] | None = None,
        mark: tuple[str, str] | None = None,
    ) -> Receipt:
        """Validate, label, append and fold events; when this returns, they are durable and every answer knows them.

        Args:
            events: One event or many, as mappings, ``Event`` objects or a Polars frame with the same names as columns.
            refused: Called with every refused row; the receipt itself names the first 100.
            mark: A name and a text kept in the log in the same transaction as the last of the events.

        Returns:
            How many were accepted, were there already (same ``event_id``), or were refused, and why.

        Raises:
            EventError: When a frame has an unknown or wrongly typed column; nothing of it is taken then.
            StorageError: When the log cannot be written; nothing of the chunk is taken then.
        """
        if hasattr(events, "lazy"):
            receipt = self._ingest_frame(events, refused, mark)  # type: ignore[arg-type]
            self._keep_calibrated()
            return receipt
        if isinstance(events, Event | Mapping):
            events = (events,)
        elif isinstance(events, str | bytes) or not isinstance(events, Iterable):
            raise EventError(f"not events: {type(events).__name__}; give a mapping, an Event, many of them, or a frame")
        now = self._clock()
        limits = Limits.around(now, self.settings.clock_tolerance, self.settings.earliest)
        receipt, rows, places = Receipt(), list[Row](), list[int]()
        refusals: list[Refusal] = []
        for place, event in enumerate(events):
            try:
                rows.append(validate(event, now, limits))
                places.append(place)
            except EventError as error:
                refusals.append(Refusal(place, str(error), shown(event)))
            if len(rows) + len(refusals) >= CHUNK:
                receipt += self._take(rows, places, refusals, refused, None)
                rows, places, refusals = [], [], []
        receipt += self._take(rows, places, refusals, refused, mark)
        self._keep_calibrated()
        return receipt

    def ingest_each(self, groups: Sequence[Iterable[Event | Mapping[str, Any]]]) -> list[Receipt]:
        """Ingest the events of several callers with one commit; return a receipt for each.

        A server that gathers what waits pays once for what ``ingest`` pays each time.

        Raises:
            StorageError: When the log cannot be written; nothing of any group is taken then.
        """
        now = self._clock()
        limits = Limits.around(now, self.settings.clock_tolerance, self.settings.earliest)
        receipts = take_together(
            groups, self.ledger, lambda event: validate(event, now, limits), self._label, self._gate.admits
        )
        self._keep_calibrated()
        return receipts

    def _label(self, rows: Sequence[Row]) -> list[Row]:
        from penchant.process.label import label_rows

        return label_rows(rows, self._item_topics, self._labels)

    def _take(
        self,
        rows: list[Row],
        places: list[int],
        refusals: list[Refusal],
        refused: Callable[[Refusal], None] | None,
        mark: tuple[str, str] | None,
    ) -> Receipt:
        accepted = duplicates = late = 0
        _hand_over(refusals, refused)
        if rows or mark:
            # The catalogue first, so that a batch may bring items and what was done with them.
            order = sorted(range(len(rows)), key=lambda i: rows[i][1] != "item")
            position, behind = self.ledger.append([rows[i] for i in order], self._label, mark, admits=self._gate.admits)
            late = int(np.count_nonzero(behind))
            accepted = int(np.count_nonzero(position > 0))
            duplicates = int(np.count_nonzero(position == 0))
            unwanted = [Refusal(places[order[i]], NO_CONSENT, "") for i in np.flatnonzero(position < 0)]
            _hand_over(unwanted, refused)
            refusals = sorted([*refusals, *unwanted], key=lambda one: one.row)
        return receipt_of(accepted, duplicates, late, refusals)

    def _ingest_frame(
        self, frame: pl.DataFrame, refused: Callable[[Refusal], None] | None, mark: tuple[str, str] | None
    ) -> Receipt:
        import polars as pl

        from penchant.process.label import label_frame
        from penchant.process.validate_frame import fill_ids, prepare_frame, verdicts

        now = self._clock()
        limits = Limits.around(now, self.settings.clock_tolerance, self.settings.earliest)
        if isinstance(frame, pl.LazyFrame):
            frame = frame.collect()
        prepared = prepare_frame(frame, now)
        receipt, last = Receipt(), max(0, (prepared.height - 1) // CHUNK)
        for number in range(last + 1):
            chunk = prepared.slice(number * CHUNK, CHUNK)
            reason = verdicts(chunk, limits)
            wrong = reason.is_not_null()
            refusals = [
                Refusal(number * CHUNK + i, why, repr(frame.row(number * CHUNK + i, named=True))[:500])
                for i, why in zip(wrong.arg_true().to_list(), reason.drop_nulls().to_list(), strict=True)
            ]
            _hand_over(refusals, refused)
            good = fill_ids(chunk.filter(~wrong))
            is_item = good["type"] == "item"
            order = pl.concat([is_item.arg_true(), (~is_item).arg_true()])
            good, places = good[order], (~wrong).arg_true()[order]
            with self.ledger.locked():  # nobody may change the catalogue or a consent between here and the append
                self.ledger.catch_up()
                admitted = pl.Series(self._gate.admits_frame(good))
                if not admitted.all():
                    unwanted = (places.filter(~admitted) + number * CHUNK).to_list()
                    _hand_over([Refusal(place, NO_CONSENT, "") for place in unwanted], refused)
                    refusals += [Refusal(place, NO_CONSENT, "") for place in unwanted]
                    good = good.filter(admitted)
                good = label_frame(good, self._item_topics, self._labels)
                rows: list[Row] = good.rows()  # type: ignore[assignment]
                position, late = self.ledger.append(rows, mark=mark if number == last else None, frame=good)
            accepted = int(np.count_nonzero(position))
            receipt += receipt_of(accepted, len(rows) - accepted, int(np.count_nonzero(late)), refusals)
        return receipt

    def replay(self, frame: pl.DataFrame) -> int:
        """Append rows of another log, in the log's schema, as they are; return how many were new."""
        from penchant.domain.row import COLUMNS

        accepted = 0
        for chunk in frame.select(COLUMNS).iter_slices(CHUNK):
            rows: list[Row] = chunk.rows()  # type: ignore[assignment]
            accepted += int(np.count_nonzero(self.ledger.append(rows, frame=chunk)[0]))
        return accepted

    def _item_topics(self, item_id: str) -> tuple[str, ...]:
        return self.item(item_id).topics

    def item(self, item_id: str) -> Item:
        """Return what the catalogue says of an item; without topics and title when no item event has spoken of it."""
        return self.ledger.states.get("catalog", item_id) or Item(item_id)

    def items(self, n: int = 100, after: int = 0) -> tuple[list[Item], int | None]:
        """Return ``n`` items in the order in which they became known, and after how many to go on; None at the end."""
        names = self.ledger.items.ids[after : after + n]
        more = after + n < len(self.ledger.items)
        return [self.item(name) for name in names if not name.startswith("forgotten:")], after + n if more else None

    def users(self, n: int = 100, after: str | None = None) -> list[str]:
        """Return the first ``n`` users beyond ``after`` of whom something is known, in the order of their ids."""
        folds = [name for name, learner in self.ledger.learners.items() if learner.scope == "user"]
        known: set[str] = set()
        for name in folds:
            known.update(self.ledger.states.keys(name, after or "", n))
        return sorted(known)[:n]

    @property
    def tracker(self) -> Tracker:
        """Return the tracker in force now."""
        return self._trackers.current

    def recalibrate(self) -> bool:
        """Calibrate P(active) anew on what happened in the last weeks; return whether there was something to calibrate.

        ``ingest`` does so by itself whenever the log has moved on by ``recalibrate_days`` (settings of ``tracker``).
        """
        from penchant.loop.recalibrating import recalibrate

        newest = self._newest_s()
        parameters = recalibrate(self.ledger, self.tracker, newest, self.settings.seed)
        if parameters is None:
            return False
        position, now_us = self.ledger.log.tail(), clocks.to_us(self._clock())
        with self.ledger.locked():
            self._trackers.put(parameters, position, now_us, now_us)
            self.ledger.learners["tracker"] = self.tracker
        return True

    def _newest_s(self) -> float:
        """Return the end of the last day that has an event, and no later than now, seconds since 1970."""
        days = self.ledger.states.every("topic_population")
        return min(self.now(), (max(map(int, days), default=0) + 1) * clocks.DAY_S)

    def _keep_calibrated(self) -> None:
        if self.tracker.is_due(self._newest_s):
            self.recalibrate()

    # -- profile and interest --------------------------------------------------------------------------------------

    def profile(self, user_id: str, at: Moment | None = None, n: int = 10, *, level: int | None = None) -> Profile:
        """Return what is known of a user: facts, behaviour, and the ``n`` strongest interests; see ``interests``."""
        when, asked = self._when(at), self._gate.asked_as(user_id)
        behaviour = self.ledger.state_at("behaviour", asked, when)
        facts = self.ledger.state_at("facts", asked, when)
        read_facts = self._facts.read(facts, when)
        read_behaviour = self._behaviour.read(behaviour, when)
        return Profile(
            user_id=user_id,
            at=clocks.from_s(when),
            known=bool(read_facts) or read_behaviour.n_events > 0,
            facts=read_facts,
            behaviour=read_behaviour,
            interests=tuple(self.interests(asked, n, at=clocks.from_s(when), level=level)),
        )

    def interests(
        self,
        user_id: str,
        n: int = 10,
        at: Moment | None = None,
        *,
        level: int | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> list[Interest]:
        """Return a user's ``n`` most probable topics, of those that the user ever touched or spoke of.

        None for an unknown user. What the user said outranks what is inferred, and fades (``say``).

        Args:
            user_id: May be unknown.
            n: At most this many.
            at: The moment asked about.
            level: Of the topic hierarchy: 0 for the topics at the top with everything under them, 1 for those just
                under them, and so on; a topic above the level counts as itself. None for the topics as they are.
            context: What the caller says of the situation; what ``fit`` found to matter changes the probabilities.

        Raises:
            ConfigError: When the level is below 0.
        """
        from penchant.loop.interests import interests_of

        if level is not None and level < 0:
            raise ConfigError(f"level is {level}; at least 0, or None")
        asked = self._gate.asked_as(user_id)
        when = self._when(at)
        tracker = self._trackers.at(when)
        return interests_of(self.ledger, tracker, self._statements, asked, n, when, level, context)

    def say(
        self,
        user_id: str,
        topic: str,
        value: float = 1.0,
        *,
        scope: StatementScope = "always",
        until: Moment | None = None,
        at: Moment | None = None,
    ) -> Receipt:
        """Take what a user says of a topic; it replaces what the user said of it before in the same scope.

        Args:
            user_id: Who says it.
            topic: What of, alone or with everything under it; it need not be known.
            value: 1 = likes it very much, -1 = not at all; 0 withdraws what was said before.
            scope: ``always``; ``now`` for a passing interest; ``mute`` (value 1: stop showing it; 0: show it again).
            until: When it expires; None: a statement of scope ``now`` after 7 days, others never.
            at: When it was said; None for now.

        Returns:
            What became of it: refused with a reason when something is wrong with it.
        """
        expires = None if until is None else clocks.isoformat(clocks.from_s(self._when(until, "until")))
        said = {"type": "statement", "user_id": user_id, "topics": [topic], "value": value, "at": at}
        return self.ingest({**said, "scope": scope, "until": expires})

    def answer_survey(
        self, user_id: str, questionnaire: Questionnaire, answers: Mapping[str, Any], at: Moment | None = None
    ) -> Receipt:
        """Take a user's answers to a questionnaire: statements, facts and consents follow from them.

        Args:
            user_id: Who answers.
            questionnaire: What was asked.
            answers: By the id of the question; a number, a text, a truth value or several texts.
            at: When; None for now.

        Returns:
            What became of the events; an answer that the question does not allow is refused with the reason.
        """
        events, wrong = questionnaire.events(user_id, answers, at)
        refusals = [Refusal(row, reason, shown(answers)) for row, reason in enumerate(wrong)]
        return receipt_of(0, 0, 0, refusals) + self.ingest(events)

    def mute(self, user_id: str, topic: str, until: Moment | None = None) -> Receipt:
        """Stop recommending items of a topic, and of those under it, to a user; it is still learned from."""
        return self.say(user_id, topic, 1.0, scope="mute", until=until)

    def unmute(self, user_id: str, topic: str) -> Receipt:
        """Lift a mute."""
        return self.say(user_id, topic, 0.0, scope="mute")

    def taste(self, user_id: str, at: Moment | None = None) -> Taste:
        """Return the items that stand for a user's taste, and how far the last days lie from the last months.

        It needs item vectors: learned by ``fit(["taste"])``, or brought by ``use_item_vectors``. Without them, and for
        an unknown user, there are no items in it.
        """
        return replace(self.recommender.taste(self._gate.asked_as(user_id), self._when(at)), user_id=user_id)

    def use_item_vectors(self, item_ids: Sequence[str], vectors: ArrayLike) -> int:
        """Take item vectors from outside, of texts or pictures say, in place of those that ``fit`` learns; keep them.

        Args:
            item_ids: Items, each once. Those that no event has named yet are left out.
            vectors: One row of numbers for each, shape ``(n, d)``, any length; a row of zeros is no vector. Empty: go
                back to the vectors that ``fit`` learns, at the next ``fit``.

        Returns:
            How many items have a vector now.

        Raises:
            ConfigError: When the rows are not as many as the items, not finite, or an item is named twice.
        """
        return self.recommender.use_vectors(item_ids, vectors, self._shelf, clocks.to_us(self._clock()))

    # -- recommend -------------------------------------------------------------------------------------------------

    @property
    def recommender(self) -> Recommender:
        """Return the part that recommends; built when it is first needed."""
        if self._recommender is None:
            from penchant.loop.recommender import Recommender

            with self.ledger.locked():
                self._recommender = self._recommender or Recommender(self.ledger, self.settings, self._shelf)
        return self._recommender

    def recommend(
        self,
        user_id: str,
        n: int = 10,
        at: Moment | None = None,
        context: Mapping[str, Any] | None = None,
        exclude: Iterable[str] | None = None,
        strategy: str | None = None,
        *,
        filter: str | None = None,
        boost: Mapping[str, float] | None = None,
        pin: Mapping[str, int] | None = None,
        quota: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[Recommendation]:
        """Return ``n`` items for a user, each with its source, reason and the user's events behind it.

        Args:
            user_id: May be unknown: then what most people like, and what is new, is recommended.
            n: Length of the list, at least 1.
            at: The moment asked about.
            context: What the caller says of the situation; handed to every source.
            exclude: Item ids to leave out.
            strategy: Name of one candidate source or item model; None for the whole pipeline.
            filter: Only items for which this holds: ``'price < 20 and not topic = "ALCOHOL"'``.
            boost: What scores are multiplied with, by filter: ``{'brand = "Own"': 1.5}``.
            pin: Positions of items, 1 for the first, by item id; whether a source proposes them or not.
            quota: How many of a kind: ``[{"by": "department", "at_most": 3}, {"when": "organic = true", "at_least": 2}]``.

        Raises:
            ConfigError: When a rule is wrong; it says which, and where in its text.
            UnknownNameError: When there is no such strategy, or no item has the attribute that a rule names.
            NotFittedError: When it is an item model that has not been fitted.
            NotInstalledError: When it needs a package that is not there.
        """
        if n < 1:
            raise ConfigError(f"n is {n}; at least 1")
        from penchant.domain.rules import request_rules

        rules = request_rules(filter, boost, pin, quota)
        asked = self._gate.asked_as(user_id)
        return self.recommender.recommend(asked, n, self._when(at), context or {}, exclude or (), strategy, rules)

    def onboarding(
        self,
        n: int = 5,
        *,
        kind: QuestionKind = "topic",
        answers: Mapping[str, bool] | None = None,
        at: Moment | None = None,
    ) -> list[Question]:
        """Return the ``n`` questions whose answers tell most about a new user, the most telling first.

        None while too few users are known. Ask one, give its answer here, and the next will be chosen after it.

        Args:
            n: At most this many.
            kind: ``topic``: do you like it? ``item``: is it one that you take?
            answers: What the user has answered so far, yes or no by topic or item id.
            at: The moment asked about.

        Raises:
            ConfigError: When an answer is about what nobody has named yet.
        """
        return self._questions.questions(n, kind, answers or {}, self._when(at), at is None)

    @property
    def _questions(self) -> Onboarding:
        if self._onboarding is None:
            from penchant.loop.onboarding import Onboarding

            self._onboarding = Onboarding(self.ledger, self.recommender.index, self.settings)
        return self._onboarding

    def answer(
        self, user_id: str, answers: Mapping[str, bool], kind: QuestionKind = "topic", at: Moment | None = None
    ) -> Receipt:
        """Take a user's answers: statements on topics; a ``like`` of every item that is taken, nothing of the others.

        A statement is as strong as people who answer so differ from others; ``say`` takes a plain one.
        """
        return self.ingest(self._questions.answered(user_id, answers, kind, self._when(at), at is None))

    def explain(self, user_id: str, item_id: str, at: Moment | None = None) -> Explanation:
        """Return why an item is, or is not, recommended to a user."""
        found = self.recommender.explain(self._gate.asked_as(user_id), item_id, self._when(at))
        return replace(found, user_id=user_id)

    def similar_items(self, item_id: str, n: int = 10, at: Moment | None = None) -> list[SimilarItem]:
        """Return ``n`` items like one: taken by the same users, near in the item vectors, or about the same topics.

        None for an item that no item event has spoken of by then. The first two need ``fit``.
        """
        from penchant.loop.alike import similar_items

        return similar_items(self.recommender, self.ledger, item_id, n, self._when(at))

    def similar_users(self, user_id: str, n: int = 10) -> list[SimilarUser]:
        """Return the ``n`` users whose long-term interests are most like a user's; none for an unknown user."""
        if self._similar_users is None:
            from penchant.loop.alike import SimilarUsers

            with self.ledger.locked():
                self._similar_users = self._similar_users or SimilarUsers(self.ledger)
        asked = self._gate.asked_as(user_id)
        # Nobody is shown to others who does not want to be recommended to; there may be fewer than n then.
        return [one for one in self._similar_users(asked, 2 * n) if self._gate.allows(one.user_id, "personalise")][:n]

    # -- learn, rebuild, forget ------------------------------------------------------------------------------------

    def fit(self, what: Iterable[str] | None = None, progress: Progress = silent) -> dict[str, Any]:
        """Fit models on the log: the tracker's mixture, what the pipeline is made of, the weights of the blend.

        Args:
            what: Names to fit: ``tracker``, a source that learns or any item model, ``blend``; ``calibration`` for
                P(active) alone. None for the tracker,
                the sources and models that the pipeline declares (``item_knn`` and ``taste`` unless it was set
                otherwise), and the blend.
            progress: Told how far a model is whose training takes long: what is done, how much, of how much.

        Returns:
            What was learned and how long it took, by name.

        Raises:
            UnknownNameError: When there is no such model.
            NotInstalledError: When one of them needs a package that is not there.
        """
        from penchant.loop.fitting import Fitting

        folder = _training_folder(self.settings.url)
        fitting = Fitting(
            self.ledger,
            self.recommender,
            self._shelf,
            self._trackers,
            self.settings.seed,
            self._clock,
            folder,
            progress,
        )
        return fitting.run(what)

    def rebuild(self, fill_topics: bool = False) -> int:
        """Fold the whole log again; return how many events. The states come out the same, bit for bit.

        Args:
            fill_topics: First give events that came before their item was known the topics that it has now; then the
                states come out as if the items had been there from the start.
        """
        return self.ledger.rebuild(fill_topics)

    def export(self, user_id: str) -> Export:
        """Return everything kept of a user: the profile as it is now, and every event in the order of arrival."""
        frame = self.ledger.log.of_user(user_id).drop("position")
        events = tuple(to_event(Row(*row)) for row in frame.rows())
        profile = self.profile(user_id, n=1000)
        return Export(user_id, profile.at, profile, events)

    # -- consent ---------------------------------------------------------------------------------------------------

    def consent(
        self,
        user_id: str,
        purpose: str,
        given: bool = True,
        *,
        source: str | None = None,
        version: str | None = None,
        text: str | None = None,
        evidence: str | None = None,
        at: Moment | None = None,
    ) -> Receipt:
        """Take a user's word on a purpose; a refusal acts on everything from here on.

        Without ``collect`` further events of the user are refused; without ``personalise`` the user is answered like a
        stranger; without ``share`` or ``research`` the user is left out of ``export_for``. ``forget`` erases what is there.

        Args:
            user_id: Who says it.
            purpose: ``collect``, ``personalise``, ``share`` or ``research``.
            given: False refuses, or withdraws.
            source: Only of the data whose ``context.source`` this is; None for all.
            version: Of the text that the user was shown.
            text: That text, or where it lies.
            evidence: How it is known: the form, the call, the letter.
            at: When it was said; None for now.

        Returns:
            What became of it: refused with a reason when something is wrong with it.
        """
        said = {"source": source, "version": version, "evidence": evidence}
        context = {name: value for name, value in said.items() if value is not None}
        event = {
            "type": "consent",
            "user_id": user_id,
            "purpose": purpose,
            "value": float(given),
            "text": text,
            "at": at,
        }
        return self.ingest({**event, "context": context or None})

    def consents(self, user_id: str) -> tuple[Consent, ...]:
        """Return the newest word on every purpose; where there is none, what the settings say (``default``)."""
        return self._gate.words(user_id)

    def allows(self, user_id: str, purpose: str, source: str | None = None) -> bool:
        """Return whether a user allows a purpose now, for data of one source or, None, of any."""
        return self._gate.allows(user_id, purpose, source)

    def export_for(self, purpose: Literal["share", "research"], after: int = 0) -> Iterator[pl.DataFrame]:
        """Yield the log beyond a position, without the events of users who do not allow the purpose."""
        if purpose not in ("share", "research"):
            raise ConfigError(f"purpose is {purpose!r}; exports are for share or research")
        for frame in self.ledger.log.read(after):
            yield self._gate.filtered(frame, purpose)

    def forget(self, user_id: str) -> int:
        """Remove a user from the log, the states and the population's counts; return how many events were erased.

        Fitted models hold no user ids; they lose the user's influence at the next ``fit``.
        """
        return self.ledger.forget(user_id)

    def now(self) -> float:
        """Return the engine's present moment, seconds since 1970."""
        return clocks.to_s(self._clock())

    def _when(self, at: Moment | None, name: str = "at") -> float:
        if at is None:
            return self.now()
        try:
            return clocks.to_s(clocks.parse_moment(at))
        except ValueError as error:
            raise ConfigError(f"{name}: {error}") from None

    @property
    def log(self) -> Any:
        """Return the event log."""
        return self.ledger.log

    def checkpoint(self) -> None:
        """Write every state that has news; a restart then replays nothing."""
        self.ledger.checkpoint()

    def close(self) -> None:
        """Write what waits and close the log."""
        self.ledger.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> Literal[False]:
        self.close()
        return False


def _check_components(settings: Settings) -> None:
    known = {
        "consent",
        "label",
        "onboarding",
        "pipeline",
        "business_rules",
        "statements",
        "tracker",
        *SOURCES,
        *MODELS,
        *RANKERS,
        *RERANKERS,
    }
    for name in settings.components:
        if name not in known:
            raise ConfigError(f"no component named {name!r} to set; known: {', '.join(sorted(known))}")


def _hand_over(refusals: list[Refusal], refused: Callable[[Refusal], None] | None) -> None:
    """Report refusals before the chunk is appended: a process killed in between reports them again, never not at all."""
    if refused is not None:
        for refusal in refusals:
            refused(refusal)


def _fold_version(learners: Iterable[str], config: TrackerConfig) -> str:
    """Return what states depend on beside the log; states of another version are folded anew."""
    return f"{', '.join(sorted(learners))}; {config.fold_version}"


def _training_folder(url: str) -> Path | None:
    """Return where unfinished training is kept: beside a SQLite file, within a Parquet folder, else nowhere."""
    kind, _, rest = url.partition(":///")
    if kind == "parquet":
        return Path(rest) / "training"
    named = kind.startswith("sqlite") and rest not in ("", ":memory:")
    return Path(f"{rest.partition('?')[0]}.training") if named else None


def _storage(settings: Settings) -> tuple[Any, Any, Any]:
    """Return ``(log, checkpoint, database)`` for the settings' URL; the last two None where there are none."""
    kind, _, rest = settings.url.partition("://")
    if settings.url in ("memory", "sqlite://", "sqlite:///:memory:"):
        return LOGS["memory"](), None, None
    if kind == "parquet":
        return LOGS["parquet"](rest.removeprefix("/")), None, None
    if kind.partition("+")[0] not in ("sqlite", "postgresql"):
        raise ConfigError(
            f"cannot open {settings.url!r}; use memory, sqlite:///file.db, postgresql+psycopg://user@host/name or "
            "parquet:///folder"
        )
    from penchant.profile.states import SqlCheckpoint
    from penchant.storage.database import Database

    database = Database(settings.url, settings.durability)
    return LOGS["sql"](database), SqlCheckpoint(database), database
