"""What a request to a web server means: rules from its path to an item and an event type, and what is left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs, unquote

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from penchant.domain.event import EVENT_TYPES, ITEM_REQUIRED

ASSETS = (
    "css js mjs map png jpg jpeg gif svg ico webp avif bmp woff woff2 ttf eot otf mp3 mp4 webm wav ogg "
    "xml json txt rss atom webmanifest gz zip jar tar bz2 xz exe dmg iso"
)
"""Endings of files that a page brings along, or that machines fetch; none of them is a page."""
_KEPT = 200_000
_HOLE = re.compile(r"\{(\w+)\}")


class Rule(BaseModel):
    """One rule; the first whose ``path`` (and ``method`` and ``query``) fit a request says what it was."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    """Regular expression found in the decoded path; its named groups, ``(?P<item>...)``, fill the templates."""
    method: str | None = None
    """Only requests of this method; left out: GET."""
    query: str | None = None
    """Name of a parameter behind the ``?`` that must be given; its value fills ``{query}``."""
    type: str = "view"
    """Event type, or ``drop`` to leave the request out."""
    item: str | None = None
    """Template of the item; left out: ``{item}`` where the path names it."""
    text: str | None = None
    """Template of the words, for ``search``."""
    topics: tuple[str, ...] = ()
    """Templates of topics; left out, the topics of the item count."""

    @field_validator("path")
    @classmethod
    def _compiles(cls, path: str) -> str:
        try:
            re.compile(path)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return path

    @model_validator(mode="after")
    def _check(self) -> Rule:
        if self.type != "drop" and self.type not in EVENT_TYPES:
            raise ValueError(f"unknown type {self.type!r}; known: drop, {', '.join(EVENT_TYPES)}")
        groups = {*re.compile(self.path).groupindex, *(["query"] if self.query else [])}
        for template in (self.item, self.text, *self.topics):
            for hole in _HOLE.findall(template or ""):
                if hole not in groups:
                    raise ValueError(
                        f"{{{hole}}} is nothing that path or query names; they name: {', '.join(sorted(groups)) or 'nothing'}"
                    )
        if self.type in ITEM_REQUIRED and self.item is None and "item" not in groups:
            raise ValueError(f"{self.type} needs an item: name a group, (?P<item>...), or give item")
        return self


class Meaning(NamedTuple):
    """What a request was, or why it is left out."""

    dropped: str | None
    type: str | None = None
    item: str | None = None
    text: str | None = None
    topics: tuple[str, ...] = ()


class WebRules(BaseModel):
    """Which requests are events."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...] = ()
    """In the order in which they are tried. Without any, every page is an item, its path the name, and the first
    part of a path with several is its topic."""
    assets: tuple[str, ...] = tuple(ASSETS.split())
    """Endings of paths that are left out as assets."""
    ignore: tuple[str, ...] = ()
    """Regular expressions; a request (path and query, as written) in which one is found is left out."""
    methods: tuple[str, ...] = ("GET", "POST")
    """Requests of other methods are left out."""
    statuses: Literal["good", "all"] = "good"
    """``good``: 200 to 299, and 304 (the browser had the page); others are left out as redirect or error."""
    bots: Literal["drop", "keep"] = "drop"
    """Whether requests of known robots, and of clients that name no user agent, are left out."""
    agents: tuple[str, ...] = ()
    """Regular expressions of further user agents that are robots: your own monitoring, say."""

    @field_validator("ignore", "agents")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        return patterns


class Requests:
    """Reads what requests mean; each different one is worked out once, as far as 200,000 of them fit."""

    def __init__(self, config: WebRules) -> None:
        self._rules = [(re.compile(rule.path), rule) for rule in config.rules]
        self._ignore = re.compile("|".join(f"(?:{one})" for one in config.ignore)) if config.ignore else None
        self._assets = frozenset(ending.lower().lstrip(".") for ending in config.assets)
        self._methods = frozenset(config.methods) | {rule.method for rule in config.rules if rule.method}
        self._known: dict[str, Meaning] = {}

    def meanings(self, requests: Iterable[str | None]) -> list[Meaning]:
        """Return what each request line, ``GET /path HTTP/1.1``, means."""
        if len(self._known) > _KEPT:
            self._known.clear()
        known, found = self._known, []
        for request in requests:
            meaning = known.get(request or "")
            if meaning is None:
                meaning = known[request or ""] = self._read(request or "")
            found.append(meaning)
        return found

    def _read(self, request: str) -> Meaning:
        method, _, rest = request.partition(" ")
        target = rest.rpartition(" HTTP/")[0] or rest
        if not target or not method.isupper():
            return Meaning("not a request")
        if method not in self._methods:
            return Meaning("method")
        if "://" in target.partition("?")[0]:  # a proxy's request names the host too
            target = "/" + target.partition("://")[2].partition("/")[2]
        if self._ignore is not None and self._ignore.search(target):
            return Meaning("ignored")
        raw, _, query = target.partition("#")[0].partition("?")
        path = unquote(raw, errors="replace")
        ending = path.rpartition("/")[2].rpartition(".")
        if ending[1] and ending[2].lower() in self._assets:
            return Meaning("asset")
        if self._rules:
            return self._by_rule(method, path, query)
        if method != "GET":
            return Meaning("method")
        parts = path.strip("/").split("/")
        return Meaning(None, "view", path, None, (parts[0],) if len(parts) > 1 else ())

    def _by_rule(self, method: str, path: str, query: str) -> Meaning:
        given: dict[str, list[str]] | None = None
        for pattern, rule in self._rules:
            match = pattern.search(path) if (rule.method or "GET") == method else None
            if match is None:
                continue
            words = {name: value for name, value in match.groupdict().items() if value}
            if rule.query is not None:
                given = _parameters(query) if given is None else given
                if rule.query not in given:
                    continue
                words["query"] = given[rule.query][0]
            if rule.type == "drop":
                return Meaning("a rule drops it")
            item = _filled(rule.item if rule.item is not None else "{item}", words)
            if item is None and rule.type in ITEM_REQUIRED:
                continue
            topics = tuple(topic for one in rule.topics if (topic := _filled(one, words)))
            return Meaning(None, rule.type, item, _filled(rule.text, words), topics)
        return Meaning("no rule")


def _parameters(query: str) -> dict[str, list[str]]:
    try:
        return parse_qs(query, errors="replace", max_num_fields=200)
    except ValueError:  # more fields than anybody needs
        return {}


def _filled(template: str | None, words: dict[str, Any]) -> str | None:
    """Return a template with its holes filled, None when a word is missing."""
    if template is None or any(hole not in words for hole in _HOLE.findall(template)):
        return None
    return _HOLE.sub(lambda hole: str(words[hole[1]]), template).strip() or None
