"""Failed signatures, shared by all processes of the region (`http/attempts.py`)."""

from datetime import datetime
from typing import Final

from souche.db import failed_signatures
from souche.db.store import Store
from souche.db.transactions import ConstraintBroken
from souche.model.failed_signatures import Failures

FAILURES_BYTES: Final = 256


class RecordedAttempts:
    """In the database. Reads are cached until the next commit, so a key without failures costs no query."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, access_key_id: str) -> Failures:
        """The failures of a key."""
        return self._store.cache.get_or_read(
            ("failed signatures", access_key_id), FAILURES_BYTES, lambda: self._read(access_key_id)
        )

    def failed(self, access_key_id: str, now: datetime) -> int:
        """Count a failure of an existing key; a deleted one has none."""
        try:
            with self._store.begin(request=True) as connection:
                failures = failed_signatures.get(connection, access_key_id)
                if seconds := failures.seconds_locked(now):
                    return seconds
                failed_signatures.put(connection, access_key_id, failures.and_another(now))
        except ConstraintBroken:
            pass
        return 0

    def forget(self, access_key_id: str, now: datetime) -> int:
        """Forget a key's failures, unless it is locked."""
        with self._store.begin(request=True) as connection:
            if seconds := failed_signatures.get(connection, access_key_id).seconds_locked(now):
                return seconds
            failed_signatures.forget(connection, access_key_id)
        return 0

    def _read(self, access_key_id: str) -> Failures:
        with self._store.read() as connection:
            return failed_signatures.get(connection, access_key_id)
