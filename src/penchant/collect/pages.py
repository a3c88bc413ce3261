"""What a visit to a web page tells: the page as an item, topics from its host and title, or the words of a search."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from typing import Annotated, NamedTuple, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MAX_ITEM = 256
"""Characters of an event's item; the name of a longer page ends in a hash."""
TOPIC_SEPARATOR = "|"
COLUMNS = ("event_id", "page_id", "type", "user_id", "item_id", "at", "value", "text", "title", "topics", "dropped")
Several: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)]


class PagesConfig(BaseModel):
    """Whose history it is, and what its pages are about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: str = Field(default="me", min_length=1, max_length=256)
    """Id of the user whose history it is."""
    exclude: tuple[str, ...] = ()
    """Hosts that are left out, with everything under them: ``bank.example``."""
    private: bool = False
    """Whether pages of this machine and of private networks count too."""
    query: dict[str, Several] = {"youtube.com": ("v",)}
    """Parameters behind the ``?`` that belong to the name of a page, by host; all others are cut off."""
    searches: dict[str, str] = {
        "google": "q",
        "bing": "q",
        "duckduckgo": "q",
        "ecosia": "q",
        "baidu": "wd",
        "yandex": "text",
        "yahoo": "p",
    }
    """Where search engines keep the words, by a part of their host's name; such a visit is a ``search``."""
    hosts: dict[str, Several] = {}
    """Topics by host, with everything under it; of several that fit the longest counts."""
    words: dict[str, Several] = {}
    """Topics by words or phrases found in the title: ``{ tea = ["oolong", "green tea"] }``; the topic's own name too."""
    site_topics: bool = True
    """Whether a page of which nothing else is known has its host as topic."""


class Page(NamedTuple):
    """What a visit was, or why it is left out."""

    dropped: str | None
    item_id: str | None = None
    text: str | None = None
    topics: str | None = None


class Pages:
    """Tells what visits are about."""

    def __init__(self, config: PagesConfig) -> None:
        self.config = config
        self._words = [
            (topic, re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, (topic, *words))) + r")(?!\w)", re.I))
            for topic, words in config.words.items()
        ]

    def told(self, url: str, title: str | None) -> Page:
        """Return what a page is; its topics as one text with ``|`` between them."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").removeprefix("www.")
        except ValueError:
            return Page("not an address")
        if parts.scheme not in ("http", "https") or not host:
            return Page("not a web page")
        if not self.config.private and _is_private(host):
            return Page("a private address")
        if _longest(host, self.config.exclude) is not None:
            return Page("excluded")
        given = parse_qs(parts.query, errors="replace") if parts.query.count("&") < 200 else {}
        engine = _engine(host, self.config.searches)
        if engine is not None and engine in given:
            words = given[engine][0].strip()
            topics = self._topics(None, words)
            return Page(None, None, words, topics) if words else Page("a search without words")
        path = unquote(parts.path, errors="replace").rstrip("/")
        kept = self.config.query.get(_longest(host, self.config.query) or "", ())
        tail = "&".join(f"{name}={given[name][0]}" for name in kept if name in given)
        return Page(None, _short(host + path + (f"?{tail}" if tail else "")), None, self._topics(host, title or ""))

    def _topics(self, host: str | None, text: str) -> str | None:
        found = [topic for topic, pattern in self._words if pattern.search(text)]
        if host is not None:
            named = _longest(host, self.config.hosts)
            found += self.config.hosts[named] if named is not None else ()
            if not found and self.config.site_topics:
                found = [host]
        clean = (topic.replace(TOPIC_SEPARATOR, " ") for topic in dict.fromkeys(found))
        return TOPIC_SEPARATOR.join(clean) or None


def visit_id(at_us: int, url: str) -> str:
    """Return the id of a visit: the same one from the browser's own file and from an export of it."""
    return "visit-" + _hash(f"{at_us} {url}")


def page_id(item_id: str, title: str | None) -> str:
    """Return the id of what was said of a page: another title is another word on it."""
    return "page-" + _hash(f"{item_id}\n{title}")


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _short(name: str) -> str:
    return name if len(name) <= MAX_ITEM else name[: MAX_ITEM - 33] + "#" + _hash(name)


def _engine(host: str, searches: dict[str, str]) -> str | None:
    labels = host.split(".")
    return next((parameter for name, parameter in searches.items() if name == host or name in labels[:-1]), None)


def _longest(host: str, among: tuple[str, ...] | dict[str, tuple[str, ...]]) -> str | None:
    """Return the longest of the hosts that this one is, or is under."""
    labels = host.split(".")
    return next((name for i in range(len(labels)) if (name := ".".join(labels[i:])) in among), None)


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".localhost", ".internal", ".lan", ".home.arpa"))
