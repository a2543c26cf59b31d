"""Access to the buckets of exports."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from souche.db import access_keys, buckets
from souche.db.store import Store
from souche.model.export_tasks import ExportTask
from souche.objects.base import BucketAccessRefused, NoSuchBucket, ObjectStore
from souche.objects.oos import Oos
from souche.refusals import NoObjectStore
from souche.room import ENDLESS, Room
from souche.transfer.turns import Turns
from souche.vault import Vault

PARALLEL_EXPORTS: Final = 1
"""per process: each export uses all cores and about 80 MiB. Others wait, so their number does not affect memory"""

PATIENCE_SECONDS: Final = 600.0
"""how long exports and imports wait for an unavailable object store"""

Foreign: TypeAlias = Callable[[str, str], ObjectStore]
"""Opens the object store of another service, with an access key and its secret."""


@dataclass(frozen=True)
class Buckets:
    """`oos` is the region's own service, if it has one; `foreign` opens buckets with keys that belong to no account of
    the region, if that is supported. `turns` limits concurrent exports, and decides which is next. Each call to an
    unavailable store is retried for `patience_seconds`. `own_room` is the space left on the medium of the region's own
    service, if the region manages it."""

    vault: Vault
    oos: Oos | None = None
    foreign: Foreign | None = None
    turns: Turns = field(default_factory=lambda: Turns(PARALLEL_EXPORTS))
    patience_seconds: float = PATIENCE_SECONDS
    own_room: Room = ENDLESS

    def store_of(self, task: ExportTask) -> ObjectStore:
        """The store that a task writes to.

        Raises:
            NoObjectStore: the region has none. BucketAccessRefused: it has no access to other stores.
        """
        if task.bucket_account_id is not None:
            return self._oos().store()
        if self.foreign is None or task.access_key_id is None or task.sealed_secret_key is None:
            raise BucketAccessRefused(bucket=task.bucket, reason="InvalidAccessKeyId")
        return self.foreign(task.access_key_id, self.vault.unseal(task.sealed_secret_key))

    def ensure_bucket(self, store: Store, task: ExportTask) -> None:
        """Create the bucket of a task if it is missing.

        Raises:
            BadBucketName, BucketAccessRefused, NoObjectStore.
        """
        if task.bucket_account_id is None:
            self._check_secret(store, task)
            self.store_of(task).ensure_bucket(task.bucket)
        else:
            ensure_own(self._oos(), store, task.bucket, task.bucket_account_id)

    def remove_bucket(
        self, store: Store, bucket: str, account_id: str, on_progress: Callable[[int], None]
    ) -> None:
        """Delete an account's recorded bucket with its contents, and its record. A deleted bucket is success. After an
        interruption the call may be repeated. `on_progress`: see `ObjectStore.remove_bucket`.

        Raises:
            NoObjectStore. BucketAccessRefused: the region's key may not delete it.
        """
        with store.read() as connection:
            recorded = buckets.owner(connection, bucket)
        if recorded == account_id:
            self._oos().remove_bucket(bucket, account_id, on_progress)
            with store.begin() as connection:
                if buckets.owner(connection, bucket) == account_id:
                    buckets.forget(connection, bucket)

    def room_of(self, task: ExportTask) -> Room:
        """The free space of the medium that a task writes to, if it is the region's."""
        return ENDLESS if task.bucket_account_id is None else self.own_room

    def _check_secret(self, store: Store, task: ExportTask) -> None:
        """Refuse a key of an account of the region, with S3's message: its secret is wrong, or it was inactive or
        expired when the export was requested. It is not tried elsewhere.

        Raises:
            BucketAccessRefused.
        """
        with store.read() as connection:
            key = access_keys.get(connection, task.access_key_id or "")
        if key is None or task.sealed_secret_key is None:
            return
        given, right = (
            self.vault.unseal(each).encode() for each in (task.sealed_secret_key, key.sealed_secret)
        )
        reason = "InvalidAccessKeyId" if hmac.compare_digest(given, right) else "SignatureDoesNotMatch"
        raise BucketAccessRefused(bucket=task.bucket, reason=reason)

    def _oos(self) -> Oos:
        if self.oos is None:
            raise NoObjectStore
        return self.oos


def ensure_own(oos: Oos, store: Store, bucket: str, account_id: str) -> None:
    """Create an account's bucket if it is missing.

    Raises:
        BadBucketName. BucketAccessRefused: the bucket does not, or must not, belong to the account.
    """
    if not oos.capabilities.knows_accounts:
        _claim(oos.store(), store, bucket, account_id)
    oos.ensure_bucket(bucket, account_id)


def assign(store: Store, bucket: str, account_id: str) -> None:
    """Assign a bucket of a store without accounts to an account. The bucket may already exist.

    Raises:
        BucketAccessRefused: it is another account's.
    """
    with store.begin() as connection:
        owner = buckets.owner(connection, bucket)
        if owner is None:
            buckets.give(connection, bucket, account_id)
        elif owner != account_id:
            raise BucketAccessRefused(bucket=bucket, reason="it belongs to another account")


def _claim(objects: ObjectStore, store: Store, bucket: str, account_id: str) -> None:
    """Assign a new bucket to an account. An existing one may contain anyone's objects, so only the operator assigns
    it."""
    exists = _exists(objects, bucket)
    with store.begin() as connection:
        owner = buckets.owner(connection, bucket)
        if owner is None and not exists:
            buckets.give(connection, bucket, account_id)
        elif owner != account_id:
            raise BucketAccessRefused(bucket=bucket, reason="it is not a bucket of the account")


def _exists(objects: ObjectStore, bucket: str) -> bool:
    try:
        objects.keys(bucket, "")
    except NoSuchBucket:
        return False
    return True
