"""Access keys, with which callers sign their requests."""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal

from souche.app.context.region import Region
from souche.db import access_keys
from souche.db.transactions import Transaction
from souche.model.accounts import AccessKey, Principal
from souche.model.query import Query
from souche.refusals import NoSuchAccessKey
from souche.value_refusals import BadValue
from souche.vault import Vault
from souche.words import Term

TAG_LENGTH = 255
ACCESS_KEY_ID: Final = re.compile("[A-Z0-9]{20}")
SECRET: Final = re.compile("[A-Za-z0-9+/=]{40}")
KEY_BYTES = 512  # approximate memory of one key


@dataclass(frozen=True)
class Changes:
    """The fields to change; None leaves a field as it is. A cleared field must not be set as well. Setting the state
    without an expiration date removes the expiration date (specification, UpdateAccessKey).
    """

    active: bool | None = None
    expiration_date: datetime | None = None
    clear_expiration_date: bool = False
    tag: str | None = None
    clear_tag: bool = False


@dataclass(frozen=True)
class KnownKey:
    """An access key as the check of a signature needs it."""

    account_id: str
    secret: str = field(repr=False)
    active: bool
    expired: bool


@dataclass(frozen=True)
class Credentials:
    """An access key's id and its secret."""

    access_key_id: str
    secret: str = field(repr=False)

    def check(self) -> None:
        """Refuse lengths that clients refuse (oapi-cli checks them).

        Raises:
            BadValue.
        """
        if not ACCESS_KEY_ID.fullmatch(self.access_key_id):
            raise BadValue(parameter=Term.ACCESS_KEY, reason="20 upper-case letters and digits are expected.")
        if not SECRET.fullmatch(self.secret):
            raise BadValue(
                parameter=Term.SECRET_KEY, reason="40 letters, digits, '+', '/' and '=' are expected."
            )


def lookup(region: Region, access_key_id: str) -> KnownKey | None:
    """Find the key that a request names. Every request does this: one row by its id, cached until the next commit.

    Raises:
        VaultKeyWrong: the secret was sealed with another region's key.
    """
    key = region.store.cache.get_or_read(
        ("access key", access_key_id), KEY_BYTES, lambda: _find(region, access_key_id)
    )
    if not key:
        return None
    expired = key.expiration_date is not None and key.expiration_date <= region.clock.now()
    return KnownKey(key.account_id, _unsealed(region.vault, key.sealed_secret), key.active, expired)


def _find(region: Region, access_key_id: str) -> access_keys.SealedKey | Literal[False]:
    with region.store.reader(once=True) as reader:
        return access_keys.look_up(reader, access_key_id) or False


@lru_cache(maxsize=1024)
def _unsealed(vault: Vault, sealed_secret: bytes) -> str:
    """Cached by the row's content, which every request reads: a revoked key is no longer found."""
    return vault.unseal(sealed_secret)


def new(
    region: Region,
    account_id: str,
    expiration_date: datetime | None = None,
    tag: str | None = None,
    *,
    credentials: Credentials | None = None,
) -> tuple[AccessKey, str]:
    """An access key that is not stored yet, and its secret. `credentials`: use these instead of new ones.

    Raises:
        BadValue: they do not have the service's form.
    """
    now = region.clock.now()
    if credentials is None:
        credentials = Credentials(region.ids.access_key_id(), region.ids.secret_key())
    credentials.check()
    access_key_id, secret = credentials.access_key_id, credentials.secret
    sealed = region.vault.seal(secret)
    return AccessKey(access_key_id, account_id, sealed, True, now, now, expiration_date, tag), secret  # noqa: FBT003


def create(
    region: Region, who: Principal, expiration_date: datetime | None = None, tag: str | None = None
) -> tuple[AccessKey, str]:
    """Give the caller's account another access key. Only this answer shows the secret.

    Raises:
        BadValue: the expiration date is past, or the tag too long.
    """
    _check(region, expiration_date, tag)
    key, secret = new(region, who.account_id, expiration_date, tag)
    with region.begin() as work:
        access_keys.insert(work.connection, key)
    return key, secret


def find(region: Region, who: Principal, query: Query) -> list[AccessKey]:
    """The access keys of the caller's account that satisfy `query`."""
    with region.store.read() as connection:
        return access_keys.find(connection, who.account_id, query)


def update(region: Region, who: Principal, access_key_id: str, changes: Changes) -> AccessKey:
    """Change a key of the caller's account.

    Raises:
        NoSuchAccessKey: the account has none of this id.
        BadValue: the expiration date is past, or the tag too long.
    """
    _check(
        region,
        None if changes.clear_expiration_date else changes.expiration_date,
        None if changes.clear_tag else changes.tag,
    )
    with region.begin() as work:
        before = _own(work.connection, who, access_key_id)
        changed = replace(_changed(before, changes), last_modification_date=region.clock.now())
        access_keys.update(work.connection, changed)
        return changed


def _changed(key: AccessKey, changes: Changes) -> AccessKey:
    if changes.active is not None:
        key = replace(key, active=changes.active, expiration_date=None)
    if changes.expiration_date is not None:
        key = replace(key, expiration_date=changes.expiration_date)
    if changes.clear_expiration_date:
        key = replace(key, expiration_date=None)
    if changes.clear_tag or changes.tag is not None:
        key = replace(key, tag=None if changes.clear_tag else changes.tag)
    return key


def delete(region: Region, who: Principal, access_key_id: str) -> AccessKey:
    """Delete a key of the caller's account. Requests signed with it are refused from then on. Returns what it was.

    Raises:
        NoSuchAccessKey: the account has none of this id.
    """
    with region.begin() as work:
        deleted = _own(work.connection, who, access_key_id)
        access_keys.erase(work.connection, access_key_id)
    return deleted


def _own(connection: Transaction, who: Principal, access_key_id: str) -> AccessKey:
    key = access_keys.owned(connection, who.account_id, access_key_id)
    if key is None:
        raise NoSuchAccessKey(access_key_id=access_key_id)
    return key


def _check(region: Region, expiration_date: datetime | None, tag: str | None) -> None:
    if expiration_date is not None and expiration_date <= region.clock.now():
        raise BadValue(parameter=Term.EXPIRATION_DATE, reason="it is in the past.")
    if tag is not None and len(tag) > TAG_LENGTH:
        raise BadValue(parameter=Term.KEY_TAG, reason=f"it may have at most {TAG_LENGTH} characters.")
