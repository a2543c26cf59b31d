"""Accounts on the embedded OOS.

An account is an identity with the account's access keys, let into its own buckets by name (`Read:backups`, ...).
S3's CreateBucket takes Admin for that very name, which an account has for its own buckets only; so a bucket is made
here (`souche bucket create`, and every export), and by plain S3 only again after its account has deleted it. One
identity of the region's own may do everything.
"""

import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from souche import run
from souche.errors import ProgramFailed, ProgramTimedOut
from souche.objects.base import (
    BadBucketName,
    BucketAccessRefused,
    NoSuchBucket,
    ObjectsFailed,
    ObjectsUnavailable,
)
from souche.objects.names import is_name_for_oos
from souche.objects.oos import AccountKey as AccountKey
from souche.objects.s3 import S3Access, S3Store
from souche.objects.seaweedfs import argv
from souche.objects.seaweedfs.filer import Filer, FilerFailed, Identity

SHELL_SECONDS: Final = 20.0
MARKER: Final = "souche-marker"
SETTLED_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.01
OPERATOR: Final = "souche"
"""The region's own identity. Account ids are numbers, so no account has this name."""
SHELL: Final = threading.Lock()
"""The shell reads, changes and writes all identities as a whole, so only one shell may run at a time."""


class Accounts:
    """The identities and the buckets of a running server. All methods raise ObjectsUnavailable and ObjectsFailed, and
    may be repeated. Their changes are in force when they return.

    S3 learns of a change shortly after the shell has made it, and in the same order. So each change is followed by a
    visible one: a key without rights under a new name. When S3 knows that key, it knows the change.
    """

    def __init__(
        self, shell: Sequence[str], environment: Mapping[str, str], endpoint: str, filer: Filer
    ) -> None:
        """Reads ask the filer (milliseconds); changes use the shell (0.3 s to start)."""
        self._shell = shell
        self._environment = environment
        self._endpoint = endpoint
        self._filer = filer

    def set_operator(self, access_key_id: str, secret_key: str) -> None:
        """Give the region itself access, by this key only."""
        known = {
            key for each in self.identities() if each.account_id == OPERATOR for key in each.access_key_ids
        }
        former = [argv.remove_key(OPERATOR, key) for key in sorted(known - {access_key_id})]
        made = argv.set_key(OPERATOR, access_key_id, secret_key)
        self._change(made, argv.make_operator(OPERATOR), *former)

    def sync_keys(self, wanted: Iterable[AccountKey]) -> None:
        """Admit exactly these keys and the operator's. For the start, when keys may have been added and removed."""
        wanted = list(wanted)
        kept = {(key.account_id, key.access_key_id) for key in wanted}
        known = {(each.account_id, key) for each in self.identities() for key in each.access_key_ids}
        gone = sorted(key for key in known - kept if key[0] not in (OPERATOR, MARKER))
        self._change(*(argv.remove_key(*key) for key in gone), *(_set(key) for key in wanted))

    def set_key(self, key: AccountKey) -> None:
        """Admit an access key."""
        self._change(_set(key))

    def remove_key(self, account_id: str, access_key_id: str) -> None:
        """Remove an access key; gone already is success."""
        self._change(argv.remove_key(account_id, access_key_id))

    def ensure_bucket(self, bucket: str, account_id: str) -> None:
        """Make a bucket and give its account access; done already is success. Ends rights on a former bucket of this
        name.

        Raises:
            BadBucketName: no bucket can have this name. BucketAccessRefused: it belongs to another account.
        """
        if not is_name_for_oos(bucket):
            raise BadBucketName(bucket=bucket)
        with _filer_errors():
            identities, owner = self._filer.identities(), self._filer.owner(bucket)
        if owner not in (None, account_id):
            raise BucketAccessRefused(bucket=bucket, reason="it belongs to another account")
        reaching = {each.account_id: each for each in identities if _reaches(each, bucket)}
        if owner and set(reaching) == {account_id} and _owns(reaching[account_id], bucket):
            return
        revoked = [argv.revoke_bucket(bucket, other) for other in reaching if other != account_id]
        made = [] if owner else [argv.create_bucket(bucket, account_id)]
        self._change(*revoked, *made, argv.grant_bucket(bucket, account_id))

    def identities(self) -> list[Identity]:
        """All identities of the server."""
        with _filer_errors():
            return self._filer.identities()

    def owner(self, bucket: str) -> str | None:
        """The account of a bucket; empty if it has none; None if there is no such bucket."""
        with _filer_errors():
            return self._filer.owner(bucket)

    def buckets(self) -> dict[str, str]:
        """The account of each bucket, by name."""
        with _filer_errors():
            owners = self._filer.owners()
        return {name: owner for name, owner in sorted(owners.items()) if owner.isdecimal()}

    def _change(self, *commands: str) -> None:
        """Run commands, and wait until S3 applies them."""
        mark = AccountKey(MARKER, f"MARK{secrets.token_hex(8)}", secrets.token_hex(20))
        made = argv.remove_key(
            MARKER, "none"
        )  # creates the identity if it is missing: deleting a missing one is an error
        self._tell(*commands, made, argv.forget(MARKER), _set(mark))
        known = S3Store(S3Access(self._endpoint, mark.access_key_id, mark.secret_key))
        deadline = time.monotonic() + SETTLED_SECONDS
        while not _knows(known):
            if time.monotonic() > deadline:
                raise ObjectsUnavailable(
                    endpoint=self._endpoint, reason="it does not receive changed access keys"
                )
            time.sleep(POLL_SECONDS)

    def _tell(self, *commands: str) -> str:
        """Run commands in SeaweedFS's shell. They hold secrets, so on failure only the shell's complaints are
        reported."""
        script = "".join(f"{command}\n" for command in commands)
        try:
            with SHELL:
                said = run.run(
                    self._shell,
                    timeout_seconds=SHELL_SECONDS,
                    stdin=script.encode(),
                    extra_environment=self._environment,
                )
        except ProgramTimedOut as error:
            raise ObjectsUnavailable(endpoint="the embedded server", reason=str(error)) from error
        except ProgramFailed as error:
            raise ObjectsFailed(reason=str(error)) from error
        return said.decode()


@contextmanager
def _filer_errors() -> Iterator[None]:
    try:
        yield
    except FilerFailed as error:
        raise ObjectsUnavailable(endpoint="the embedded server", reason=str(error)) from error


def _reaches(identity: Identity, bucket: str) -> bool:
    """Whether an identity has any right on the bucket."""
    return any(grant.endswith(f":{bucket}") for grant in identity.grants)


def _owns(identity: Identity, bucket: str) -> bool:
    """Whether an identity has all rights of an owner."""
    return identity.grants >= {f"{action}:{bucket}" for action in argv.ACTIONS}


def _set(key: AccountKey) -> str:
    return argv.set_key(key.account_id, key.access_key_id, key.secret_key)


def _knows(store: S3Store) -> bool:
    """Whether S3 knows a key that has no rights."""
    try:
        store.keys("souche-marker", "")
    except BucketAccessRefused as error:
        return error.fields["reason"] != "InvalidAccessKeyId"
    except NoSuchBucket:
        return True
    return True
