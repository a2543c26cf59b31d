"""Key pairs."""

from dataclasses import asdict

import sqlalchemy as sa

from souche.db import query as engine
from souche.db import tags
from souche.db.finder import Finder
from souche.db.schema import keypairs
from souche.model.keypairs import Keypair
from souche.model.query import Query

FIELDS: engine.Fields = {
    "keypair_id": keypairs.c.keypair_id,
    "name": keypairs.c.name,
    "key_type": keypairs.c.key_type,
    "fingerprint": keypairs.c.fingerprint,
    **tags.fields(keypairs.c.keypair_id),
}

ORDER = engine.Order(keypairs.c.creation_date, keypairs.c.keypair_id)
_FINDER = Finder(keypairs.select().where(keypairs.c.account_id == engine.CALLER), FIELDS, ORDER)


def insert(connection: sa.Connection, keypair: Keypair) -> None:
    """Write a new key pair."""
    connection.execute(keypairs.insert().values(asdict(keypair)))


def get(connection: sa.Connection, account_id: str, keypair_id: str) -> Keypair | None:
    """The account's key pair of this id."""
    return _one(connection, account_id, keypairs.c.keypair_id == keypair_id)


def named(connection: sa.Connection, account_id: str, name: str) -> Keypair | None:
    """The account's key pair of this name."""
    return _one(connection, account_id, keypairs.c.name == name)


def _one(connection: sa.Connection, account_id: str, here: engine.Criterion) -> Keypair | None:
    select = keypairs.select().where(keypairs.c.account_id == account_id, here)
    row = connection.execute(select).one_or_none()
    return None if row is None else _keypair(row)


def find(connection: sa.Connection, account_id: str, query: Query) -> tuple[list[Keypair], bool]:
    """The account's key pairs that satisfy `query`, and whether more remain."""
    rows, more = _FINDER.find(connection, query, caller=account_id)
    return [_keypair(row) for row in rows], more


def erase(connection: sa.Connection, keypair_id: str) -> None:
    """Delete a key pair. VMs that were launched with it keep their copy of the public key."""
    connection.execute(keypairs.delete().where(keypairs.c.keypair_id == keypair_id))


def _keypair(row: engine.AnyRow) -> Keypair:
    return Keypair(
        keypair_id=row.keypair_id,
        account_id=row.account_id,
        name=row.name,
        key_type=row.key_type,
        fingerprint=row.fingerprint,
        public_key=row.public_key,
        creation_date=row.creation_date,
    )
