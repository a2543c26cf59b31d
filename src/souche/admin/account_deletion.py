"""The deletion of an account, with everything that it has."""

import time
from collections.abc import Callable
from typing import Final

from souche.admin.accounts import AccountFacts, facts
from souche.admin.action import Administered, action
from souche.app import account_deletion, accounts, buckets
from souche.errors import Conflict, UserError
from souche.model.account_contents import Kind
from souche.model.accounts import Account
from souche.objects.base import BucketAccessRefused, ObjectsFailed

POLL_SECONDS: Final = 0.25
PATIENT_SECONDS: Final = 300.0
"""without any progress"""


class NeedsServer(Conflict):
    """Only the region's server can delete an account's resources, and none runs: start it (`souche serve`)."""


class Stuck(Conflict):
    """These still exist after {seconds:g} s without progress: {kind} ({ids})."""


class BucketStays(Conflict):
    """The bucket {bucket} cannot be deleted: {reason}. The account {account} stays, disabled: let the region's key
    delete the bucket, or delete it with another key. Then run the command again."""


@action
def delete(at: Administered, account: str, *, with_everything: bool) -> AccountFacts:
    """Delete an account: an empty one, or one with its contents. After an interruption, another call continues. Returns
    the account as it was before."""
    found = accounts.known(at.region, account)
    before = facts(found)
    if at.is_served():
        _note_buckets(at, found)
    if with_everything and account_deletion.contents(at.region, found):
        if not at.is_served():
            raise NeedsServer
        account_deletion.begin(at.region, found)
        for kind in Kind:
            if kind is not Kind.BUCKETS:
                _delete_all(at, found, kind)
        _delete_buckets(at, found)
    account_deletion.finish(at.region, found)
    return before


def _delete_all(at: Administered, account: Account, kind: Kind) -> None:
    """Delete all resources of a kind, and wait until they are gone. Refusals are retried, because work on a resource
    may be under way."""
    since, before, most = time.monotonic(), None, 0
    while left := account_deletion.contents(at.region, account).get(kind):
        most = max(most, len(left))
        at.listener.step(f"deleting {kind.value}: {len(left)} left", 1 - len(left) / most)
        at.listener.check()
        refused = _request(at, account, kind, left)
        if left != before:
            since, before = time.monotonic(), left
        elif time.monotonic() - since > PATIENT_SECONDS:
            raise refused or Stuck(seconds=PATIENT_SECONDS, kind=kind.value, ids=", ".join(left[:10]))
        time.sleep(POLL_SECONDS)


def _request(at: Administered, account: Account, kind: Kind, left: list[str]) -> UserError | None:
    """Request the deletion of each; the last refusal."""
    refused = None
    for resource_id in left:
        try:
            account_deletion.delete_one(at.region, account, kind, resource_id)
        except UserError as error:
            refused = error
    return refused


def _note_buckets(at: Administered, account: Account) -> None:
    """Record the buckets that exports have made for an account: the records follow the object store with a delay."""
    recorded = account_deletion.contents(at.region, account).get(Kind.BUCKETS, [])
    for name, owner in at.buckets().items():
        if owner == account.account_id and name not in recorded:
            buckets.note(at.region, name, owner)


def _delete_buckets(at: Administered, account: Account) -> None:
    """Delete an account's buckets with all that they hold, after the exports into them have ended.

    Raises:
        BucketStays.
    """
    _note_buckets(at, account)
    names = account_deletion.contents(at.region, account).get(Kind.BUCKETS, [])
    for number, name in enumerate(names):
        step = _step(at, f"deleting buckets: {len(names) - number} left", number / len(names))
        step(0)
        try:
            at.remove_bucket(name, account.account_id, step)
        except (BucketAccessRefused, ObjectsFailed) as error:
            reason = str(error).removesuffix(".")
            raise BucketStays(bucket=name, account=account.name, reason=reason) from error


def _step(at: Administered, what: str, done: float) -> Callable[[int], None]:
    def step(deleted_objects: int) -> None:
        at.listener.step(f"{what} ({deleted_objects} objects deleted)" if deleted_objects else what, done)
        at.listener.check()

    return step
