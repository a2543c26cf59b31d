"""Alembic's entry: runs the migrations on the connection that `Store.migrate` hands over, all in one transaction, so
that a process that is killed leaves the former schema or the newest."""

from alembic import context

from souche.db.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
