"""Renew everything in the documentation that is pasted from the code: ``python scripts/pasted.py``.

A pasted part stands between ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->``; a test compares it with the code.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cli_help
import file_tree
import settings_tables

ROOT = Path(__file__).parents[1]

PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "cli": ("docs/reference/cli.md", cli_help.text),
    "settings": ("docs/reference/settings.md", settings_tables.text),
    "tree": ("README.md", file_tree.text),
}
"""Name of the part -> the page it stands in, and what it says."""


def renewed(page: str, name: str, text: str) -> str:
    """Return a page with the text between the marks of a part.

    Raises:
        ValueError: When the page has no such marks.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"the page needs {begin} and {end}, once each")
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}"


def main() -> None:
    """Write every part into its page."""
    for name, (where, text) in PARTS.items():
        path = ROOT / where
        page = path.read_text(encoding="utf-8")
        new = renewed(page, name, text())
        path.write_text(new, encoding="utf-8")
        print(f"{where}: {name} {'as it was' if new == page else 'renewed'}")


if __name__ == "__main__":
    main()
