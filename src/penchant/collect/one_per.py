"""Make one row of many: for files that repeat what they say of an item in every line of every invoice."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from penchant.collect.mapping import Part
from penchant.collect.mapping_frame import clean
from penchant.collect.sources.contract import CHUNK_ROWS, Chunk, Place, Reader
from penchant.errors import SourceError


def one_per(part: Part, reader: Reader, start: Place) -> Iterator[Chunk]:
    """Yield the rows of a file put together by ``part.one_per``, in the order in which its values first come.

    Every other column takes its most frequent value that is not missing; of equally frequent ones the first.
    Memory holds each distinct pair of the key and a value once. Places count the rows that come out; lines
    that are no rows come out beside them, without moving the place.

    Raises:
        SourceError: When the file cannot be read.
    """
    key = part.one_per or ""
    keys: pl.DataFrame | None = None
    seen: dict[str, pl.DataFrame] = {}
    for chunk in reader.chunks(Place()):
        if chunk.bad and start == Place():
            yield Chunk(chunk.frame.clear(), chunk.lines.clear(), chunk.bad, start, False)
        frame = clean(part, chunk.frame).with_columns(chunk.lines.alias("line?"))
        keys = _counted(keys, frame, [key])
        for name in frame.columns:
            if name not in (key, "line?"):
                given = frame.filter(pl.col(name).is_not_null())
                seen[name] = _counted(seen.get(name), given, [key, name])
    if keys is None:
        return
    rows = keys.sort("line?").select(key, "line?")
    for name, counts in seen.items():
        best = counts.sort(["count?", "line?"], descending=[True, False]).unique(key, keep="first")
        rows = rows.join(best.select(key, name), on=key, how="left", nulls_equal=True, maintain_order="left")
    row = start.row
    while True:
        piece = rows.slice(row, CHUNK_ROWS)
        row += piece.height
        yield Chunk(piece.drop("line?"), piece["line?"].alias("line"), (), Place(row), row >= rows.height)
        if row >= rows.height:
            return


def _counted(before: pl.DataFrame | None, frame: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Return how often each combination of values came, and in which line first."""
    counts = frame.group_by(by).agg(pl.len().cast(pl.Int64).alias("count?"), pl.col("line?").min())
    if before is None:
        return counts
    try:
        both = pl.concat([before, counts], how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"column {by[-1]!r} changes its type inside the file: {error}") from error
    return both.group_by(by).agg(pl.col("count?").sum(), pl.col("line?").min())
