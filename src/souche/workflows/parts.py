"""The parts that the steps of every workflow use."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from souche.clock import Clock
from souche.compute.base import Hypervisor
from souche.db.store import Store
from souche.faults import Faults
from souche.model.tally import Tally
from souche.room import ENDLESS, Room
from souche.signing import SigningKey
from souche.storage.base import LiveDisks, VolumeStore
from souche.transfer.disk_importer import DiskImporter
from souche.transfer.turns import Turns
from souche.trust.boot import Booter
from souche.trust.cleaner import Cleaner, NoCleaner
from souche.trust.engine import Engine, NoEngine
from souche.vault import Vault
from souche.workflows.buckets import Buckets


class Records(Protocol):
    """The requirements of work on records alone: `Parts` and a region have them."""

    @property
    def store(self) -> Store: ...
    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True)
class Parts:
    """The region's database and drivers. `live` gives access to the disks of running guests, `room` is the free space
    of the region's medium. `engines` examine the disks of images, the fastest first; the `cleaner` removes an author's
    traces from disks, one image at a time (`cleaning_turns`). `signing_key` signs exports. `booter` boots images; None:
    nothing can. `faults` are the injected faults, if the region has any. `tally` counts operations and bytes."""

    store: Store
    volumes: VolumeStore
    hypervisor: Hypervisor
    live: LiveDisks
    clock: Clock
    vault: Vault
    signing_key: SigningKey
    importer: DiskImporter
    buckets: Buckets
    shutdown_timeout_seconds: float = 120
    engines: Sequence[Engine] = (NoEngine(),)
    cleaner: Cleaner = field(default_factory=NoCleaner)
    cleaning_turns: Turns = field(default_factory=lambda: Turns(1))
    room: Room = ENDLESS
    booter: Booter | None = None
    faults: Faults | None = None
    tally: Tally = field(default_factory=Tally)
