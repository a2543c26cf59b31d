"""Access keys. Their secrets are here only as the vault sealed them."""

from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from souche.db import query as engine
from souche.db.finder import Finder
from souche.db.schema import access_keys, accounts
from souche.db.store import Prepared, Reader
from souche.model.accounts import AccessKey
from souche.model.query import Query

FIELDS: engine.Fields = {
    "access_key_id": access_keys.c.access_key_id,
    "active": access_keys.c.active,
    "tag": access_keys.c.tag,
}

ORDER = engine.Order(access_keys.c.creation_date, access_keys.c.access_key_id)
_FINDER = Finder(access_keys.select().where(access_keys.c.account_id == engine.CALLER), FIELDS, ORDER)

_BY_ID = access_keys.select().where(access_keys.c.access_key_id == sa.bindparam("wanted", type_=sa.String))

_WITH_ACCOUNT = access_keys.join(accounts, accounts.c.account_id == access_keys.c.account_id)
_OPENS = sa.and_(access_keys.c.active, sa.not_(accounts.c.disabled))

# Every signed request runs this statement.
_PREPARED = Prepared(
    sa.select(
        access_keys.c.account_id,
        access_keys.c.sealed_secret,
        sa.case((_OPENS, 1), else_=0),
        access_keys.c.expiration_date,
    )
    .select_from(_WITH_ACCOUNT)
    .where(access_keys.c.access_key_id == sa.bindparam("wanted", type_=sa.String))
)


@dataclass(frozen=True)
class SealedKey:
    """The part of an access key that the check of a signature needs. `active`: the key and its account are."""

    account_id: str
    sealed_secret: bytes
    active: bool
    expiration_date: datetime | None


def insert(connection: sa.Connection, key: AccessKey) -> None:
    """Write a new access key."""
    connection.execute(access_keys.insert().values(asdict(key)))


def get(connection: sa.Connection, access_key_id: str) -> AccessKey | None:
    """The access key of this id, of any account."""
    row = connection.execute(_BY_ID, {"wanted": access_key_id}).one_or_none()
    return None if row is None else _access_key(row)


def owned(connection: sa.Connection, account_id: str, access_key_id: str) -> AccessKey | None:
    """The account's access key of this id."""
    own = access_keys.select().where(
        access_keys.c.access_key_id == access_key_id, access_keys.c.account_id == account_id
    )
    row = connection.execute(own).one_or_none()
    return None if row is None else _access_key(row)


def look_up(reader: Reader, access_key_id: str) -> SealedKey | None:
    """The access key of this id, of any account, at low cost: every signed request asks."""
    for account_id, sealed_secret, active, expiration in reader.rows(_PREPARED, {"wanted": access_key_id}):
        expiration_date = None if expiration is None else datetime.fromisoformat(expiration)
        return SealedKey(account_id, sealed_secret, bool(active), expiration_date)
    return None


def find(connection: sa.Connection, account_id: str, query: Query) -> list[AccessKey]:
    """The account's access keys that satisfy `query`, oldest first."""
    rows, _ = _FINDER.find(connection, query, caller=account_id)
    return [_access_key(row) for row in rows]


def usable(connection: sa.Connection, now: datetime) -> list[AccessKey]:
    """The keys that are active and have not expired, of every account that is not disabled."""
    expires = access_keys.c.expiration_date
    alive = sa.or_(expires.is_(None), expires > now)
    found = sa.select(*access_keys.c).select_from(_WITH_ACCOUNT).where(_OPENS, alive)
    return [_access_key(row) for row in connection.execute(found)]


def any_sealed(connection: sa.Connection) -> bytes | None:
    """Any one sealed secret; None if there is no key."""
    return connection.scalars(sa.select(access_keys.c.sealed_secret).limit(1)).first()


def update(connection: sa.Connection, key: AccessKey) -> None:
    """Write an access key's present attributes over the old ones."""
    here = access_keys.c.access_key_id == key.access_key_id
    connection.execute(access_keys.update().where(here).values(asdict(key)))


def erase(connection: sa.Connection, access_key_id: str) -> None:
    """Delete an access key."""
    connection.execute(access_keys.delete().where(access_keys.c.access_key_id == access_key_id))


def _access_key(row: engine.AnyRow) -> AccessKey:
    return AccessKey(
        access_key_id=row.access_key_id,
        account_id=row.account_id,
        sealed_secret=row.sealed_secret,
        active=row.active,
        creation_date=row.creation_date,
        last_modification_date=row.last_modification_date,
        expiration_date=row.expiration_date,
        tag=row.tag,
    )
