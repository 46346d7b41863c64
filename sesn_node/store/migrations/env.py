"""Alembic environment: migrations run on the connection that the store hands over."""

from __future__ import annotations

from alembic import context

from sesn_node.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
