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
            what = f"its account {owner} in the object store does not exist"
            yield Finding("BucketWithoutAccount", name, what, advice="give it to an account, or remove it")
        elif recorded.get(name) != owner:
            what = f"the object store has it for the account {owner}, and it has no record"
            yield Finding("BucketUnrecorded", name, what, Level.LEFTOVER)
    for name in sorted(recorded.keys() - there.keys()):
        what = "it has a record, and the object store has no such bucket"
        yield Finding("BucketRecordLeft", name, what, Level.LEFTOVER)
    for policy in buckets.policies(look.connection, pending_only=True):
        what = "its policy has a record, and may not be in the object store yet"
        yield Finding("PolicyPending", policy.bucket, what, Level.LEFTOVER)
