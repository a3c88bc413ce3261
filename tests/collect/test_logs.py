from __future__ import annotations

import pytest

from penchant.collect import LOGS
from penchant.collect.log.memory import MemoryLog
from penchant.collect.log.parquet import ParquetLog
from penchant.collect.log.sql import SqlLog
from penchant.errors import LogLockedError, StorageError
from penchant.storage.database import Database
from penchant.testing import EventLogContract
from penchant.testing.log_contract import all_rows, row


class TestMemory(EventLogContract):
    durable = False
    transactional = False

    @pytest.fixture
    def open_log(self):
        return MemoryLog


class TestSqlite(EventLogContract):
    @pytest.fixture
    def open_log(self, sqlite_url):
        return lambda: SqlLog(Database(sqlite_url))


@pytest.mark.postgres
class TestPostgres(EventLogContract):
    @pytest.fixture
    def open_log(self, postgres_url):
        return lambda: SqlLog(Database(postgres_url))


class TestParquet(EventLogContract):
    transactional = False

    @pytest.fixture
    def open_log(self, tmp_path):
        return lambda: ParquetLog(tmp_path / "log")


def test_every_registered_log_runs_the_contract():
    tested = {TestMemory: "memory", TestSqlite: "sql", TestPostgres: "sql", TestParquet: "parquet"}
    assert sorted(set(tested.values())) == sorted(LOGS)
    assert len(LOGS) == 3


def test_memory_log_is_the_same_across_the_border_where_rows_are_put_away():
    log = MemoryLog()
    for start in range(0, 45_000, 15_000):
        log.append([row(i, f"u{i % 3}") for i in range(start, start + 15_000)])
    positions = [place for place, _ in all_rows(log)]
    assert positions == list(range(1, 45_001))
    assert log.of_user("u1")["event_id"].to_list() == [f"e{i}" for i in range(1, 45_000, 3)]
    assert [kept.event_id for _, kept in log.at_positions([1, 20_000, 30_001, 44_999])] == [
        "e0",
        "e19999",
        "e30000",
        "e44998",
    ]
    assert log.append([row(0), row(44_999)]).tolist() == [0, 0]
    assert log.erase("u1") == 15_000
    assert log.count() == 30_000
    assert log.at_positions([2, 3]) == [(3, row(2, "u2"))]
    assert log.append([row(1, "u1")]).tolist() == [45_001]
    assert log.of_user("u1")["position"].to_list() == [45_001]


def test_parquet_leaves_out_what_a_killed_process_left_half_written(tmp_path):
    log = ParquetLog(tmp_path)
    log.append([row(1)])
    log.close()
    (tmp_path / "part-000000000000002.partial").write_bytes(b"PAR1 half")
    log = ParquetLog(tmp_path)
    assert [kept for _, kept in all_rows(log)] == [row(1)]
    assert list(tmp_path.glob("*.partial")) == []
    assert log.append([row(2)]).tolist() == [2]
    log.close()


def test_a_parquet_log_is_owned_by_one(tmp_path):
    log = ParquetLog(tmp_path)
    with pytest.raises(LogLockedError, match="another process"):
        ParquetLog(tmp_path)
    log.close()
    ParquetLog(tmp_path).close()


@pytest.mark.parametrize("damage", ["part-000000000000001.parquet", "marks.json"])
def test_parquet_says_which_folder_is_damaged(tmp_path, damage):
    log = ParquetLog(tmp_path)
    log.append([row(1)])
    log.set_mark("a", "b")
    log.close()
    (tmp_path / damage).write_bytes(b"not what it was")
    with pytest.raises(StorageError, match=str(tmp_path)):
        ParquetLog(tmp_path)


def test_parquet_needs_a_folder_it_may_make(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file"):
        ParquetLog(tmp_path / "file")


def test_sqlite_overwrites_what_is_erased(sqlite_url, tmp_path):
    log = SqlLog(Database(sqlite_url))
    log.append([row(i, "someone-to-forget" if i % 2 else "ann") for i in range(2000)])
    assert log.erase("someone-to-forget") == 1000
    log.close()
    left = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"someone-to-forget" not in left
    assert b"ann" in left


def test_two_logs_on_one_sqlite_file_see_each_other(sqlite_url):
    one, other = SqlLog(Database(sqlite_url)), SqlLog(Database(sqlite_url))
    one.append([row(1)])
    assert other.tail() == 1
    assert other.append([row(1), row(2)]).tolist() == [0, 2]
    assert [kept.event_id for _, kept in all_rows(one)] == ["e1", "e2"]
    one.close()
    other.close()
