"""The contract of a region's object service (OOS): an object store whose buckets belong to accounts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from souche.objects.base import ObjectStore


@dataclass(frozen=True)
class AccountKey:
    """One access key of an account."""

    account_id: str
    access_key_id: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class Capabilities:
    """`knows_accounts`: the service has the accounts' access keys and knows the owners of buckets. Otherwise the region
    records the owners, and users have keys of that service."""

    knows_accounts: bool


NO_BUCKET: Final = "souche-is-it-ready"
"""a name that is asked for only to see whether the service answers"""


class AccountOos(Protocol):
    """An object service that knows the owners of buckets. All methods raise ObjectsUnavailable and ObjectsFailed, may
    be repeated, and may be called by several threads."""

    def ensure_bucket(self, bucket: str, account_id: str) -> None:
        """As `Oos.ensure_bucket`."""
        ...

    def owner(self, bucket: str) -> str | None:
        """The account of a bucket; empty if it has none; None if there is no such bucket."""
        ...

    def wait_for_keys(self) -> None:
        """Wait until a service that is starting has the keys of the accounts."""
        ...

    def buckets(self) -> dict[str, str]:
        """The account of each bucket that has one, by the bucket's name."""
        ...

    def set_policy(self, bucket: str, policy: bytes | None) -> None:
        """Set the policy of a bucket; None removes it. A missing bucket is success too."""
        ...


class Oos(Protocol):
    """All methods may be repeated, and called by several threads. All of them raise ObjectsUnavailable (worth another
    try) and ObjectsFailed."""

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def endpoint(self) -> str:
        """The URL under which clients reach the service. Pre-signed URLs begin with it."""
        ...

    def ensure_bucket(self, bucket: str, account_id: str) -> None:
        """Make a bucket for an account, unless the account has it already.

        Raises:
            BadBucketName: no bucket can have this name. BucketAccessRefused: it belongs to another account.
        """
        ...

    def remove_bucket(self, bucket: str, account_id: str, on_progress: Callable[[int], None]) -> None:
        """Delete a bucket of an account with all that it holds, as `ObjectStore.remove_bucket`. A missing bucket is
        success. Where the service knows accounts, so is another account's bucket, which stays.

        Raises:
            BucketAccessRefused: the region's key may not delete it.
        """
        ...

    def sync_keys(self, wanted: Iterable[AccountKey]) -> None:
        """Admit exactly these access keys, each to its account's buckets."""
        ...

    def store(self) -> ObjectStore:
        """The store with the region's own rights: every bucket of the accounts."""
        ...
