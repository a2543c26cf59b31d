"""Compares the records of buckets with the embedded object store."""

from collections.abc import Iterator

from souche.db import accounts, buckets
from souche.fsck.findings import Finding, Level
from souche.fsck.look import Observation


def check(look: Observation) -> Iterator[Finding]:
    """Finds nothing if no embedded store can be asked."""
    if look.region.buckets is None:
        return
    there, recorded = look.region.buckets(), buckets.every(look.connection)
    known = {account.account_id for account in accounts.every(look.connection)}
    for name, owner in sorted(there.items()):
        if owner not in known:
            what = f"the object store says that it is a bucket of the account {owner}, which there is not"
            yield Finding("BucketWithoutAccount", name, what, advice="give it to an account, or remove it")
        elif recorded.get(name) != owner:
            what = f"it is a bucket of the account {owner}, and is not on record as such"
            yield Finding("BucketUnrecorded", name, what, Level.LEFTOVER)
    for name in sorted(recorded.keys() - there.keys()):
        what = "it is on record, and the object store has no such bucket"
        yield Finding("BucketRecordLeft", name, what, Level.LEFTOVER)
    for policy in buckets.policies(look.connection, pending_only=True):
        what = "its policy is on record, and the object store may not have it yet"
        yield Finding("PolicyPending", policy.bucket, what, Level.LEFTOVER)
