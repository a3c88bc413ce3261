"""How fast web logs and tables are taken in: ``python benchmarks/weblogs.py [--log FILE] [--lines N] [--json FILE]``.

Web logs: the reader alone (lines -> columns of events), then all the way into an engine's log and profiles. Tables: CSV
and Parquet through the importer, against Polars reading the same columns of the same file. One core:
``POLARS_MAX_THREADS=1 OMP_NUM_THREADS=1``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", "1")
os.environ.setdefault("PENCHANT_USER_KEY", "only for this benchmark")

import polars as pl

from penchant import Engine
from penchant.collect.datasets import open_dataset
from penchant.collect.importer import Source, collect, open_reader
from penchant.collect.mapping import Mapping, Reading
from penchant.collect.mapping_frame import map_frame
from penchant.collect.quarantine import Quarantine
from penchant.collect.sources.contract import Place, Reader, SourceFile
from penchant.collect.sources.weblog import COLUMNS, WebLogReader

SALES = """
[[events]]
event_id = "id"
type = { constant = "purchase" }
user_id = "user"
item_id = "item"
at = { column = "at", unit = "s" }
amount = "price"
"""


def made_up_log(path: Path, n_lines: int, seed: int = 0) -> None:
    """Write a log: one in eight requests a robot's, one in two an asset, 20,000 visitors, 3,000 different agents."""
    rng = random.Random(seed)
    agents = [
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{v}.{w}) Gecko/20100101 Firefox/{v}.{w}"
        for v in range(80, 140)
        for w in range(50)
    ]
    robots = [f"Mozilla/5.0 (compatible; Googlebot/2.{i}; +http://www.google.com/bot.html)" for i in range(100)]
    with path.open("w") as out:
        for i in range(n_lines):
            page = f"/section-{rng.randrange(40)}/page-{int(rng.paretovariate(0.8)) % 50_000}"
            target = page if rng.random() < 0.5 else f"/static/{rng.randrange(500)}.{rng.choice(('css', 'png', 'js'))}"
            agent = rng.choice(robots if rng.random() < 0.125 else agents)
            status = rng.choice((200, 200, 200, 200, 200, 200, 200, 304, 301, 404))
            visitor = rng.randrange(20_000)
            at = f"17/May/2015:{i // 3600 % 24:02}:{i // 60 % 60:02}:{i % 60:02} +0000"
            out.write(
                f'10.{visitor // 250}.{visitor % 250}.7 - - [{at}] "GET {target}?r={i % 7} HTTP/1.1" {status} '
                f'{rng.randrange(100_000)} "http://example/" "{agent}"\n'
            )


def timed(work: Callable[[], int]) -> tuple[int, float]:
    """Return what the work counted, and the seconds that it took."""
    began = time.process_time()
    return work(), time.process_time() - began


def weblogs(path: Path) -> dict[str, float]:
    """Return lines a second of CPU: read alone, mapped to events, and all the way into SQLite."""
    mapping = open_dataset("weblog", path)
    ((role, part),) = mapping.mapping.parts()

    def read(mapped: bool) -> int:
        reader = WebLogReader(SourceFile(path), Reading(format="weblog"), COLUMNS)
        n = 0
        for chunk in reader.chunks(Place()):
            n += chunk.next.row - n
            if mapped:
                map_frame(part, role, chunk.frame, path.name)
        return n

    def whole(folder: str) -> int:
        with Engine.open(f"sqlite:///{folder}/log.db") as engine, Quarantine() as quarantine:
            return collect(mapping, engine, quarantine).read

    figures = {}
    for name, work in (("read", lambda: read(False)), ("read and mapped", lambda: read(True))):
        n, seconds = timed(work)
        figures[name] = n / seconds
    with tempfile.TemporaryDirectory() as folder:
        n, seconds = timed(lambda: whole(folder))
    return {"lines": n, **figures, "into SQLite, folded": n / seconds}


def drained(reader: Reader) -> int:
    """Read a file to its end; return how many rows it has."""
    return sum(chunk.frame.height for chunk in reader.chunks(Place()))


class Nowhere:
    """Takes events and forgets them: what is timed is the importer."""

    class log:  # noqa: N801
        @staticmethod
        def mark(name: str) -> None:
            return None

    def ingest(self, events: pl.DataFrame, **_: object) -> object:
        from penchant.domain.event import Receipt

        return Receipt(events.height)


def tables(folder: Path, n_rows: int, seed: int = 0) -> dict[str, float]:
    """Return seconds of CPU for CSV and Parquet: Polars alone, and the importer up to finished events."""
    rng = random.Random(seed)
    frame = pl.DataFrame(
        {
            "id": [f"e{i}" for i in range(n_rows)],
            "user": [f"u{rng.randrange(5000)}" for _ in range(n_rows)],
            "item": [f"i{rng.randrange(9000)}" for _ in range(n_rows)],
            "at": [1_700_000_000 + i for i in range(n_rows)],
            "price": [round(rng.random() * 90, 2) for _ in range(n_rows)],
        }
    )
    frame.write_csv(folder / "sales.csv")
    frame.write_parquet(folder / "sales.parquet")
    found: dict[str, float] = {"rows": n_rows}
    for name, read in (("csv", pl.read_csv), ("parquet", pl.read_parquet)):
        path = folder / f"sales.{name}"
        source = Source("sales", Mapping.parse(SALES), (SourceFile(path),), str(folder))
        _, part = next(source.mapping.parts())
        made = open_reader(part, source.files[0])
        found[f"{name}, reader alone"] = min(timed(lambda: drained(made))[1] for _ in range(3))  # noqa: B023
        found[f"{name}, polars"] = min(timed(lambda: read(path).height)[1] for _ in range(3))  # noqa: B023
        with Quarantine() as quarantine:
            found[f"{name}, importer"] = min(
                timed(lambda: collect(source, Nowhere(), quarantine).read)[1]  # noqa: B023
                for _ in range(3)
            )
        found[f"{name}, ratio"] = found[f"{name}, importer"] / found[f"{name}, polars"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path, help="a real log to read beside the made-up one")
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made_up = folder / "access.log"
        made_up_log(made_up, given.lines)
        figures = {"made-up log, lines/s": weblogs(made_up), "tables, s": tables(folder, given.lines)}
        if given.log is not None:
            repeated = folder / "real.log"
            opened = gzip.open if given.log.suffix == ".gz" else open
            with opened(given.log, "rt", errors="replace") as lines:
                text = lines.read()
            repeated.write_text(text * max(1, given.lines // max(1, text.count("\n"))))
            figures["real log, repeated, lines/s"] = weblogs(repeated)
    for title, values in figures.items():
        print(title)
        for what, value in values.items():
            print(f"  {what:24} {value:,.2f}" if value < 1000 else f"  {what:24} {value:,.0f}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
