"""The usage of an account, for the operator."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """The records of an account. `vms`: those that are not terminated. `exports`: those that wait, run or are
    completed; `export_bytes`: the disk data that they have read."""

    vms: int = 0
    volumes: int = 0
    volume_gib: int = 0
    snapshots: int = 0
    images: int = 0
    exports: int = 0
    export_bytes: int = 0


@dataclass(frozen=True)
class Usage:
    """`own_bytes`: the space that would be free if all disks of the account were deleted. `shared_bytes`: the space
    that its disks share with those of other accounts, or with the trash; it counts for each account."""

    account_id: str
    account: str
    counts: Counts
    own_bytes: int
    shared_bytes: int
