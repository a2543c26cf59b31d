"""The command lines of SeaweedFS and the commands of its shell. Pure functions.

`weed server` is used rather than `weed mini`: only `weed server` can listen on another address for S3 than for
everything else, and it fails if a port is taken instead of choosing another. Telemetry, which calls the vendor's server
by default, is off. There is one master, which need not wait the default 10 seconds for its election at a restart.

Every user of the machine can reach loopback. So master and filer answer by gRPC only, which requires the region's
certificate. The volume server, which transfers bytes by HTTP only, requires a token from the master or the filer
(`tls`).
"""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from souche.errors import Invalid
from souche.room import MIB

LOOPBACK: Final = "127.0.0.1"
VOLUME_MIB: Final = 1024
"""size of one of SeaweedFS's volume files; it creates new ones as they fill"""
VOLUMES: Final = 100_000
"""Most volume files. Each bucket has its own, and by default a new bucket takes seven. SeaweedFS's default is one for
each free GiB of the medium: a dozen buckets would block all writes."""
GROWTH: Final = {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
"""number of volume files of a new bucket (`weed scaffold -config=master`)"""
LOGGING: Final = "-logtostderr"
"""Otherwise it also writes the same lines to files in /tmp, up to 1,800 MiB each."""
OPTIONS: Final = (
    "-disableHttp",
    "-filer",
    "-filer.disableHttp",
    "-s3",
    "-s3.allowDeleteBucketNotEmpty=false",
    "-s3.autoCreateBucket=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-master.telemetry=false",
    f"-volume.max={VOLUMES}",
    "-master.electionTimeout=1s",
    "-volume.preStopSeconds=1",
    f"-master.volumeSizeLimitMB={VOLUME_MIB}",
)
ACTIONS: Final = ("Admin", "Read", "Write", "List", "Tagging")
"""an account's rights on its own bucket. Admin: bucket policies, and CreateBucket for that name."""
SAFE: Final = re.compile(r"[A-Za-z0-9_+/=.-]+")
"""the characters of a word in SeaweedFS's shell, which has no quoting"""


class UnsafeWord(Invalid):
    """The {what} has characters that cannot be passed to SeaweedFS."""


@dataclass(frozen=True)
class Ports:
    """The ports of SeaweedFS's services, all on loopback."""

    master: int
    master_grpc: int
    volume: int
    volume_grpc: int
    filer: int
    filer_grpc: int
    s3_grpc: int
    s3: int

    @classmethod
    def of(cls, numbers: list[int]) -> "Ports":
        """From as many numbers as there are services."""
        return cls(*numbers)

    def all(self) -> list[int]:
        """The numbers."""
        return list(asdict(self).values())


def server(
    program: Path, data: Path, ports: Ports, s3_host: str, s3_port: int, min_free_bytes: int = 0
) -> list[str]:
    """The server. The kernel kills it when the thread that started it ends, with KILL, so that its ports are free
    immediately."""
    return [
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *(str(program), LOGGING, "server", f"-dir={data}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}"),
        *(f"-s3.ip.bind={s3_host}", f"-s3.port={s3_port}", f"-s3.port.grpc={ports.s3_grpc}"),
        *(f"-master.port={ports.master}", f"-master.port.grpc={ports.master_grpc}"),
        *(f"-volume.port={ports.volume}", f"-volume.port.grpc={ports.volume_grpc}"),
        *(f"-filer.port={ports.filer}", f"-filer.port.grpc={ports.filer_grpc}"),
        *OPTIONS,
        f"-volume.minFreeSpace={max(min_free_bytes // MIB, 1)}MiB",
    ]


def shell(program: Path, ports: Ports) -> list[str]:
    """The administrator's shell. Commands are sent to its standard input, so that no secret is in an argv. It waits for
    its server forever: the kernel ends it when Souche is killed."""
    return [
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *(str(program), LOGGING, "shell"),
        f"-master={LOOPBACK}:{ports.master}.{ports.master_grpc}",
        f"-filer={LOOPBACK}:{ports.filer}.{ports.filer_grpc}",
    ]


def set_key(account_id: str, access_key_id: str, secret_key: str) -> str:
    """Admit a key. The first key of an account also makes its identity."""
    _check(account=account_id, access_key=access_key_id, secret_key=secret_key)
    return f"s3.configure -user {account_id} -access_key {access_key_id} -secret_key {secret_key} -apply"


def remove_key(account_id: str, access_key_id: str) -> str:
    """Remove a key."""
    _check(account=account_id, access_key=access_key_id)
    return f"s3.configure -user {account_id} -access_key {access_key_id} -delete -apply"


def create_bucket(bucket: str, account_id: str) -> str:
    """Make a bucket for an account."""
    _check(bucket=bucket, account=account_id)
    return f"s3.bucket.create -name {bucket} -owner {account_id}"


def grant_bucket(bucket: str, account_id: str) -> str:
    """Give an account access to one more bucket."""
    _check(bucket=bucket, account=account_id)
    return f"s3.configure -user {account_id} -actions {','.join(ACTIONS)} -buckets {bucket} -apply"


def revoke_bucket(bucket: str, account_id: str) -> str:
    """End an account's access to a bucket."""
    return grant_bucket(bucket, account_id).replace(" -apply", " -delete -apply")


def forget(account_id: str) -> str:
    """Remove an identity with all its keys."""
    _check(account=account_id)
    return f"s3.configure -user {account_id} -delete -apply"


def make_operator(account_id: str) -> str:
    """Give an identity all rights."""
    _check(account=account_id)
    return f"s3.configure -user {account_id} -actions Admin -apply"


def _check(**words: str) -> None:
    for what, word in words.items():
        if SAFE.fullmatch(word) is None:
            raise UnsafeWord(what=what.replace("_", " "))
