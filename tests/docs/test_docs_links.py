"""Links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from docs_pages import name, pages, prose

LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
OUTSIDE = {"www.apache.org", "keepachangelog.com", "semver.org", "127.0.0.1", "shop.example"}
"""The hosts that a page may name: no registry, no service."""


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headlines, as the usual renderers make them."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", pages(), ids=name)
def test_links_resolve(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if urlsplit(target).scheme:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{name(page)}: {target}"
        if anchor:
            assert anchor in anchors(found), f"{name(page)}: {target}"


def test_there_are_links() -> None:
    assert sum(len(LINK.findall(prose(page))) for page in pages()) > 100


def test_pages_name_no_hosts_but_a_few() -> None:
    for page in pages():
        for host in re.findall(r"https?://([\w.\-]+)", page.read_text(encoding="utf-8")):
            assert host in OUTSIDE, f"{name(page)}: {host}"
