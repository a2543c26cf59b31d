"""A region's object store behind its door, as clients reach it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from souche.app import access_keys
from souche.app.context.region import Region
from souche.clock import SystemClock
from souche.http import server
from souche.http.s3.desk import Desk
from souche.http.s3.door import Door, opened
from souche.model.accounts import Principal
from souche.objects.oos import AccountKey
from souche.objects.seaweedfs.embedded import PROGRAM, EmbeddedOos
from souche.objects.seaweedfs.server import Settings
from tests.support.region import make_account, make_region


@dataclass(frozen=True)
class Served:
    """`keys` has an access key of each account, by its name."""

    region: Region
    oos: EmbeddedOos
    keys: dict[str, AccountKey]
    endpoint: str

    def account(self, name: str) -> Principal:
        return Principal(self.keys[name].account_id)

    def client(self, name: str | None, endpoint: str = "") -> Any:
        """boto3 as an account; None: as nobody."""
        key = self.keys[name] if name else None
        return boto3.client(
            "s3",
            endpoint_url=endpoint or self.endpoint,
            aws_access_key_id=key and key.access_key_id,
            aws_secret_access_key=key and key.secret_key,
            region_name="us-east-1",
            config=configuration(signed=key is not None),
        )


def configuration(*, signed: bool) -> Config:
    return Config(
        signature_version="s3v4" if signed else UNSIGNED,
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"total_max_attempts": 1},
    )


@contextmanager
def served(home: Path) -> Iterator[Served]:
    """A region of three accounts with its object store."""
    region = make_region(home, clock=SystemClock())
    oos = EmbeddedOos(Settings(home / "oos", PROGRAM), "", region.vault, region.clock)
    keys = {name: _key(region, make_account(region, name)) for name in ("alice", "bob", "carol")}
    listening = server.listen("127.0.0.1", 0)
    oos.start()
    try:
        oos.sync_keys(keys.values())
        desk = Desk(region, oos, lambda key: access_keys.lookup(region, key))
        with opened(Door(listening, oos.address, desk)):
            yield Served(region, oos, keys, f"http://127.0.0.1:{listening.getsockname()[1]}")
    finally:
        oos.stop()
        region.store.close()


def _key(region: Region, who: Principal) -> AccountKey:
    key, secret = access_keys.create(region, who)
    return AccountKey(who.account_id, key.access_key_id, secret)


def refusal(error: ClientError) -> tuple[int, str]:
    """The status and the code of a refusal."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
