from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from penchant import Engine
from penchant.clock import fixed
from penchant.collect.log.sql import SqlLog
from penchant.errors import ConfigError, LogLockedError, StorageError
from penchant.profile.states import SqlCheckpoint
from penchant.storage.database import HEAD, Database
from penchant.storage.shelf import ModelShelf
from penchant.storage.tables import metadata
from penchant.testing.log_contract import all_rows, row

BACK_ENDS = ["sqlite_url", pytest.param("postgres_url", marks=pytest.mark.postgres)]


@pytest.fixture(params=BACK_ENDS)
def url(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def database(url):
    database = Database(url)
    yield database
    database.close()


def tables_of(database):
    with database.transaction() as connection:
        return set(sa.inspect(connection).get_table_names())


def test_migrations_go_forward_and_back(database, url):
    wanted = set(metadata.tables)
    assert wanted == {"event", "state", "vocabulary", "mark", "model"}
    assert tables_of(database) == wanted | {"alembic_version"}
    SqlLog(database).append([row(1)])
    database.migrate_to("base")
    assert tables_of(database) == {"alembic_version"}
    database.migrate_to("0001")
    assert tables_of(database) == wanted | {"alembic_version"}
    assert SqlLog(database).count() == 0
    database.migrate_to("head")
    SqlLog(database).append([row(1)])
    database.migrate_to("base")
    database.close()
    opened = Database(url)  # opening brings an empty schema forward
    assert tables_of(opened) == wanted | {"alembic_version"}
    opened.close()


def test_the_tables_are_what_the_migrations_make(database):
    with database.transaction() as connection:
        found = sa.inspect(connection)
        for table in metadata.tables.values():
            columns = {c["name"]: (c["nullable"], c["type"].compile()) for c in found.get_columns(table.name)}
            made = sa.MetaData()
            declared = {
                c.name: (bool(c.nullable), c.type.dialect_impl(connection.dialect).compile(connection.dialect))
                for c in table.to_metadata(made).columns
            }
            assert {n: kind for n, (kind, _) in columns.items()} == {n: kind for n, (kind, _) in declared.items()}
            assert set(found.get_pk_constraint(table.name)["constrained_columns"]) == {
                c.name for c in table.primary_key
            }
            indexes = {i["name"]: (i["column_names"], bool(i["unique"])) for i in found.get_indexes(table.name)}
            assert indexes == {i.name: ([c.name for c in i.columns], bool(i.unique)) for i in table.indexes}


def test_head_is_the_newest_migration(database):
    from pathlib import Path

    versions = Path(__file__).parents[2] / "src/penchant/storage/migrations/versions"
    assert max(file.name[:4] for file in versions.glob("[0-9]*.py")) == HEAD
    assert database.fetch("SELECT version_num FROM alembic_version") == [(HEAD,)]


def test_a_database_from_a_newer_version_is_refused(database, url):
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(StorageError, match="newer penchant"):
        Database(url)
    with pytest.raises(StorageError, match="newer penchant"):
        Engine.open(url)


def test_an_unknown_revision_is_refused_and_changes_nothing(database):
    with pytest.raises(StorageError, match="'0815'"):
        database.migrate_to("0815")
    assert "event" in tables_of(database)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StorageError, match=f"no folder {tmp_path / 'nowhere'}"):
        Database(f"sqlite:///{tmp_path / 'nowhere' / 'log.db'}")


@pytest.mark.parametrize("url", ["nonsense", "", "sqlite", "://", "log.db"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ConfigError, match="not a database URL"):
        Database(url)


@pytest.mark.parametrize(
    "url", ["mysql://root@localhost/x", "postgres://root@localhost/x", "http://x", "sqlite.db", "Memory"]
)
def test_an_engine_says_what_it_can_open(url):
    with pytest.raises(ConfigError, match="use memory, sqlite:///"):
        Engine.open(url)


def test_an_unknown_driver_is_refused():
    with pytest.raises(ConfigError, match=r"sqlite\+nonsense"):
        Database("sqlite+nonsense:///x.db")


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "log.db").write_bytes(b"This is a shopping list, not a database. " * 100)
    with pytest.raises(StorageError, match=r"log.db"):
        Database(f"sqlite:///{tmp_path / 'log.db'}")


@pytest.mark.postgres
def test_a_server_that_is_not_there_is_a_storage_error():
    with pytest.raises(StorageError, match="cannot open"):
        Database("postgresql+psycopg://root@127.0.0.1:1/nothing?connect_timeout=2")


def test_the_password_is_not_shown():
    with pytest.raises(StorageError) as caught:
        Database("postgresql+psycopg://root:very-secret@127.0.0.1:1/nothing?connect_timeout=2")
    assert "very-secret" not in str(caught.value)


@pytest.mark.postgres
def test_a_second_writer_is_kept_out_until_the_first_closes(postgres_url):
    first = Database(postgres_url)
    SqlLog(first).append([row(1)])
    second = Database(postgres_url)
    assert SqlLog(second).count() == 1  # reading needs no lock
    with pytest.raises(LogLockedError, match="another process"):
        SqlLog(second).append([row(2)])
    first.close()
    SqlLog(second).append([row(2)])
    assert SqlLog(second).count() == 2
    second.close()


def test_a_failed_transaction_leaves_nothing(database):
    log, shelf, checkpoint = SqlLog(database), ModelShelf(database), SqlCheckpoint(database)
    log.append([row(1)])
    with pytest.raises(KeyError), database.transaction():  # noqa: PT012
        log.append([row(2), row(3)])
        shelf.save("model", 3, 0, b"x")
        checkpoint.save([("tracker", "ann", 3, b"state")], 3)
        checkpoint.save_vocabulary("item", 0, ["i1"])
        assert log.count() == 3
        raise KeyError
    assert [kept for _, kept in all_rows(log)] == [row(1)]
    assert (shelf.load("model"), checkpoint.load("tracker", "ann"), checkpoint.position()) == (None, None, 0)
    assert checkpoint.vocabulary("item") == []


def test_an_inner_transaction_belongs_to_the_outer_one(database):
    log = SqlLog(database)
    with pytest.raises(KeyError), database.transaction():  # noqa: PT012
        with database.transaction():
            log.append([row(1)])
        raise KeyError
    assert log.count() == 0
    with database.transaction():
        with database.transaction() as inner, database.transaction() as innermost:
            assert inner is innermost
            log.append([row(1)])
        log.append([row(2)])
    assert log.count() == 2


def test_a_failed_statement_takes_the_whole_transaction_back(database):
    log = SqlLog(database)
    with pytest.raises(StorageError), database.transaction() as connection:  # noqa: PT012
        log.append([row(1)])
        connection.exec_driver_sql("INSERT INTO event (position) VALUES (1)")
    assert log.count() == 0
    assert log.append([row(1)])[0] > 0


def test_readers_see_only_what_is_committed_and_do_not_wait(database):
    log = SqlLog(database)
    log.append([row(1)])
    with ThreadPoolExecutor(1) as pool:
        with database.transaction():
            log.append([row(2)])
            assert pool.submit(log.count).result(10) == 1
            assert log.count() == 2  # this thread sees its own
        assert pool.submit(log.count).result(10) == 2


def test_writers_queue_up(database):
    log = SqlLog(database)

    def write(writer: int) -> None:
        for i in range(20):
            with database.transaction():
                log.append([row(1000 * writer + i)])
                log.set_mark(f"writer {writer}", str(i))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4), timeout=60))
    assert log.count() == 80
    assert [log.mark(f"writer {n}") for n in range(4)] == ["19"] * 4


def test_two_processes_may_write_to_one_sqlite_file(sqlite_url):
    """Each has a connection of its own, as two processes would; neither may fail because the other writes."""
    logs = [SqlLog(Database(sqlite_url)) for _ in range(2)]

    def write(writer: int) -> list[int]:
        return [int(logs[writer].append([row(1000 * writer + i)])[0]) for i in range(150)]

    with ThreadPoolExecutor(2) as pool:
        positions = [place for places in pool.map(write, range(2), timeout=60) for place in places]
    assert len(set(positions)) == 300
    assert sorted(positions) == [place for place, _ in all_rows(logs[0])]
    for log in logs:
        log.close()


def limit_pages(database: Database, pages: int) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def pages_of(database: Database) -> int:
    with database.transaction() as connection:
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar())


def test_a_full_disk_loses_nothing_and_keeps_nothing_by_half(sqlite_url):
    database = Database(sqlite_url)
    log = SqlLog(database)
    small = [row(i, payload="x" * 200) for i in range(50)]
    log.append(small)
    limit_pages(database, pages_of(database) + 4)
    big = [row(i, payload="y" * 2000) for i in range(100, 200)]
    with pytest.raises(StorageError, match="full"):
        log.append(big)
    assert [kept for _, kept in all_rows(log)] == small
    with pytest.raises(StorageError, match="full"), database.transaction():  # noqa: PT012
        log.set_mark("half", "done")
        log.append(big)
    assert log.mark("half") is None
    assert log.append([row(60)]).tolist() == [51]  # a little still fits
    limit_pages(database, 1_000_000)
    assert (log.append(big) > 0).all()
    database.close()
    opened = Database(sqlite_url)
    assert [kept for _, kept in all_rows(SqlLog(opened))] == [*small, row(60), *big]
    opened.close()


def test_an_engine_survives_a_full_disk(sqlite_url, toy):
    engine = Engine.open(sqlite_url, clock=fixed(toy.ends))
    engine.ingest(toy.events[:200])
    engine.checkpoint()
    states, interests = engine.ledger.states.as_bytes(), engine.interests("user-1")
    database = engine.log._database
    limit_pages(database, pages_of(database))
    long = [{**event, "payload": {"text": "z" * 5000}} for event in toy.events[200:300]]
    with pytest.raises(StorageError, match="full"):
        engine.ingest(long)
    assert engine.log.count() == 200
    assert engine.ledger.states.as_bytes() == states
    assert engine.interests("user-1") == interests
    limit_pages(database, 1_000_000)
    assert engine.ingest(toy.events[200:]).accepted == len(toy.events) - 200
    live = engine.ledger.states.as_bytes()
    assert engine.rebuild() == len(toy.events)
    assert engine.ledger.states.as_bytes() == live
    engine.close()
    whole = Engine.open(clock=fixed(toy.ends))
    whole.ingest(toy.events[:200])
    whole.ingest(toy.events[200:])
    assert whole.ledger.states.as_bytes() == live


@pytest.mark.parametrize(("durability", "synchronous"), [("default", 1), ("full", 2)])
def test_durability_is_what_was_asked_for(sqlite_url, durability, synchronous):
    database = Database(sqlite_url, durability)
    with database.transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == synchronous
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    database.close()


def test_a_closed_database_lets_go_of_its_file(sqlite_url, tmp_path):
    database = Database(sqlite_url)
    SqlLog(database).append([row(1)])
    database.close()
    database.close()
    assert [file.name for file in tmp_path.iterdir()] == ["log.db"]  # no write-ahead log is left
    assert sqlite3.connect(tmp_path / "log.db").execute("SELECT count(*) FROM event").fetchone() == (1,)


def test_a_model_is_replaced_whole(database):
    for shelf in (ModelShelf(database), ModelShelf(None)):
        assert shelf.load("blend") is None
        shelf.save("blend", 7, 1, b"one")
        shelf.save("blend", 9, 2, b"\x00\xff two")
        shelf.save("other", 1, 2, b"")
        assert shelf.load("blend") == (9, b"\x00\xff two")
        assert shelf.load("other") == (1, b"")
