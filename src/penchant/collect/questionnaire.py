"""Questionnaires: what is asked, and what each answer says of a user - a statement, a fact, a consent, or only itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from penchant.collect.toml_text import parse_toml
from penchant.domain.consent import PURPOSES, Purpose
from penchant.errors import ConfigError, EventError, SourceError

Kind: TypeAlias = Literal["scale", "choice", "choices", "yes_no", "number", "text", "consent"]
Several: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)]
Answers: TypeAlias = Mapping[str, Any]
"""Answers by the id of the question: a number, a text, a truth value, or several texts."""
_YES = frozenset({"yes", "true", "1", "on", "y"})
_NO = frozenset({"no", "false", "0", "off", "n"})
MAX_TEXT = 10_000


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _choice(value: Any) -> Any:
    return {"value": value} if isinstance(value, str) else value


class Choice(_Strict):
    """One of the answers that a ``choice`` or ``choices`` offers."""

    value: str = Field(min_length=1)
    text: str | None = None
    """What is shown; left out, the value."""
    topics: Several = ()
    """Topics that somebody who takes it is interested in."""
    strength: float = Field(default=1.0, ge=-1.0, le=1.0)
    """How much, from -1 to 1."""


class Question(_Strict):
    """One question."""

    id: str = Field(min_length=1, max_length=200)
    """Its name in files of answers."""
    text: str
    """What is asked."""
    kind: Kind = "scale"
    """``scale`` (whole numbers), ``choice`` (one), ``choices`` (several), ``yes_no``, ``number``, ``text``,
    ``consent`` (yes or no, to a purpose)."""
    section: str | None = None
    """Heading above it and the questions that follow with the same one."""
    help: str | None = None
    """A remark shown under it."""
    required: bool = False
    """Whether the form insists on an answer."""
    low: int = 1
    """Least answer of a scale, or of a number."""
    high: int = 5
    """Greatest answer of a scale; of a number only where ``low`` or ``high`` is given."""
    low_text: str | None = None
    """What the least answer of a scale means."""
    high_text: str | None = None
    """What the greatest one means."""
    topics: Several = ()
    """What a ``scale`` or ``yes_no`` is about: the answer becomes a statement on it, -1 for the least or no, 1 for the
    greatest or yes, 0 in the middle."""
    reverse: bool = False
    """Whether the greatest answer, or yes, speaks against the topics."""
    choices: tuple[Annotated[Choice, BeforeValidator(_choice)], ...] = ()
    """What is offered."""
    fact: str | None = None
    """The answer becomes the fact of this name about the user."""
    purpose: Purpose | None = None
    """What a ``consent`` is given to."""

    @model_validator(mode="after")
    def _check(self) -> Question:
        if self.kind in ("choice", "choices") and len({one.value for one in self.choices}) != max(2, len(self.choices)):
            raise ValueError(f"question {self.id!r}: a {self.kind} needs at least two choices, each once")
        if self.kind not in ("choice", "choices") and self.choices:
            raise ValueError(f"question {self.id!r}: only choice and choices have choices")
        if self.kind not in ("scale", "yes_no") and self.topics:
            raise ValueError(f"question {self.id!r}: topics go with scale and yes_no; give them to the choices")
        if self.low >= self.high:
            raise ValueError(f"question {self.id!r}: low is {self.low}, high is {self.high}; low must be less")
        if (self.kind == "consent") != (self.purpose is not None):
            raise ValueError(f"question {self.id!r}: consent and purpose go together; purposes: {', '.join(PURPOSES)}")
        return self


class Questionnaire(_Strict):
    """Questions with a name and a version; both are kept with every answer."""

    name: str = Field(min_length=1, max_length=100)
    version: str = "1"
    """Raise it when a question changes its meaning."""
    title: str = ""
    """Heading of the form; left out, the name."""
    about: str = ""
    """What it is for, shown above the questions."""
    language: str = "en"
    """Language of the texts, as HTML names it."""
    questions: Annotated[tuple[Question, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Questionnaire:
        ids = [question.id for question in self.questions]
        twice = next((one for one in ids if ids.count(one) > 1), None)
        if twice is not None:
            raise ValueError(f"two questions have the id {twice!r}")
        return self

    @classmethod
    def read(cls, what: str | Path) -> Questionnaire:
        """Return the questionnaire in a TOML file, or a built-in one by name.

        Raises:
            SourceError: When the file cannot be read.
            ConfigError: When it is not TOML, or a question is wrong.
        """
        built_in = resources.files("penchant.collect").joinpath("questionnaires", f"{what}.toml")
        try:
            if isinstance(what, str) and what.isidentifier() and built_in.is_file():
                return cls.parse(built_in.read_text(encoding="utf-8"), what)
            return cls.parse(Path(what).read_bytes().decode("utf-8-sig"), str(what))
        except OSError as error:
            raise SourceError(f"cannot read the questionnaire {what}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"the questionnaire {what} is not UTF-8 text (byte {error.start})") from error

    @classmethod
    def parse(cls, text: str, where: str = "questionnaire") -> Questionnaire:
        """Return the questionnaire that a TOML text says; ``where`` names it in errors."""
        return parse_toml(cls, text, where, "docs/how-to/run-a-survey.md")

    def events(self, user_id: str, answers: Answers, at: Any) -> tuple[list[dict[str, Any]], list[str]]:
        """Return what a user's answers say, as events, and what is wrong with the others.

        Args:
            user_id: Who answers.
            answers: By the id of the question; missing ones, None and "" were not answered.
            at: When; any form of a moment that ``ingest`` takes.
        """
        events: list[dict[str, Any]] = []
        wrong = [f"there is no question {name!r}" for name in answers if name not in self._by_id()]
        facts: dict[str, Any] = {}
        head = {"user_id": user_id, "at": at}
        for question in self.questions:
            given = answers.get(question.id)
            if given is None or given in ("", [], ()):
                continue
            try:
                answer = _read(question, given)
            except EventError as error:
                wrong.append(str(error))
                continue
            events += ({**head, **said} for said in self._said(question, answer))
            if question.fact is not None:
                facts[question.fact] = list(answer) if isinstance(answer, tuple) else answer
        if facts:
            events.append({**head, "type": "user", "facts": facts, "context": {"source": self._source()}})
        return events, wrong

    def _by_id(self) -> dict[str, Question]:
        return {question.id: question for question in self.questions}

    def _source(self) -> str:
        return f"survey {self.name} {self.version}"

    def _said(self, question: Question, answer: Any) -> Iterator[dict[str, Any]]:
        """Yield the answer itself, then what it says of the user's interests and consents."""
        context = {"source": self._source(), "question": question.id}
        number = isinstance(answer, int | float)
        shown = answer if isinstance(answer, str) else ", ".join(answer) if isinstance(answer, tuple) else None
        yield {"type": "survey", "value": float(answer) if number else None, "text": shown, "context": context}
        if question.purpose is not None:
            said = {"type": "consent", "purpose": question.purpose, "value": float(answer), "text": question.text}
            # Not under "source": that would be consent to data from this survey alone.
            yield {**said, "context": {"version": self.version, "evidence": f"{self._source()}, {question.id}"}}
        for topic, value in _interests(question, answer):
            yield {"type": "statement", "topics": [topic], "value": value, "context": context}


def _interests(question: Question, answer: Any) -> Iterator[tuple[str, float]]:
    """Yield topics with how much they interest somebody who answers so, from -1 to 1."""
    if question.topics:
        middle, half = (question.low + question.high) / 2, (question.high - question.low) / 2
        value = (answer - middle) / half if question.kind == "scale" else 1.0 if answer else -1.0
        for topic in question.topics:
            yield topic, -value if question.reverse else value
    taken = answer if isinstance(answer, tuple) else (answer,)
    for choice in question.choices:
        if choice.value in taken:
            for topic in choice.topics:
                yield topic, choice.strength


def _read(question: Question, given: Any) -> Any:
    """Return an answer as a number, truth value, text or tuple of texts.

    Raises:
        EventError: When it is none that the question allows.
    """
    kind = question.kind
    if kind in ("yes_no", "consent"):
        word = str(given).strip().lower()
        if word in _YES or word in _NO:
            return word in _YES
        raise EventError(f"{question.id}: {str(given)[:40]!r} is neither yes nor no")
    if kind in ("scale", "number"):
        return _number(question, given)
    if kind == "text":
        if not isinstance(given, str) or len(given) > MAX_TEXT:
            raise EventError(f"{question.id}: not a text of at most {MAX_TEXT:,} characters")
        return given
    taken = given if isinstance(given, list | tuple) else [given] if kind == "choice" else str(given).split("|")
    if kind == "choice" and len(taken) != 1:
        raise EventError(f"{question.id}: {len(taken)} answers; one can be chosen")
    values = tuple(str(one).strip() for one in taken)
    offered = [choice.value for choice in question.choices]
    for value in values:
        if value not in offered:
            raise EventError(f"{question.id}: {value[:40]!r} is not offered; there is: {', '.join(offered)}")
    return values[0] if kind == "choice" else tuple(dict.fromkeys(values))


def _number(question: Question, given: Any) -> float | int:
    try:
        number = float(given) if not isinstance(given, bool) else float("nan")
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not abs(number) < float("inf"):
        raise EventError(f"{question.id}: {str(given)[:40]!r} is not a number")
    limited = question.kind == "scale" or {"low", "high"} & question.model_fields_set
    if limited and not question.low <= number <= question.high:
        raise EventError(f"{question.id}: {number:g} is not from {question.low} to {question.high}")
    if question.kind == "scale" and number != int(number):
        raise EventError(f"{question.id}: {number:g} is not a whole number")
    return int(number) if number == int(number) else number
