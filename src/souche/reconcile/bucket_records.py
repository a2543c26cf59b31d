"""Keeps bucket records and the embedded object store in step: the store has the buckets and their owners; the records
have the policies."""

import threading
from collections.abc import Iterable
from typing import Final

from souche.db import accounts, buckets
from souche.db.buckets import PendingPolicy
from souche.db.store import Store
from souche.objects.oos import AccountOos
from souche.reconcile.each import each

SETTING: Final = threading.Lock()
"""Serializes the setting of policies. Each policy is read from the records under the lock, so of two concurrent changes
the recorded one wins."""


def set_policy(store: Store, oos: AccountOos, bucket: str) -> None:
    """Give a bucket the policy on record."""
    with SETTING:
        with store.read() as connection:
            obeyed = buckets.obeyed_policy(connection, bucket)
        oos.set_policy(bucket, None if obeyed is None else obeyed.encode())
        with store.begin() as connection:
            buckets.policy_applied(connection, bucket, obeyed)


class BucketRecords:
    """The first round sets every policy again: after a restored backup the store may be an empty one."""

    def __init__(self, store: Store, oos: AccountOos) -> None:
        self._store = store
        self._oos = oos
        self._all_set = False

    def settle(self) -> None:
        """Record new buckets, forget deleted ones, and set pending policies."""
        with self._store.read() as connection:
            recorded = buckets.every(connection)
            known = {account.account_id for account in accounts.every(connection)}
        there = {name: owner for name, owner in self._oos.buckets().items() if owner in known}
        self._note(there.items() - recorded.items())
        self._forget(recorded.keys() - there.keys())
        with self._store.read() as connection:
            waiting = buckets.policies(connection, pending_only=self._all_set)
        done = each(waiting, self._set, lambda policy: policy.bucket)
        self._all_set = self._all_set or len(done) == len(waiting)

    def _note(self, found: Iterable[tuple[str, str]]) -> None:
        for name, account_id in sorted(found):
            with self._store.begin() as connection:
                buckets.record(connection, name, account_id)

    def _forget(self, names: Iterable[str]) -> None:
        """A bucket made since the store was asked still exists."""
        for name in sorted(names):
            if self._oos.owner(name) is None:
                with self._store.begin() as connection:
                    buckets.forget(connection, name)

    def _set(self, policy: PendingPolicy) -> None:
        set_policy(self._store, self._oos, policy.bucket)
