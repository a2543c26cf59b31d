"""A small region for workflows to work in, and what can be seen of it from outside.

A running VM with a root volume, which goes with it, and a data volume, which stays; a stopped VM; a volume and a
snapshot that nothing uses; an image. Every volume begins with bytes of its own.
"""

import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from souche import run
from souche.app import images, launches, official_images, snapshots, vm_transitions, volumes
from souche.app.block_devices import BsuRequest, MappingRequest
from souche.app.context.region import Region
from souche.compute.base import PowerState
from souche.compute.simulated import SimulatedHypervisor
from souche.db import operations, schema
from souche.db import region as region_records
from souche.db import vms as vm_records
from souche.ids import IdSource
from souche.model.accounts import Principal
from souche.model.operations import Operation
from souche.model.security_groups import Rule
from souche.model.vms import Vm
from souche.objects.fetch import Fetcher
from souche.signing import SigningKey
from souche.storage.base import VolumeStore
from souche.storage.qcow2.driver import Qcow2Store
from souche.transfer.disk_importer import DiskImporter
from souche.vault import Vault
from souche.workflows import engine
from souche.workflows.buckets import Buckets
from souche.workflows.catalogue import CATALOGUE
from souche.workflows.parts import Parts
from tests.support import databases
from tests.support.bucket import THIS_MACHINE
from tests.support.cleaners import StampingCleaner
from tests.support.folder_oos import FolderOos
from tests.support.inventories import inventory_of
from tests.support.memory_volumes import MemoryStore
from tests.support.region import ManualClock, RecordedWorkflows, make_account
from tests.support.watched_store import WatchedStore

Kind = Literal["memory", "qcow2"]
Row = dict[str, object]

HEAD_BYTES = 4096
# and what is another text or number each time: what is sealed, and versions
MEASURED = {
    schema.images.c.guest_pause_seconds,
    *(table.c.version for table in (schema.images, schema.vms, schema.volumes, schema.snapshots)),
    schema.export_tasks.c.sealed_manifest_url,
    schema.images.c.consistency,
}
LOOKED_AT = [
    (
        table,
        table.select(),
        [each for each in table.c if not isinstance(each.type, schema.UtcDate) and each not in MEASURED],
    )
    for table in schema.metadata.sorted_tables
    if table not in (schema.operations, schema.operation_locks, schema.workers)
]
REGION_ID = "11111111-2222-3333-4444-555555555555"
NETWORK = "10.77.0.0/24"
RECORDS = "region.sqlite"


class Disks(Protocol):
    """A volume store with the guest's side of its disks: their first bytes, written and read."""

    @property
    def store(self) -> VolumeStore: ...
    def write(self, volume_id: str, data: bytes) -> None: ...
    def volume(self, volume_id: str) -> bytes: ...
    def snapshot(self, snapshot_id: str) -> bytes: ...


class MemoryDisks:
    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()

    def write(self, volume_id: str, data: bytes) -> None:
        self.store.write(volume_id, 0, data)

    def volume(self, volume_id: str) -> bytes:
        return _head(self.store._volumes[volume_id].content.read(0, HEAD_BYTES))

    def snapshot(self, snapshot_id: str) -> bytes:
        return _head(self.store._snapshots[snapshot_id].read(0, HEAD_BYTES))

    def copy(self) -> "MemoryDisks":
        """The same disks, with a life of their own; contents never change."""
        store = MemoryStore()
        store._volumes = dict(self.store._volumes)
        store._snapshots = dict(self.store._snapshots)
        return MemoryDisks(store)


class Qcow2Disks:
    def __init__(self, home: Path) -> None:
        self._home = home
        self.store = Qcow2Store(home)

    def write(self, volume_id: str, data: bytes) -> None:
        spare = self._home / "spare"
        spare.write_bytes(data)
        command = f"write -s {spare} 0 {len(data)}"
        run.run(
            ["qemu-io", "-f", "qcow2", "-c", command, self._path("volumes", volume_id)], timeout_seconds=60
        )

    def volume(self, volume_id: str) -> bytes:
        return self._read(self._path("volumes", volume_id))

    def snapshot(self, snapshot_id: str) -> bytes:
        return self._read(self._path("snapshots", snapshot_id))

    def _path(self, folder: str, resource_id: str) -> Path:
        return (self._home / "disks" / folder / resource_id).resolve()

    def _read(self, path: Path) -> bytes:
        spare = self._home / "spare"
        output = ["-O", "raw", f"bs={HEAD_BYTES}", "count=1", f"if={path}", f"of={spare}"]
        run.run(["qemu-img", "dd", "-f", "qcow2", *output], timeout_seconds=60)
        return _head(spare.read_bytes())


def _head(data: bytes) -> bytes:
    return data.rstrip(b"\0")


@dataclass(frozen=True)
class Cast:
    """Its accounts and resources."""

    alice: Principal
    image_id: str
    snapshot_id: str
    volume_id: str
    running: Vm
    stopped: Vm


@dataclass(frozen=True)
class Seen:
    """A region from outside. Rows are by table and key, without dates, measures and operations; disks by their
    first bytes; `open` says of each open volume of a running guest whether that is where the store has it;
    `inbound` is what the firewall of each guest allows, `public_ips` its public IP."""

    rows: dict[str, Row]
    volumes: dict[str, bytes]
    snapshots: dict[str, bytes]
    power: dict[str, PowerState]
    open: dict[str, dict[str, bool]]
    inbound: dict[str, frozenset[Rule] | None]
    public_ips: dict[str, str]
    outstanding: list[Operation]
    staged: list[str]
    objects: dict[str, list[str]]


@dataclass(frozen=True)
class World:
    """A region with disks and guests. Its workflows run only when a test says so."""

    home: Path
    region: Region
    disks: Disks
    hypervisor: SimulatedHypervisor
    parts: Parts
    oos: FolderOos

    def close(self) -> None:
        self.region.store.close()

    def run(self, operation: Operation, journal: engine.Journal | None = None) -> None:
        """Run one workflow to its end."""
        workflow = CATALOGUE[operation.workflow]
        engine.run(workflow, self.parts, operation, journal or engine.Unjournalled())

    def run_all(self) -> None:
        """Run all outstanding operations."""
        for operation in self.outstanding():
            self.run(operation)

    def outstanding(self) -> list[Operation]:
        with self.region.store.read() as connection:
            return operations.outstanding(connection)

    def the_operation(self) -> Operation:
        """The only one."""
        (operation,) = self.outstanding()
        return operation

    def vm(self, vm_id: str) -> Vm:
        with self.region.store.read() as connection:
            vm = vm_records.get(connection, vm_id)
        assert vm is not None
        return vm

    def see(self) -> Seen:
        inventory = inventory_of(self.disks.store)
        power = dict(self.hypervisor.power_states())
        return Seen(
            rows=self._rows(),
            volumes={each: self.disks.volume(each) for each in sorted(inventory.volume_ids)},
            snapshots={each: self.disks.snapshot(each) for each in sorted(inventory.snapshot_ids)},
            power=power,
            open={vm_id: self._open(vm_id) for vm_id in power},
            inbound={vm_id: self.hypervisor.inbound(vm_id) for vm_id in power},
            public_ips=dict(self.hypervisor.inspect().firewalls.public_ips),
            outstanding=self.outstanding(),
            staged=sorted(path.name for path in (self.home / "staging").iterdir()),
            objects=self.oos.seen(),
        )

    def _rows(self) -> dict[str, Row]:
        found: dict[str, Row] = {}
        with self.region.store.read() as connection:
            for table, everything, columns in LOOKED_AT:
                for row in connection.execute(everything):
                    key = " ".join(str(row._mapping[column]) for column in table.primary_key)
                    found[f"{table.name} {key}"] = {column.name: row._mapping[column] for column in columns}
        return found

    def _open(self, vm_id: str) -> dict[str, bool]:
        opened = self.hypervisor.open_disks(vm_id) or {}
        known = inventory_of(self.disks.store).volume_ids
        return {
            each: each in known and self.disks.store.volume_source(each) == source
            for each, source in opened.items()
        }


def changes(before: Seen, after: Seen) -> dict[str, Row | None]:
    """The rows that differ: only the columns that do; None for a row that is gone."""
    found: dict[str, Row | None] = {}
    for key in before.rows.keys() | after.rows.keys():
        old, new = before.rows.get(key), after.rows.get(key)
        if new is None:
            found[key] = None
        elif old != new:
            found[key] = {name: value for name, value in new.items() if (old or {}).get(name, ...) != value}
    return found


def assemble(home: Path, disks: Disks, seed: int) -> World:
    hypervisor = SimulatedHypervisor(home, NETWORK)
    (home / "staging").mkdir(exist_ok=True)
    store = WatchedStore(databases.kind().migrated(home / RECORDS))
    region = Region(
        name="eu-test-1",
        endpoint="http://127.0.0.1:1",
        store=store,
        network=hypervisor.network,
        console=hypervisor.console,
        clock=ManualClock(),
        ids=IdSource(random.Random(seed).getrandbits),
        vault=Vault.open(home / "vault.key"),
        signing_key=SigningKey.open(home / "signing.key", Vault.open(home / "vault.key")),
        fetcher=Fetcher(THIS_MACHINE),
        workflows=RecordedWorkflows(),
        oos_endpoint="http://127.0.0.1:2",
    )
    oos = FolderOos(home / "oos")
    importer = DiskImporter(region.fetcher, home / "staging")
    ways = Buckets(region.vault, oos)
    parts = Parts(
        store,
        disks.store,
        hypervisor,
        hypervisor,
        region.clock,
        region.vault,
        region.signing_key,
        importer,
        ways,
        cleaner=StampingCleaner(),
    )
    return World(home, region, disks, hypervisor, parts, oos)


@dataclass(frozen=True)
class Original:
    """A populated world that is closed, to be copied."""

    home: Path
    disks: Disks
    records: databases.Kept
    cast: Cast

    def copy(self, home: Path) -> World:
        shutil.copytree(self.home, home, symlinks=True)
        self.records(home / RECORDS)
        disks = self.disks.copy() if isinstance(self.disks, MemoryDisks) else Qcow2Disks(home)
        return assemble(home, disks, seed=2)


def original(home: Path, kind: Kind) -> Original:
    """Populate a world."""
    home.mkdir()
    world = assemble(home, MemoryDisks() if kind == "memory" else Qcow2Disks(home), seed=1)
    world.region.store.migrate()
    with world.region.store.begin() as connection:
        region_records.adopt_id(connection, REGION_ID)
    cast = populate(world)
    records = databases.kind().keep(home / RECORDS)
    world.close()
    return Original(home, world.disks, records, cast)


def populate(world: World) -> Cast:
    region = world.region
    alice = make_account(region)
    official_images.provider(region)
    source = volumes.create(region, alice, volumes.Create(region.subregion_name, size_gib=1))
    world.run_all()
    world.disks.write(source.volume_id, b"the system")
    of_source = snapshots.FromVolume(source.volume_id)
    system = snapshots.create_from_volume(region, alice, of_source)
    world.run_all()
    spare = snapshots.create_from_volume(region, alice, of_source)
    world.run_all()
    mapping = MappingRequest("/dev/sda1", BsuRequest(snapshot_id=system.snapshot_id))
    image = images.create_from_snapshots(
        region,
        alice,
        images.FromSnapshots(images.ImageSettings("system"), (mapping,), "/dev/sda1", "x86_64"),
    )
    data = MappingRequest("/dev/xvdb", BsuRequest(volume_size_gib=1, delete_on_vm_deletion=False))
    running, stopped = (
        _launched(world, alice, launches.Launch(image.image_id, mappings=mappings))
        for mappings in ((data,), ())
    )
    vm_transitions.stop(region, alice, [stopped.vm_id], force=True)
    world.run_all()
    return Cast(alice, image.image_id, spare.snapshot_id, source.volume_id, running, world.vm(stopped.vm_id))


def _launched(world: World, who: Principal, launch: launches.Launch) -> Vm:
    (vm,) = launches.launch(world.region, who, launch)
    world.run_all()
    for volume in vm.volumes:
        world.disks.write(volume.volume_id, f"of {volume.volume_id}".encode())
    return world.vm(vm.vm_id)
