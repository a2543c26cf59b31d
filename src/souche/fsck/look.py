"""One look at a region: everything that the checks compare, read once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from souche.compute.inspection import ComputeInspector, ComputeState
from souche.db.store import Store
from souche.db.transactions import Transaction
from souche.fsck.findings import Finding
from souche.model.operations import Operation
from souche.objects.base import ObjectStore
from souche.storage.inspection import StoreInspector, StoreState


@dataclass(frozen=True)
class Region:
    """The parts of the region to check. `check_databases` makes the checks that come first (`database.py`,
    `server_database.py`). `database` is the file with the records (None: they are on a server). `store` only reads.
    `belongs_together` raises SystemFailure if the parts of the home are of different regions. `compute` is None if no
    hypervisor can be queried, `objects` None if no object store runs. `buckets` returns the account of each bucket in
    the embedded store, `objects_data` is that store's data folder. `key_fingerprint` is that of the region's signing
    key when it was last served, `was_served` whether it ever was. `not_looked_at` lists the checks that cannot be made,
    with reasons."""

    check_databases: Callable[[], Iterator[Finding]]
    database: Path | None
    journal: Path
    region_id: Path
    staging: Path
    vault_key: Path
    signing_key: Path
    store: Store
    belongs_together: Callable[[], object]
    disks: StoreInspector
    compute: ComputeInspector | None = None
    objects: ObjectStore | None = None
    buckets: Callable[[], Mapping[str, str]] | None = None
    objects_data: Path | None = None
    key_fingerprint: str = ""
    was_served: bool = False
    not_looked_at: Sequence[str] = ()


@dataclass(frozen=True)
class Observation:
    """The observed state. `connection` reads one state of the records. `operations` are the operations under way, and
    `busy` has the ids of their resources."""

    region: Region
    connection: Transaction
    disks: StoreState
    compute: ComputeState | None
    operations: list[Operation]
    busy: frozenset[str]


Check: TypeAlias = Callable[[Observation], Iterator[Finding]]
