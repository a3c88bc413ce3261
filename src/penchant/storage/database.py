"""One database: a writer's transaction, readers beside it, and the schema kept up to date."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import NoSuchModuleError as NoSuchDialect

from penchant.errors import ConfigError, LogLockedError, NotInstalledError, StorageError

HEAD = "0001"
"""The newest schema revision; a database at it opens without loading Alembic."""

_WRITER_LOCK = 0x70656E63
"""PostgreSQL advisory lock number of the one writer ("penc")."""

_LOGIN = re.compile(r"://[^@/]*@")
"""User and password in a URL that cannot be parsed: never shown."""

Durability = Literal["default", "full"]


class Database:
    """A SQLite file or a PostgreSQL database.

    One thread writes at a time (``transaction``); readers use their own connections and never wait for it. On SQLite the
    log is write-ahead: ``default`` survives a killed process, ``full`` also a power cut (one fsync a commit). On
    PostgreSQL durability is the server's own (``synchronous_commit``), and a lock keeps a second writer out.
    """

    def __init__(self, url: str, durability: Durability = "default") -> None:
        try:
            self.url = make_url(url)
        except SQLAlchemyError:
            raise ConfigError(
                f"not a database URL: {_LOGIN.sub('://***@', url)!r}; "
                "use sqlite:///file.db or postgresql+psycopg://user@host/name"
            ) from None
        self.sqlite = self.url.get_backend_name() == "sqlite"
        if self.sqlite and self.url.database not in (None, "", ":memory:"):
            folder = Path(str(self.url.database)).resolve().parent
            if not folder.is_dir():
                raise StorageError(f"no folder {folder}; make it, or give another path")
        try:
            self._engine = sa.create_engine(self.url, pool_pre_ping=not self.sqlite)
        except NoSuchDialect:
            raise ConfigError(
                f"no database driver for {self.url.drivername!r}; use sqlite or postgresql+psycopg"
            ) from None
        except ModuleNotFoundError as error:
            raise NotInstalledError(str(error.name), "pip install 'penchant[postgres]'") from error
        if self.sqlite:
            synchronous = "FULL" if durability == "full" else "NORMAL"
            sa_event.listen(self._engine, "connect", _sqlite_connect(synchronous))
            sa_event.listen(self._engine, "begin", _sqlite_begin)
        self._lock = threading.RLock()
        self._writer: Connection | None = None
        self._owner = 0  # the thread that writes
        self.bind = "?" if self.sqlite else "%s"
        try:
            with self._guard("open the database"):
                self._migrate()
        except BaseException:
            self.close()  # or the writer's lock would be held by a connection that nobody has
            raise

    @contextmanager
    def _guard(self, doing: str) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StorageError(f"cannot {doing} at {self.url!r}: {error.orig}") from error
        except self._engine.dialect.loaded_dbapi.Error as error:
            raise StorageError(f"cannot {doing} at {self.url!r}: {error}") from error

    def _migrate(self) -> None:
        with self._engine.connect() as reader:  # reading needs no writer's lock: another engine may hold it
            if self._revision(reader) == HEAD:
                return
        with self._writing() as connection:
            if self._revision(connection) != HEAD:
                self.migrate_to("head", connection)

    def migrate_to(self, revision: str, connection: Connection | None = None) -> None:
        """Bring the schema to a revision, forward or back (``"head"``, ``"base"``, ``"0001"``)."""
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory
        from alembic.util.exc import CommandError

        if connection is None:
            with self.transaction() as opened:
                self.migrate_to(revision, opened)
            return
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        try:
            current = ScriptDirectory.from_config(config).get_revision(revision)
            down = revision == "base" or (current is not None and current.revision < (self._revision(connection) or ""))
            (command.downgrade if down else command.upgrade)(config, revision)
        except CommandError as error:
            raise StorageError(
                f"cannot bring the schema to {revision!r}: {error}; the database may come from a newer penchant"
            ) from error

    @staticmethod
    def _revision(connection: Connection) -> str | None:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        return None if found is None else str(found)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._lock:
            inside = self._inside()
            if inside is not None:
                yield inside  # one transaction for log, states and marks
                return
            self._owner = threading.get_ident()
            if self._writer is None:
                connection = self._engine.connect().execution_options(write=True)
                if not self.sqlite:
                    self._own(connection)
                self._writer = connection
            with self._writer.begin():
                yield self._writer

    def _own(self, connection: Connection) -> None:
        owned = connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_WRITER_LOCK})").scalar()
        connection.commit()
        if not owned:
            connection.close()
            raise LogLockedError(f"another process writes to {self.url!r}; close it, or read through it")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield the writer's connection inside a transaction; nested uses join the outer one.

        Raises:
            StorageError: When the database refuses (disk full, server away); nothing of the transaction remains.
        """
        with self._guard("write"):
            try:
                with self._writing() as connection:
                    yield connection
            except DBAPIError as error:
                if error.connection_invalidated:
                    self._writer = None
                raise

    def fetch(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query with the driver's own placeholders (``bind``).

        Inside this thread's transaction it sees what the transaction wrote; elsewhere it uses a connection of its own and
        waits for nobody. Goes past SQLAlchemy's result layer, which costs more than the query where latency counts.
        """
        with self._guard("read"):
            inside = self._inside()
            raw = inside.connection if inside is not None else self._engine.raw_connection()
            try:
                cursor = raw.cursor()
                cursor.execute(sql, values)
                rows = list(cursor.fetchall())
                cursor.close()
                return rows
            finally:
                if inside is None:
                    raw.close()

    def _inside(self) -> Connection | None:
        """Return the writer's connection when this thread is inside a transaction."""
        if self._owner == threading.get_ident() and self._writer is not None and self._writer.in_transaction():
            return self._writer
        return None

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self._engine.dispose()


def _sqlite_connect(synchronous: str) -> Any:
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where _sqlite_begin says, not where the driver guesses
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "busy_timeout=30000",
            "cache_size=-131072",
            # 16 MB: pages of the indexes that many commits change are copied into the file once, not with each.
            "wal_autocheckpoint=4000",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return connect


def _sqlite_begin(connection: Connection) -> None:
    # A writer that begins by reading could fail later to become one; IMMEDIATE takes the lock at once.
    kind = "IMMEDIATE" if connection.get_execution_options().get("write") else "DEFERRED"
    connection.exec_driver_sql(f"BEGIN {kind}")
