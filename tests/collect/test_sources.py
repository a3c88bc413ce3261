from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penchant.collect import READERS
from penchant.collect.mapping import Reading
from penchant.collect.sources import contract, delimited, jsonl, lines
from penchant.collect.sources.contract import Chunk, Place, Reader, SourceFile
from penchant.errors import SourceError, UnknownNameError

MARK = b"\xef\xbb\xbf"
quick = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def reader(path: Path, wanted: tuple[str, ...] = ("a", "b"), **how: object) -> Reader:
    file = SourceFile(path)
    how_read = Reading.model_validate(how)
    made: Reader = READERS[how_read.format or file.format](file, how_read, wanted)
    return made


def read(path: Path, wanted: tuple[str, ...] = ("a", "b"), start: Place | None = None, **how: object) -> list[Chunk]:
    chunks = list(reader(path, wanted, **how).chunks(start or Place()))
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert all(chunk.frame.height == chunk.lines.len() for chunk in chunks)
    return chunks


def rows(chunks: list[Chunk]) -> list[tuple[object, ...]]:
    """Return ``(line, values...)``."""
    return [(line, *row) for chunk in chunks for line, row in zip(chunk.lines, chunk.frame.rows(), strict=True)]


def bad(chunks: list[Chunk]) -> list[tuple[int, str]]:
    return [(line.line, line.reason) for chunk in chunks for line in chunk.bad]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let chunks end after 7 rows, so that small files have many."""
    for module in (delimited, jsonl):
        monkeypatch.setattr(module, "CHUNK_ROWS", 7)
    monkeypatch.setattr("penchant.collect.sources.parquet.CHUNK_ROWS", 7)
    monkeypatch.setattr(lines, "_BLOCK", 32)
    return 7


def test_every_format_is_known_and_an_unknown_one_lists_them() -> None:
    assert set(READERS) >= {"csv", "jsonl", "parquet"}
    with pytest.raises(UnknownNameError, match=r"no file format named .xls.; known: .*csv.*jsonl.*parquet"):
        READERS["xls"]


# -- CSV


def test_csv_keeps_text_as_it_is_and_counts_lines_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", 'a,b,c\n1,"x,y",3\r\n\n2,"two\nlines",3\n🎉,مرحبا,"say ""hi"""\n,,')
    assert rows(read(path, ("a", "b", "c"))) == [
        (2, "1", "x,y", "3"), (4, "2", "two\nlines", "3"), (6, "🎉", "مرحبا", 'say "hi"'), (7, "", "", ""),
    ]  # fmt: skip


def test_csv_puts_what_is_no_row_aside(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", b'a,b\n1,2\n1,2,3\n1\n\xff,2\n"x"y,2\n3,4\n"never closed,5\n6,7\n')
    chunks = read(path)
    assert rows(chunks) == [(2, "1", "2"), (7, "3", "4"), (9, "6", "7")]
    assert bad(chunks) == [
        (3, "3 columns instead of 2"),
        (4, "1 columns instead of 2"),
        (5, "bytes that are not utf-8"),
        (6, "not a row: ',' expected after '\"'"),
        (8, "not a row: unexpected end of data"),
    ]
    assert chunks[0].bad[2].text == "\ufffd,2"
    assert chunks[-1].next == Place(8, 9, path.stat().st_size)


def test_csv_dialects(tmp_path: Path) -> None:
    tsv = write(tmp_path / "x.tsv", 'a:token\tb:float\n"1\t2\n')
    assert rows(read(tsv, ("b:float", "a:token"), format="csv", delimiter="\t", quote="")) == [(2, '"1', "2")]
    bare = write(tmp_path / "x.csv", "1;2\n3;4\n")
    assert rows(read(bare, ("b",), delimiter=";", columns=["a", "b"])) == [(1, "2"), (2, "4")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "gb18030"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    text = "价格" if encoding == "gb18030" else "Käse £"
    path = write(tmp_path / "x.csv", f"a,b\n{text},1\n".encode(encoding))
    assert rows(read(path, encoding=encoding)) == [(2, text, "1")]
    packed = write(tmp_path / "x.jsonl", json.dumps({"a": text}, ensure_ascii=False).encode(encoding))
    assert rows(read(packed, ("a",), encoding=encoding)) == [(1, text)]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", b"\xef\xbb\xbfa,b\n1,2\n")
    assert reader(path).columns() == ["a", "b"]
    (chunk,) = read(path)
    assert chunk.next.byte == path.stat().st_size


def test_a_very_long_field_or_line_is_put_aside_and_what_follows_is_read(tmp_path: Path) -> None:
    huge = b"x" * (10 << 20)
    path = write(tmp_path / "x.csv", b"a,b\n1,2\n" + huge + b',2\n"' + huge + b'",2\n3,4\n')
    chunks = read(path)
    assert rows(chunks) == [(2, "1", "2"), (5, "3", "4")]
    assert bad(chunks) == [(3, "not a row: field larger than field limit (131072)")] * 1 + [
        (4, "not a row: field larger than field limit (131072)")
    ]
    endless = write(
        tmp_path / "y.csv", b"a,b\n1,2\n" + b"y" * (lines.MAX_LINE + 1_000_000) + b"\n3,4\n" + b"z" * (17 << 20)
    )
    chunks = read(endless)
    assert rows(chunks) == [(2, "1", "2"), (4, "3", "4")]
    assert bad(chunks) == [(3, "a line of more than 16,777,216 bytes"), (5, "a line of more than 16,777,216 bytes")]
    assert chunks[-1].next.byte == endless.stat().st_size


def test_csv_errors_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"x.csv is empty; a CSV file begins with the names of its columns"):
        reader(write(tmp_path / "x.csv", "")).columns()
    with pytest.raises(SourceError, match="is empty"):
        read(write(tmp_path / "x.csv", "\n\n"))
    with pytest.raises(SourceError, match=r"header line .* bytes that are not utf-8; set read.encoding"):
        read(write(tmp_path / "x.csv", b"a,\xff\n1,2\n"))
    with pytest.raises(SourceError, match="two columns 'a'"):
        read(write(tmp_path / "x.csv", "a,a\n1,2\n"))
    with pytest.raises(SourceError, match="No such file"):
        read(tmp_path / "none.csv")
    assert rows(read(write(tmp_path / "x.csv", "a,b\n"))) == []


# -- JSONL


def test_jsonl_columns_have_the_type_of_their_values(tmp_path: Path) -> None:
    objects = [
        {"s": "x", "i": 1, "f": 1, "b": True, "l": ["p", "q"], "m": 1, "o": {"k": {"d": 5}}},
        {"s": None, "i": 2, "f": 0.5, "b": None, "l": [], "m": "x", "o": {"k": 3}, "z": 10**30},
    ]
    path = write(tmp_path / "x.jsonl", "\n".join(json.dumps(o) for o in objects))
    (chunk,) = read(path, ("s", "i", "f", "b", "l", "m", "o", "o.k.d", "z", "absent"))
    assert chunk.frame.schema == {
        "s": pl.String, "i": pl.Int64, "f": pl.Float64, "b": pl.Boolean, "l": pl.List(pl.String), "m": pl.String,
        "o": pl.String, "o.k.d": pl.Int64, "z": chunk.frame.schema["z"], "absent": pl.String,
    }  # fmt: skip
    assert chunk.frame["m"].to_list() == ["1", "x"]
    assert chunk.frame["o"].to_list() == ['{"k":{"d":5}}', '{"k":3}']
    assert chunk.frame["o.k.d"].to_list() == [5, None]
    assert reader(path, ("o.k.d", "o.q")).columns() == ["s", "i", "f", "b", "l", "m", "o", "z", "o.k.d"]


def test_jsonl_puts_broken_lines_aside(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", b'{"a": 1}\n{"a": \n[1]\n\n"x"\n{"a": "\xff"}\n' + b"[" * 20_000 + b'\n{"a": 2}')
    chunks = read(path, ("a",))
    assert rows(chunks) == [(1, 1), (8, 2)]
    assert bad(chunks) == [
        (2, "not JSON"), (3, "not a JSON object"), (5, "not a JSON object"), (6, "bytes that are not utf-8"),
        (7, "not JSON"),
    ]  # fmt: skip
    with pytest.raises(SourceError, match="is empty"):
        reader(write(tmp_path / "y.jsonl", "")).columns()


# -- gzip, zip, Parquet


def test_packed_text_is_unpacked_and_a_cut_one_is_an_error(tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n" + b"".join(b"%d,x\n" % i for i in range(50_000)))
    assert len(rows(read(write(tmp_path / "x.csv.gz", packed)))) == 50_000
    with pytest.raises(SourceError, match=r"x.csv.gz cannot be read to its end.*Get the whole file"):
        read(write(tmp_path / "x.csv.gz", packed[:-2000]))
    with pytest.raises(SourceError, match="cannot be read"):
        read(write(tmp_path / "x.csv.gz", b"no gzip at all"))
    assert rows(read(write(tmp_path / "x.jsonl.gz", gzip.compress(b'{"a": 1}')), ("a",))) == [(1, 1)]


def test_members_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/here.csv", "a,b\n1,2\n")
        archive.writestr("in/there.parquet", b"")
    file = SourceFile(path, "in/here.csv")
    assert (file.name, file.format) == ("here.csv", "csv")
    assert rows(list(READERS["csv"](file, Reading(), ("a",)).chunks(Place()))) == [(2, "1")]
    with pytest.raises(SourceError, match="unpack it first"):
        READERS["parquet"](SourceFile(path, "in/there.parquet"), Reading(), ())
    with pytest.raises(SourceError, match="cannot open"):
        SourceFile(path, "in/nowhere.csv").fingerprint()


def test_parquet(tmp_path: Path, small_chunks: int) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"a": range(20), "b": ["x"] * 20, "c": [1.0] * 20}).write_parquet(path)
    assert reader(path).total() == 20
    chunks = read(path, ("b", "a", "none"))
    assert [chunk.frame.height for chunk in chunks] == [7, 7, 6]
    assert rows(chunks)[-1] == (20, "x", 19)
    assert rows(read(path, ("a",), start=Place(17, 17))) == [(18, 17), (19, 18), (20, 19)]
    assert rows(read(path, (), start=Place(19))) == [(20, None)]


def test_damaged_parquet(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"a": range(20_000)}).write_parquet(path)
    whole = path.read_bytes()
    for damaged in (whole[:-20], whole[:100], b"PAR1", b"a,b\n1,2\n"):
        with pytest.raises(SourceError, match=r"x.parquet is not a whole Parquet file .*get it again"):
            reader(write(path, damaged), ("a",)).columns()
    with pytest.raises(SourceError, match=r"x.parquet is empty"):
        reader(write(path, b""), ("a",)).total()
    broken = bytearray(whole)
    broken[10:3000] = b"\0" * 2990
    with pytest.raises(SourceError, match="not a whole Parquet file"):
        read(write(path, bytes(broken)), ("a",))


# -- every text format


def test_reading_goes_on_from_any_place(tmp_path: Path, small_chunks: int) -> None:
    numbers = range(50)
    text = "a,b\n" + "".join(f'{i},"{"x" * (i % 9)}\n"\n' if i % 5 == 0 else f"{i},y\n" for i in numbers)
    files = {
        "x.csv": text.encode(),
        "x.csv.gz": gzip.compress(text.encode()),
        "x.jsonl": "".join(f'{{"a": "{i}"}}\n' + "broken\n" * (i % 4 == 0) for i in numbers).encode(),
    }
    for name, content in files.items():
        path = write(tmp_path / name, content)
        whole = read(path)
        assert len(whole) > 5
        assert max(chunk.frame.height + len(chunk.bad) for chunk in whole) <= small_chunks
        for i, chunk in enumerate(whole):
            rest = read(path, start=chunk.next)
            assert rows(rest) == rows(whole[i + 1 :])
            assert bad(rest) == bad(whole[i + 1 :])


def test_a_chunk_of_long_rows_ends_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "CHUNK_BYTES", 1_000_000)
    path = write(tmp_path / "x.csv", "a,b\n" + f"{'x' * 1000},y\n" * 3000)
    assert read(path)[0].frame.height < 1_300


def _lines(content: bytes) -> Iterator[bytes]:
    yield from io.BytesIO(content)


@quick
@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2)))
def test_whatever_csv_writes_is_read_back(tmp_path: Path, table: list[list[str]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *table])
    path = write(tmp_path / "x.csv", out.getvalue())
    chunks = read(path)
    assert bad(chunks) == []
    assert [list(row[1:]) for row in rows(chunks)] == table


@quick
@given(
    st.one_of(st.binary(max_size=300), st.text('ab",\n\r\0é', max_size=200).map(str.encode)), st.sampled_from(["", '"'])
)
def test_any_bytes_are_csv_rows_or_put_aside(tmp_path: Path, content: bytes, quote: str) -> None:
    path = write(tmp_path / "x.csv", b"a,b\n" + content)
    chunks = read(path, quote=quote)
    assert chunks[-1].next.byte == path.stat().st_size
    assert chunks[-1].next.line == len(list(_lines(path.read_bytes())))
    assert chunks[-1].next.row == len(rows(chunks)) + len(bad(chunks))
    told = {row[0] for row in rows(chunks)} | {line for line, _ in bad(chunks)}
    assert len(told) == chunks[-1].next.row
    if quote == "":  # one line, one row
        filled = [i for i, line in enumerate(_lines(path.read_bytes()), 1) if line.strip(b"\r\n")]
        assert sorted(told) == filled[1:]


@quick
@given(st.text('ab",\n\ré', max_size=120))
def test_blocks_read_at_once_say_the_same_as_single_lines(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "x.csv", "a,b\n" + text)
    at_once = read(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited._Rows, "_at_once", lambda *_: None)
        carefully = read(path)
    assert rows(at_once) == rows(carefully)
    assert bad(at_once) == bad(carefully)


@quick
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab."), inner, max_size=3),
                max_leaves=6,
            ).map(lambda value: json.dumps({"a": value}).encode()),
        ),
        max_size=8,
    )
)
def test_any_bytes_are_jsonl_rows_or_put_aside(tmp_path: Path, given_lines: list[bytes]) -> None:
    content = b"\n".join(given_lines)
    path = write(tmp_path / "x.jsonl", content)
    chunks = read(path, ("a", "a.b"))
    filled = [i for i, line in enumerate(_lines(content.removeprefix(MARK)), 1) if _is_filled(line)]
    assert sorted([row[0] for row in rows(chunks)] + [line for line, _ in bad(chunks)]) == filled  # type: ignore[type-var]
    assert chunks[-1].next.byte == path.stat().st_size or content == MARK


def _is_filled(line: bytes) -> bool:
    try:
        return bool(line.decode().strip())
    except UnicodeDecodeError:
        return True


def test_fingerprints_tell_files_apart_but_not_folders(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one = SourceFile(write(tmp_path / "x.csv", "a" * 200_000))
    same = SourceFile(write(tmp_path / "other" / "x.csv", "a" * 200_000))
    assert one.fingerprint() == same.fingerprint()
    seen = {one.fingerprint()}
    for content in ("b" + "a" * 199_999, "a" * 199_999 + "b", "a" * 200_001, ""):
        seen.add(SourceFile(write(tmp_path / "x.csv", content)).fingerprint())
    seen.add(SourceFile(write(tmp_path / "y.csv", "a" * 200_000)).fingerprint())
    assert len(seen) == 6
    assert contract.CHUNK_ROWS == 100_000
