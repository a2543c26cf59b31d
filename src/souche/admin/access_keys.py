"""Access keys of accounts."""

from typing import TypedDict

from souche.admin.action import Administered, action
from souche.app import access_keys, accounts
from souche.app.access_keys import Changes
from souche.app.context.region import Region
from souche.db.schema import utc_text
from souche.errors import NotFound
from souche.model.accounts import AccessKey, Principal
from souche.model.query import Query


class NoUsableKey(NotFound):
    """{account} has no usable access key: `souche account key create {account}` creates one."""


class MadeKey(TypedDict):
    """An access key with its secret."""

    AccessKeyId: str
    SecretKey: str


class KeyFacts(TypedDict):
    """The shown facts of an access key."""

    AccessKeyId: str
    State: str
    CreationDate: str
    ExpirationDate: str | None
    Tag: str | None


@action
def create(at: Administered, account: str) -> MadeKey:
    """Give an account another access key."""
    key, secret = access_keys.create(at.region, _owner(at.region, account))
    return {"AccessKeyId": key.access_key_id, "SecretKey": secret}


@action
def of_account(at: Administered, account: str) -> list[KeyFacts]:
    """The access keys of an account."""
    return [_facts(key) for key in access_keys.find(at.region, _owner(at.region, account), Query())]


@action
def usable(at: Administered, account: str, wanted: str | None) -> MadeKey:
    """A usable access key of an account: the oldest, or the wanted one.

    Raises:
        NoSuchAccount, NoUsableKey.
    """
    owner = accounts.known(at.region, account)
    keys = access_keys.find(at.region, Principal(owner.account_id), Query())
    for key in sorted(keys, key=lambda key: key.creation_date):
        found = access_keys.lookup(at.region, key.access_key_id)
        if found and found.active and not found.expired and wanted in (None, key.access_key_id):
            return {"AccessKeyId": key.access_key_id, "SecretKey": found.secret}
    raise NoUsableKey(account=owner.name)


@action
def set_active(at: Administered, account: str, access_key_id: str, *, active: bool) -> KeyFacts:
    """Disable or enable an access key; enabled, it has no expiration date."""
    owner = _owner(at.region, account)
    return _facts(access_keys.update(at.region, owner, access_key_id, Changes(active=active)))


@action
def delete(at: Administered, account: str, access_key_id: str) -> KeyFacts:
    """Delete an access key. Returns what it was."""
    return _facts(access_keys.delete(at.region, _owner(at.region, account), access_key_id))


def _owner(region: Region, account: str) -> Principal:
    return Principal(accounts.known(region, account).account_id)


def _facts(key: AccessKey) -> KeyFacts:
    return {
        "AccessKeyId": key.access_key_id,
        "State": "ACTIVE" if key.active else "INACTIVE",
        "CreationDate": utc_text(key.creation_date),
        "ExpirationDate": utc_text(key.expiration_date) if key.expiration_date else None,
        "Tag": key.tag,
    }
