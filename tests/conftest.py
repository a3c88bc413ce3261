"""Fixtures that several folders share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from penchant import Engine
from penchant.clock import Clock, fixed
from penchant.testing import ToyLog, toy_log

POSTGRES = os.environ.get("PENCHANT_POSTGRES", "postgresql+psycopg://root@127.0.0.1/test")


@pytest.fixture(scope="session")
def postgres_database() -> Iterator[str]:
    """URL of a database of this run alone: the writer's lock is one per database."""
    try:
        admin = sa.create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
        connection = admin.connect()
    except (sa.exc.SQLAlchemyError, ModuleNotFoundError) as error:
        if os.environ.get("PENCHANT_CI") == "1":
            pytest.fail(f"no PostgreSQL server at {POSTGRES}: {error}")
        pytest.skip(f"no PostgreSQL server at {POSTGRES}")
    name = f"penchant_test_{os.getpid()}"
    connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield sa.make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    connection.close()
    admin.dispose()


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    """URL of an empty PostgreSQL database."""
    engine = sa.create_engine(postgres_database, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    return postgres_database


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'log.db'}"


@pytest.fixture(scope="session")
def toy() -> ToyLog:
    """A small log in the order of time."""
    return toy_log()


@pytest.fixture
def open_engine(toy: ToyLog) -> Iterator[Callable[..., Engine]]:
    """Opens engines that believe it is the end of the toy log; closes them after the test."""
    opened: list[Engine] = []

    def open_one(url: str | None = None, clock: Clock | None = None, **settings: object) -> Engine:
        engine = Engine.open(url, clock=clock or fixed(toy.ends), **settings)
        opened.append(engine)
        return engine

    yield open_one
    for engine in opened:
        engine.close()


@pytest.fixture
def engine(open_engine: Callable[..., Engine]) -> Engine:
    """An empty engine in memory."""
    return open_engine()


@pytest.fixture
def toy_engine(engine: Engine, toy: ToyLog) -> Engine:
    """An engine in memory with the toy log."""
    assert engine.ingest(toy.events).accepted == len(toy.events)
    return engine
