"""The tables, the same on SQLite and PostgreSQL."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData()

event = Table(
    "event",
    metadata,
    # On SQLite only "INTEGER PRIMARY KEY" is the row's own key, so that appends go to the end of the tree.
    Column("position", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False),
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("user_id", Text),
    Column("item_id", Text),
    Column("at_us", BigInteger, nullable=False),
    Column("arrived_us", BigInteger, nullable=False),
    Column("value", Float),
    Column("amount", Float),
    Column("session_id", Text),
    Column("topics", Text),
    Column("payload", Text),
    Index("event_event_id", "event_id", unique=True),
    Index("event_user", "user_id"),
    Index("event_at", "at_us"),
)

state = Table(
    "state",
    metadata,
    Column("learner", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

vocabulary = Table(
    "vocabulary",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
)

mark = Table("mark", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

model = Table(
    "model",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("fitted_us", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
