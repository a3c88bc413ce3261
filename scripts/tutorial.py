"""Run the commands of a tutorial again and put their output below them: ``python scripts/tutorial.py [PAGE ...]``.

A block of the language ``console`` holds commands (lines that begin with ``$ ``), each followed by what it printed. Pages
that hold the same commands in the same order, as translations do, share one run in one empty folder.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("docs/tutorial.md", "docs/zh/tutorial.md")
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_of(page: str) -> list[str]:
    """Return the commands of a page in order."""
    return [line[2:] for block in BLOCK.findall(page) for line in block.splitlines() if line.startswith("$ ")]


def run(command: str, folder: str) -> str:
    """Return what a command prints, stdout and stderr together."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "110", "NO_COLOR": "1", "TERM": "dumb"}
    print(f"$ {command}", flush=True)
    ran = subprocess.run(  # noqa: S602 - the commands stand in our own pages
        command, shell=True, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return "\n".join(line.rstrip() for line in ran.stdout.decode().splitlines())


def renewed(page: str, outputs: list[str]) -> str:
    """Return a page with these outputs below its commands, one after the other."""
    left = iter(outputs)

    def renew(found: re.Match[str]) -> str:
        lines = [f"$ {command}\n{next(left)}".rstrip() for command in commands_of(found[0])]
        return "```console\n" + "\n".join(lines) + "\n```"

    return BLOCK.sub(renew, page)


def main() -> None:
    """Renew the pages given, or all."""
    done: dict[tuple[str, ...], list[str]] = {}
    for name in sys.argv[1:] or PAGES:
        page = (ROOT / name).read_text(encoding="utf-8")
        commands = tuple(commands_of(page))
        if commands not in done:
            with tempfile.TemporaryDirectory() as folder:
                done[commands] = [run(command, folder) for command in commands]
        (ROOT / name).write_text(renewed(page, done[commands]), encoding="utf-8")


if __name__ == "__main__":
    main()
