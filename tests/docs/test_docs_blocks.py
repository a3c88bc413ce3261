"""What the pages show runs, and prints what they say."""

from __future__ import annotations

import io
import re
import shlex
import sys
import tomllib
import types
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import typer
from docs_pages import Block, blocks, name, pages

from penchant import Engine
from penchant.app.cli import app
from penchant.config import Settings

WITH_PYTHON = [page for page in pages() if any(block.language == "python" for block in blocks(page))]

GIVEN = {
    "docs/how-to/add-a-source.md": {
        "events.csv": "type,user_id,item_id,at\nview,ann,t1,2025-01-01\nview,bob,t1,2025-01-02\n",
    },
}
"""Files that a page speaks of and that its code reads."""


def expected_of(block: Block, following: Block | None) -> str | None:
    """Return what a block must print: its lines after ``#>``, or the block marked as output that follows it."""
    if following is not None and following.mark == "output":
        return following.body.strip()
    said = [line.removeprefix("#>").removeprefix(" ") for line in block.body.splitlines() if line.startswith("#>")]
    return "\n".join(said).strip() if said else None


def assert_alike(printed: str, expected: str, line: int) -> None:
    """Compare texts, numbers with a point to the places that the page shows, to four digits at most."""
    number = re.compile(r"(-?[0-9]+\.[0-9]+)")
    given, wanted = number.split(printed), number.split(expected)
    assert given[::2] == wanted[::2], f"line {line}"
    assert [float(one) for one in given[1::2]] == pytest.approx([float(one) for one in wanted[1::2]], rel=1e-3), line


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name)
def test_python_blocks_run_and_print_what_they_say(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for file, text in GIVEN.get(name(page), {}).items():
        Path(file).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    every = list(blocks(page))
    for block in every:
        if block.mark.startswith("file: "):  # a block may import what the one before it shows
            Path(block.mark.removeprefix("file: ")).write_text(block.body, encoding="utf-8")
            monkeypatch.delitem(sys.modules, Path(block.mark.removeprefix("file: ")).stem, raising=False)
    module = types.ModuleType("page")  # its blocks run one after the other, as a reader would
    monkeypatch.setitem(sys.modules, "page", module)
    names = vars(module)
    ran = 0
    for block, following in zip(every, [*every[1:], None], strict=True):
        if block.language != "python" or block.mark.startswith("not run"):
            continue
        printed = io.StringIO()
        code = compile("\n" * (block.line - 1) + block.body, str(page), "exec")
        with redirect_stdout(printed):
            exec(code, names)  # noqa: S102 - our own pages
        expected = expected_of(block, following)
        if expected is not None:
            assert_alike(printed.getvalue().strip(), expected, block.line)
        ran += 1
    for value in list(names.values()):
        if isinstance(value, Engine):
            value.close()
    assert ran or all(block.mark.startswith("not run: ") for block in every if block.language == "python")


def test_both_readmes_have_an_example_that_prints() -> None:
    for readme in ("README.md", "README.zh-CN.md"):
        shown = [block for block in blocks(readme) if block.language == "python"]
        assert len(shown) == 1
        assert "#> " in shown[0].body


def test_toml_blocks_are_toml_and_settings_make_an_engine(tmp_path: Path) -> None:
    n_settings = 0
    for page in pages():
        for block in blocks(page):
            if block.language != "toml" or block.mark.startswith("not run"):
                continue
            told = tomllib.loads(block.body)
            if block.mark == "settings":
                file = tmp_path / "penchant.toml"
                file.write_text(block.body, encoding="utf-8")
                with Engine.open("memory", settings=Settings.load(file)) as engine:
                    engine.recommend("nobody")
                n_settings += 1
            assert told, f"{name(page)}:{block.line}"
    assert n_settings >= 1


def commands_of(page: Path) -> list[tuple[int, list[str]]]:
    """Return the ``penchant`` commands in a page's shell blocks, with their lines."""
    found = []
    for block in blocks(page):
        if block.language not in ("sh", "console"):
            continue
        for number, line in enumerate(block.body.splitlines()):
            command = line.removeprefix("$ ")
            if command.startswith("penchant "):
                words = shlex.split(command, comments=True)
                end = next((i for i, word in enumerate(words) if word in ("|", "&&", ";") or ">" in word), len(words))
                found.append((block.line + number, words[1:end]))
    return found


def test_commands_on_the_pages_exist_with_their_options() -> None:
    checked = 0
    for page in pages():
        for line, words in commands_of(page):
            command: Any = typer.main.get_command(app)
            rest = list(words)
            while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
                assert rest[0] in command.commands, f"{name(page)}:{line}: no command {rest[0]!r}"
                command, rest = command.commands[rest[0]], rest[1:]
            # Parsing checks names, numbers and choices of options; it does not run anything.
            command.make_context("penchant", rest)
            checked += 1
    assert checked > 30


def test_the_chinese_tutorial_runs_the_same_commands() -> None:
    english, chinese = (
        [b.body for b in blocks(f"docs/{p}tutorial.md") if b.language == "console"] for p in ("", "zh/")
    )
    assert english == chinese
    assert len(english) >= 6
