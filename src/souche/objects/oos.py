"""The contract of a region's object service (OOS): an object store whose buckets belong to accounts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from souche.objects.base import ObjectStore


@dataclass(frozen=True)
class AccountKey:
    """One access key of an account."""

    account_id: str
    access_key_id: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class Capabilities:
    """`knows_accounts`: it has the accounts' access keys, and knows whose a bucket is; otherwise the region keeps
    that, and users have keys of the service's own."""

    knows_accounts: bool


class AccountOos(Protocol):
    """An object service that knows whose a bucket is. All methods raise ObjectsUnavailable and ObjectsFailed, and may
    be called again, by several threads."""

    def ensure_bucket(self, bucket: str, account_id: str) -> None:
        """As `Oos.ensure_bucket`."""
        ...

    def owner(self, bucket: str) -> str | None:
        """The account of a bucket; empty, if it has none; None, if there is no such bucket."""
        ...

    def buckets(self) -> dict[str, str]:
        """The account of each bucket of an account's, by name."""
        ...

    def set_policy(self, bucket: str, policy: bytes | None) -> None:
        """Have a bucket obey this policy and no other; None: none. No such bucket: that is success too."""
        ...


class Oos(Protocol):
    """For every method: doing it again is harmless. All of them raise ObjectsUnavailable (worth another try) and
    ObjectsFailed, and may be called by several threads."""

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def endpoint(self) -> str:
        """The URL under which clients reach it, which pre-signed URLs begin with."""
        ...

    def ensure_bucket(self, bucket: str, account_id: str) -> None:
        """Make a bucket of an account's, unless it has it already.

        Raises:
            BadBucketName: there can be no such bucket.
            BucketAccessRefused: it belongs to another account.
        """
        ...

    def sync_keys(self, wanted: Iterable[AccountKey]) -> None:
        """Let in exactly these access keys, each to its account's buckets."""
        ...

    def store(self) -> ObjectStore:
        """The store as the region itself may use it: every bucket of the accounts."""
        ...
