"""Any sequence of operations against a model in plain bytes (design 3.1 and 3.2).

Every volume and snapshot has the bytes of the model, by their SHA-256, after all captures, clones, copies, growth,
deletions, merges and collections around it, with and without a running guest."""

from datetime import UTC, datetime
from hashlib import sha256

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
)

from souche.errors import StorageFailed, Unavailable
from souche.model.disks import DiskSource
from souche.storage.base import Capture
from tests.storage.bench import Bench, Guest, LostGuest, StubbornGuest, SwitchedAndLostGuest, read_snapshot
from tests.support.inventories import inventory_of

CLUSTER = 65536
CLUSTERS = 6
VM = "i-00000001"


def digest(data: bytes | bytearray) -> str:
    return sha256(data).hexdigest()


class StoreMachine(RuleBasedStateMachine):
    """Subclasses make a bench. At most one guest runs, on some of the volumes."""

    volumes: Bundle[str] = Bundle("volumes")
    snapshots: Bundle[str] = Bundle("snapshots")

    def __init__(self) -> None:
        super().__init__()
        self.bench = self.make_bench()
        self.store = self.bench.store
        self.written: dict[str, bytearray] = {}
        self.frozen: dict[str, bytes] = {}
        self.open: dict[str, DiskSource] | None = None
        self.count = 0

    def make_bench(self) -> Bench:
        raise NotImplementedError

    @rule(target=volumes, clusters=st.integers(1, CLUSTERS))
    def create_volume(self, clusters: int) -> str:
        volume_id = self.new("vol")
        self.store.create_volume(volume_id, clusters * CLUSTER)
        self.written[volume_id] = bytearray(clusters * CLUSTER)
        return volume_id

    @rule(target=volumes, snapshot_id=snapshots, more=st.integers(0, 2))
    def clone_volume(self, snapshot_id: str, more: int) -> str:
        volume_id = self.new("vol")
        if snapshot_id not in self.frozen:
            return volume_id
        data = bytearray(self.frozen[snapshot_id]) + bytes(more * CLUSTER)
        self.store.clone_volume(volume_id, snapshot_id, len(data))
        self.written[volume_id] = data
        return volume_id

    @rule(
        volume_id=volumes,
        at=st.floats(0, 1),
        length=st.sampled_from([1, 512, 4096, 70000]),
        byte=st.integers(0, 255),
    )
    def write(self, volume_id: str, at: float, length: int, byte: int) -> None:
        if volume_id not in self.written:
            return
        held = self.written[volume_id]
        offset = int(at * (len(held) - 1))
        data = bytes([byte]) * min(length, len(held) - offset)
        self.bench.write(volume_id, self.source(volume_id), offset, data)
        held[offset : offset + len(data)] = data

    @rule(volume_id=volumes, more=st.integers(1, 2))
    def grow_volume(self, volume_id: str, more: int) -> None:
        if volume_id in self.written and volume_id not in (self.open or {}):
            self.written[volume_id] += bytes(more * CLUSTER)
            self.store.grow_volume(volume_id, len(self.written[volume_id]))

    @rule(target=snapshots, some=st.lists(volumes, min_size=1, max_size=3, unique=True))
    def capture(self, some: list[str]) -> MultipleResults[str]:
        captures = [Capture(volume_id, self.new("snap")) for volume_id in some if volume_id in self.written]
        guest = Guest(self.open)
        self.store.capture(captures, vm_id=VM, live=guest)
        self.open = guest.open
        for each in captures:
            self.frozen[each.snapshot_id] = bytes(self.written[each.volume_id])
        return multiple(*(each.snapshot_id for each in captures))

    @rule(
        some=st.lists(volumes, min_size=1, max_size=3, unique=True),
        kind=st.sampled_from([LostGuest, StubbornGuest, SwitchedAndLostGuest]),
    )
    @precondition(lambda self: self.open)
    def fail_to_capture(self, some: list[str], kind: type[Guest]) -> None:
        captures = [
            Capture(volume_id, self.new("snap")) for volume_id in some if volume_id in (self.open or {})
        ]
        guest = kind(self.open)
        try:
            self.store.capture(captures, vm_id=VM, live=guest)
        except (StorageFailed, Unavailable):
            self.open = guest.open
        else:
            assert captures == []

    @rule(some=st.lists(volumes, min_size=1, max_size=3, unique=True))
    @precondition(lambda self: self.open is None)
    def start_guest(self, some: list[str]) -> None:
        self.open = {each: self.store.volume_source(each) for each in some if each in self.written}

    @rule()
    @precondition(lambda self: self.open is not None)
    def stop_guest(self) -> None:
        self.open = None

    @rule(target=snapshots, snapshot_id=snapshots)
    def copy_snapshot(self, snapshot_id: str) -> str:
        copy_id = self.new("snap")
        if snapshot_id in self.frozen:
            self.store.copy_snapshot(copy_id, snapshot_id)
            self.frozen[copy_id] = self.frozen[snapshot_id]
        return copy_id

    @rule(volume_id=volumes)
    def delete_volume(self, volume_id: str) -> None:
        if volume_id not in (self.open or {}):
            self.store.delete_volume(volume_id)
            self.written.pop(volume_id, None)

    @rule(snapshot_id=snapshots)
    def delete_snapshot(self, snapshot_id: str) -> None:
        self.store.delete_snapshot(snapshot_id)
        self.frozen.pop(snapshot_id, None)

    @rule(volume_id=volumes)
    def discard_and_restore_volume(self, volume_id: str) -> None:
        if volume_id in self.written and volume_id not in (self.open or {}):
            self.store.discard("volume", volume_id, datetime.now(UTC))
            self.store.collect()
            self.store.restore("volume", volume_id)

    @rule(snapshot_id=snapshots)
    def discard_and_restore_snapshot(self, snapshot_id: str) -> None:
        if snapshot_id in self.frozen:
            self.store.discard("snapshot", snapshot_id, datetime.now(UTC))
            self.store.collect()
            self.store.restore("snapshot", snapshot_id)

    @rule(removing=st.booleans())
    def collect(self, *, removing: bool) -> None:
        assert self.store.collect(removing=removing) >= 0

    @invariant()
    def everything_is_named(self) -> None:
        inventory = inventory_of(self.store)
        assert inventory.volume_ids == self.written.keys()
        assert inventory.snapshot_ids == self.frozen.keys()

    def teardown(self) -> None:
        for snapshot_id, data in self.frozen.items():
            assert digest(read_snapshot(self.store, snapshot_id)) == digest(data)
        for volume_id, held in self.written.items():
            assert digest(self.bench.read(volume_id, self.store.volume_source(volume_id))) == digest(held)

    def source(self, volume_id: str) -> DiskSource:
        return (self.open or {}).get(volume_id) or self.store.volume_source(volume_id)

    def new(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}-{self.count:08x}"
