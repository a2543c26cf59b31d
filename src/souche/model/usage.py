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
    """`own_bytes`: what would be free on the medium if all disks of the account were gone. `shared_bytes`: what its
    disks have in common with those of other accounts, or in the trash; it counts for each of them."""

    account_id: str
    account: str
    counts: Counts
    own_bytes: int
    shared_bytes: int
