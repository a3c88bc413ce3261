"""The file tree of the package, a line a file: the first sentence of its docstring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "penchant"
ROOMS = ("collect", "process", "profile", "interest", "recommend", "evaluate")
AFTER = ("loop", "domain", "storage", "math", "testing", "app")
FIRST = ("__init__.py", "engine.py", "config.py", "errors.py", "registry.py", "clock.py")


def sentence(path: Path) -> str:
    """Return the first sentence of a module's docstring, without its full stop."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first = docstring.split("\n\n")[0].replace("\n", " ").replace("``", "")
    return re.split(r"(?<=[^.])\.(?:\s|$)", first)[0]


def lines(folder: Path = PACKAGE, indent: str = "") -> Iterator[str]:
    """Yield the lines of a folder: its own files, then its folders, the rooms in the order of the loop."""
    order = {name: place for place, name in enumerate((*FIRST, *ROOMS, *AFTER))}

    def place(path: Path) -> tuple[int, str]:
        return (order.get(path.name, len(order)) if folder == PACKAGE else 0, path.name)

    entries = [path for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    for path in sorted((path for path in entries if path.is_file()), key=place):
        if folder != PACKAGE and path.name == "__init__.py":
            continue  # says what its folder is
        yield f"{indent + path.name:<28} {sentence(path)}"
    for path in sorted((path for path in entries if path.is_dir()), key=place):
        yield f"{indent + path.name + '/':<28} {sentence(path / '__init__.py')}"
        yield from lines(path, indent + "  ")


def text() -> str:
    """Return the pasted part of the README."""
    return "```text\nsrc/penchant/\n" + "\n".join(lines(PACKAGE, "  ")) + "\n```"


if __name__ == "__main__":
    print(text())
