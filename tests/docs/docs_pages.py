"""The pages of the documentation, and the blocks of code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*?) -->\n)?```(?P<language>\w*)[^\n]*\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, its line, and the comment in the line above it."""

    language: str
    body: str
    line: int
    mark: str


def pages() -> list[Path]:
    """Return every page: those at the top, and all under docs/."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def name(page: Path) -> str:
    """Return a page's path inside the repository."""
    return page.relative_to(ROOT).as_posix()


def read(page: str | Path) -> str:
    """Return a page's text; a text names it by its path inside the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str | Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    text = read(page)
    for found in _FENCE.finditer(text):
        yield Block(found["language"], found["body"], text[: found.start("body")].count("\n") + 1, found["mark"] or "")


def prose(page: str | Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", read(page))
