"""Tokens for the consoles of VMs, by their SHA-256: one of each VM at most."""

from datetime import datetime

import sqlalchemy as sa

from souche.db.schema import console_tokens as tokens


def put(connection: sa.Connection, vm_id: str, digest: str, expiration_date: datetime) -> None:
    """Record a VM's token, instead of the one before it."""
    connection.execute(tokens.delete().where(tokens.c.vm_id == vm_id))
    connection.execute(tokens.insert().values(vm_id=vm_id, digest=digest, expiration_date=expiration_date))


def take(connection: sa.Connection, digest: str) -> tuple[str, datetime] | None:
    """Remove a token. Gives its VM and its expiration date; None: there is no such token."""
    found = connection.execute(tokens.select().where(tokens.c.digest == digest)).one_or_none()
    if found is None:
        return None
    connection.execute(tokens.delete().where(tokens.c.vm_id == found.vm_id))
    return found.vm_id, found.expiration_date
