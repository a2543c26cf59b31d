"""Buckets of accounts in the region's own object store.

The store knows its buckets and their owners; the region's records follow it. Records count for the quota, and keep each
policy as it was sent.
"""

from souche.app import quotas
from souche.app.context.region import Region
from souche.db import accounts, buckets
from souche.formats import bucket_policy
from souche.model.accounts import Principal
from souche.objects.base import BadBucketName, BucketAccessRefused, NoSuchBucket
from souche.objects.names import is_name_for_oos
from souche.objects.oos import AccountOos
from souche.reconcile.bucket_records import set_policy
from souche.refusals import BucketIsYours, BucketTaken, NoBucketPolicy, NotBucketOwner


def create(region: Region, oos: AccountOos, who: Principal, name: str) -> None:
    """Make a bucket with a new name.

    Raises:
        BadBucketName, BucketTaken, BucketIsYours, TooManyBuckets: see their messages.
        BucketAccessRefused: another account was faster.
    """
    if not is_name_for_oos(name):
        raise BadBucketName(bucket=name)
    owner = oos.owner(name)
    if owner is not None:
        raise BucketIsYours(bucket=name) if owner == who.account_id else BucketTaken(bucket=name)
    with region.begin() as work:
        buckets.forget(work.connection, name)  # the record of an earlier bucket
        quotas.check(work, who, quotas.of_bucket())
        buckets.record(work.connection, name, who.account_id)
    try:
        oos.ensure_bucket(name, who.account_id)
    except BucketAccessRefused:  # an export or another process was faster; the sweep records the owner
        forget(region, name)
        raise


def note(region: Region, name: str, account_id: str) -> None:
    """Record a bucket that the operator has made for an account."""
    with region.begin() as work:
        buckets.record(work.connection, name, account_id)


def forget(region: Region, name: str) -> None:
    """Forget a deleted bucket and its policy."""
    with region.begin() as work:
        buckets.forget(work.connection, name)


def put_policy(region: Region, oos: AccountOos, who: Principal, name: str, document: bytes) -> None:
    """Set the policy of a bucket of the caller's. It is recorded before it is in force: after a crash in between the
    sweep sets it (`reconcile/bucket_records.py`).

    Raises:
        NoSuchBucket, NotBucketOwner, MalformedPolicy, PolicyNotObeyed.
    """
    _check_owner(oos, who, name)
    with region.begin() as work:
        obeyed = bucket_policy.obeyed(document, name, lambda each: accounts.id_of(work.connection, each))
        buckets.record(work.connection, name, who.account_id)
        buckets.set_policy(work.connection, name, document.decode(), obeyed.decode())
    set_policy(region.store, oos, name)


def policy(region: Region, oos: AccountOos, who: Principal, name: str) -> str:
    """The policy of a bucket of the caller's, as it was sent.

    Raises:
        NoSuchBucket, NotBucketOwner, NoBucketPolicy.
    """
    _check_owner(oos, who, name)
    with region.store.read() as connection:
        document = buckets.policy(connection, name)
    if document is None:
        raise NoBucketPolicy(bucket=name)
    return document


def delete_policy(region: Region, oos: AccountOos, who: Principal, name: str) -> None:
    """Remove the policy of a bucket of the caller's.

    Raises:
        NoSuchBucket, NotBucketOwner.
    """
    _check_owner(oos, who, name)
    with region.begin() as work:
        buckets.set_policy(work.connection, name, None, None)
    set_policy(region.store, oos, name)


def _check_owner(oos: AccountOos, who: Principal, name: str) -> None:
    owner = oos.owner(name)
    if owner is None:
        raise NoSuchBucket(bucket=name)
    if owner != who.account_id:
        raise NotBucketOwner(bucket=name)
