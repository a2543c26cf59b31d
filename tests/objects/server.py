"""A real SeaweedFS for tests, and free ports."""

import socket
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from souche.clock import SystemClock
from souche.objects.s3 import S3Access, S3Store
from souche.objects.seaweedfs.accounts import AccountKey
from souche.objects.seaweedfs.server import SeaweedFs, Settings

PROGRAM = Path(sysconfig.get_path("scripts")) / "weed"
OPERATOR = ("OPERATORKEY", "operator-secret")
ALICE = AccountKey("000000000001", "ALICEKEY", "alice-secret")
BOB = AccountKey("000000000002", "BOBKEY", "bob-secret")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def seaweedfs(
    home: Path, *, host: str = "127.0.0.1", accounts: Sequence[AccountKey] = (ALICE, BOB)
) -> Iterator[SeaweedFs]:
    """A server with an operator and, usually, two accounts."""
    server = SeaweedFs(Settings(home, PROGRAM, host, free_port()), SystemClock())
    try:
        server.start()
        server.accounts.set_operator(*OPERATOR)
        if accounts:
            server.accounts.sync_keys(accounts)
        yield server
    finally:
        server.stop()


def store(server: SeaweedFs, access_key_id: str, secret_key: str) -> S3Store:
    return S3Store(S3Access(server.endpoint, access_key_id, secret_key))


def store_of(server: SeaweedFs, key: AccountKey) -> S3Store:
    return store(server, key.access_key_id, key.secret_key)
