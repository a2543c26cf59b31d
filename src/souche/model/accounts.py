"""Accounts, their access keys, and the caller of a request."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

PROVIDER_NAME: Final = "outscale"
"""the account of the official images"""
PROVIDER_ALIAS: Final = "Outscale"


@dataclass(frozen=True)
class Account:
    """A customer of the region. Users see `alias` with the images that it publishes (the provider's is "Outscale"). The
    keys of a disabled account do not work; its resources stay, and its VMs keep running. An account with a
    `deletion_date` is deleted: its record only prevents reuse of its id."""

    account_id: str
    name: str
    alias: str | None
    creation_date: datetime
    disabled: bool = False
    deletion_date: datetime | None = None


@dataclass(frozen=True)
class AccessKey:
    """An access key; `sealed_secret` is its secret as the vault encrypted it."""

    access_key_id: str
    account_id: str
    sealed_secret: bytes
    active: bool
    creation_date: datetime
    last_modification_date: datetime
    expiration_date: datetime | None = None
    tag: str | None = None


@dataclass(frozen=True)
class Principal:
    """The caller: the account that a request's signature proves."""

    account_id: str
    access_key_id: str | None = None
