from __future__ import annotations

import gzip
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_target import LogTarget

from penchant.collect.datasets import open_dataset
from penchant.collect.importer import CollectReport
from penchant.collect.quarantine import Quarantine
from penchant.collect.sources import weblog
from penchant.collect.tail import follow
from penchant.errors import SourceError

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def line(n: int) -> str:
    at = f"17/May/2015:{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02} +0000"
    return f'10.0.0.1 - ann [{at}] "GET /a/{n} HTTP/1.1" 200 17 "-" "{AGENT}"\n'


class Site:
    """A web server that writes its log, a rotation that gets in its way, and a reader that looks now and then."""

    def __init__(self, folder: Path, target: LogTarget) -> None:
        self.path = folder / "access.log"
        self.path.touch()
        self.target = target
        self.n = 0
        self.gaps = 0

    def write(self, lines: int = 1, to: Path | None = None) -> None:
        with (to or self.path).open("a") as file:
            for _ in range(lines):
                file.write(line(self.n))
                self.n += 1

    def read(self, looks: int = 4) -> CollectReport:
        """Look at the file until nothing is new, as a reader that was started just now."""
        left = iter(range(looks - 1))
        with Quarantine() as quarantine:
            report = follow(self.source(), self.target, quarantine, lambda: next(left, None) is not None)
        self.gaps += report.gaps
        return report

    def source(self):
        return open_dataset("weblog", self.path, options={"hide": False, "bots": "keep"})

    def rename(self) -> None:
        """Do as logrotate does by default: shift the old ones, and let the server begin a new file."""
        for i in range(8, 0, -1):
            for end in ("", ".gz"):
                old = self.path.with_name(f"access.log.{i}{end}")
                if old.exists():
                    old.rename(self.path.with_name(f"access.log.{i + 1}{end}"))
        self.path.rename(self.path.with_name("access.log.1"))
        self.path.touch()

    def copy_and_truncate(self) -> None:
        self.rename_older()
        shutil.copy2(self.path, self.path.with_name("access.log.1"))
        self.path.open("w").close()

    def rename_older(self) -> None:
        for i in range(8, 0, -1):
            for end in ("", ".gz"):
                old = self.path.with_name(f"access.log.{i}{end}")
                if old.exists():
                    old.rename(self.path.with_name(f"access.log.{i + 1}{end}"))

    def pack(self, i: int = 1) -> None:
        plain = self.path.with_name(f"access.log.{i}")
        if not plain.exists():
            return
        stat = plain.stat()
        packed = plain.with_name(plain.name + ".gz")
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        __import__("os").utime(packed, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        plain.unlink()

    def knows_the_file(self) -> bool:
        """Return whether the reader has read a line of it; before that a copy cannot be told from any other file."""
        marks = [json.loads(text) for name, text in self.target.log._marks.items() if name.startswith("tail:")]
        return bool(marks) and marks[0]["head_size"] > 0 and marks[0]["inode"] == self.path.stat().st_ino

    def pages(self) -> list[str]:
        return sorted(self.target.rows()["item_id"].to_list()) if self.target.log.count() else []

    def check(self) -> None:
        assert self.pages() == sorted(f"/a/{i}" for i in range(self.n))


@pytest.fixture
def site(tmp_path: Path, target: LogTarget) -> Site:
    return Site(tmp_path, target)


def test_what_is_appended_is_taken_and_only_that(site: Site) -> None:
    site.write(3)
    assert site.read().accepted == 3
    site.write(2)
    report = site.read()
    assert (report.read, report.accepted, report.duplicates, report.gaps) == (2, 2, 0, 0)
    assert site.read().read == 0
    site.check()


def test_a_line_counts_when_it_ends(site: Site) -> None:
    half = line(0)
    site.path.write_text(half[:50])
    assert site.read().read == 0
    with site.path.open("a") as file:
        file.write(half[50:] + line(1)[:20])
    assert site.read().read == 1
    with site.path.open("a") as file:
        file.write(line(1)[20:])
    assert site.read().read == 1
    site.n = 2
    site.check()


def test_a_rotated_file_is_read_to_its_end_and_the_new_one_from_its_start(site: Site) -> None:
    site.write(3)
    site.read()
    site.write(2)
    site.rename()
    site.write(4)
    report = site.read()
    assert (report.read, report.duplicates, report.gaps) == (6, 0, 0)
    site.check()


def test_several_rotations_while_nobody_looked(site: Site) -> None:
    site.write(3)
    site.read()
    for _ in range(3):
        site.write(2)
        site.rename()
    site.pack(3)
    site.pack(2)
    site.write()
    report = site.read()
    assert (report.read, report.duplicates, report.gaps) == (7, 0, 0)
    site.check()


def test_copy_and_truncate(site: Site) -> None:
    site.write(5)
    site.read()
    site.write(2)
    site.copy_and_truncate()
    site.write(1)
    report = site.read()
    assert (report.read, report.duplicates, report.gaps) == (3, 0, 0)
    site.copy_and_truncate()
    site.write(30)  # longer now than it was when it was read
    assert site.read().duplicates == 0
    site.check()


def test_a_file_that_is_gone_is_told(site: Site) -> None:
    site.write(3)
    site.read()
    site.path.unlink()
    site.write(2)
    report = site.read()
    assert (report.read, report.gaps) == (2, 1)


def test_the_old_file_is_held_until_its_writer_lets_go(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server goes on writing to the renamed file for a while, as nginx does until it is told."""
    site.write(2)
    steps: list[Callable[[], None]] = [
        lambda: site.write(1),
        lambda: site.rename(),
        lambda: site.write(1, site.path.with_name("access.log.1")),
        lambda: site.write(1),
        lambda: site.write(1, site.path.with_name("access.log.1")),
        lambda: None,
        lambda: site.write(1),
        lambda: None,
    ]
    left = iter(steps)

    def wait() -> bool:
        step = next(left, None)
        if step is not None:
            step()
        return step is not None

    with Quarantine() as quarantine:
        report = follow(site.source(), site.target, quarantine, wait)
    assert (report.read, report.duplicates, report.gaps) == (7, 0, 0)
    site.check()


def test_a_running_reader_loses_nothing_while_a_server_writes_and_files_rotate(site: Site) -> None:
    over = threading.Event()

    def server() -> None:
        for round_ in range(30):
            site.write(20)
            if round_ % 7 == 3:
                site.rename()
            if round_ % 7 == 6:
                site.pack(2)
        over.set()

    writing = threading.Thread(target=server)
    looks_left = iter(range(4))

    def wait() -> bool:
        if not writing.is_alive() and not over.is_set():
            writing.start()  # the reader has seen the file
        return not over.wait(0.002) or next(looks_left, None) is not None

    with Quarantine() as quarantine:
        report = follow(site.source(), site.target, quarantine, wait)
    writing.join()
    assert report.gaps == 0
    site.check()


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["write", "write more", "rename", "copy", "pack", "read", "crash"]), max_size=12))
def test_whatever_happens_every_line_counts_once(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    site = Site(tmp_path_factory.mktemp("site"), LogTarget())
    for step in steps:
        if step == "write":
            site.write()
        elif step == "write more":
            site.write(12)
        elif step == "rename":
            site.rename()
        elif step == "copy" and (site.path.stat().st_size == 0 or site.knows_the_file()):
            site.copy_and_truncate()
        elif step == "pack":
            site.pack(2)
        elif step == "read":
            site.read()
        elif step == "crash":
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(weblog, "CHUNK_ROWS", 5)
                patch.setattr("penchant.collect.sources.lines._BLOCK", 200)
                fail_after(site, 2)
    site.read()
    first_read = next((i for i, step in enumerate(steps) if step in ("read", "crash")), len(steps))
    rotated_before = any(step in ("rename", "copy") for step in steps[:first_read])
    pages = site.pages()
    assert len(pages) == len(set(pages))
    if not rotated_before:  # what was rotated away before the first look is for an import
        site.check()


def fail_after(site: Site, chunks: int) -> None:
    """Let a reader die when it has taken some chunks."""
    taken = site.target.ingest
    left = iter(range(chunks))

    def ingest(*args: object, **kwargs: object) -> object:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return taken(*args, **kwargs)  # type: ignore[arg-type]

    site.target.ingest = ingest  # type: ignore[assignment, method-assign]
    try:
        site.read()
    except KeyboardInterrupt:
        pass
    finally:
        del site.target.ingest


def test_json_lines_can_be_followed_too(tmp_path: Path, target: LogTarget) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps({"type": "view", "user_id": "ann", "item_id": "t1", "at": "2020-01-01"}) + "\n")
    for _ in range(2):
        with Quarantine() as quarantine:
            follow(open_dataset(path), target, quarantine, lambda: False)
        with path.open("a") as file:
            file.write(json.dumps({"type": "view", "user_id": "ann", "item_id": "t2", "at": "2020-01-02"}) + "\n")
    assert target.log.count() == 2


def test_what_cannot_be_followed(tmp_path: Path, target: LogTarget) -> None:
    (tmp_path / "a.csv").write_text("type,user_id,item_id\n")
    with Quarantine() as quarantine:
        with pytest.raises(SourceError, match=r"a.csv cannot be followed; files of lines can, plain: jsonl, weblog"):
            follow(open_dataset(tmp_path / "a.csv"), target, quarantine, lambda: False)
        (tmp_path / "b.csv").write_text("x\n")
        with pytest.raises(SourceError, match="one file can be followed, not 2"):
            follow(open_dataset("weblog", tmp_path, options={"hide": False}), target, quarantine, lambda: False)
