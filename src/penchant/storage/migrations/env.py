"""Alembic environment: migrations run on the connection that ``Database`` hands over."""

from alembic import context

from penchant.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
