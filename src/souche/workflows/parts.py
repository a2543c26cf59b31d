"""What the steps of every workflow work with."""

from collections.abc import Sequence
from dataclasses import dataclass

from souche.clock import Clock
from souche.compute.base import Hypervisor
from souche.db.store import Store
from souche.room import ENDLESS, Room
from souche.signing import SigningKey
from souche.storage.base import LiveDisks, VolumeStore
from souche.transfer.disk_importer import DiskImporter
from souche.trust.engine import Engine, NoEngine
from souche.vault import Vault
from souche.workflows.buckets import Buckets


@dataclass(frozen=True)
class Parts:
    """The region's database and drivers. `live` is the hypervisor's way to the disks of running guests, `room` what
    is left of the region's medium. `engines` look into the disks of images, the fastest first.
    `signing_key` signs exports."""

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
    room: Room = ENDLESS
