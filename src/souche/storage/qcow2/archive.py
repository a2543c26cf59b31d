"""Copies of the whole store at one instant, for backups, and stores restored from them.

Layers are immutable. A hard link keeps a layer while a backup copies it, even if the store collects or merges it during
the copy. The file that a volume writes to is not a layer, so a backup first captures the volumes into snapshots
(`ids.backup_capture`) that exist until `hold`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from souche import ids
from souche.errors import StorageFailed
from souche.storage.qcow2.chains import Chains
from souche.storage.qcow2.directory import Directory, storage_failures
from souche.storage.qcow2.journal import Journal
from souche.storage.qcow2.records import OTHER_BYTES


@dataclass(frozen=True)
class HeldLayer:
    """A layer's file, unchanged while it is held. `backing` is the layer below it; `sha256` is the recorded hash of the
    file (None: not computed yet)."""

    name: str
    path: Path
    backing: str | None
    sha256: str | None


@dataclass(frozen=True)
class FrozenVolume:
    """A volume's bytes: those of `layer` (None: zeros), and zeros up to `size_bytes`."""

    layer: str | None
    size_bytes: int


@dataclass(frozen=True)
class StoreSnapshot:
    """The store at one instant: every layer below a volume or a snapshot, the lowest of a chain first. `damaged` lists
    the volumes and snapshots whose chain is incomplete or unreadable, with the reason. A layer whose bytes differ from
    its hash is included."""

    layers: tuple[HeldLayer, ...]
    volumes: Mapping[str, FrozenVolume]
    snapshots: Mapping[str, str]
    damaged: Mapping[str, str]


class Archive:
    """The backups of the qcow2 store in `<home>/disks`."""

    def __init__(self, home: Path) -> None:
        self._directory = Directory(home / "disks")
        self._journal = Journal(self._directory)

    @contextmanager
    def hold(
        self, backup_id: str, freeze_records: Callable[[], Collection[str]], *, partial: bool = False
    ) -> Iterator[tuple[StoreSnapshot, tuple[str, ...]]]:
        """Freeze the records and hold every layer, under the store's lock, and so at one instant.

        `freeze_records` begins a transaction that reads the records, and returns the ids of the volumes that a guest
        may be writing to. Yields
        the held layers, and the volumes that must be captured first, by `ids.backup_capture`. If there are such
        volumes, nothing is held, unless `partial` is set: then their last captures are held.

        Raises:
            StorageFailed.
        """
        with self._directory.scratch.place() as place:
            with storage_failures("hold the store"), self._journal.settled():
                written = freeze_records()
                missing = self._uncaptured(backup_id, written)
                held = (
                    StoreSnapshot((), {}, {}, {}) if missing and not partial else self._link(place, backup_id)
                )
                if not missing or partial:
                    self._forget_captures(backup_id)
            yield held, missing

    def restore_layer(self, name: str, sha256: str, write: Callable[[Path], None]) -> None:
        """Restore a layer: `write` writes it to the given path, with bytes of this hash. Its record has the hash, so
        that later damage is found. A layer that exists is not written again."""
        with storage_failures(f"restore layer {name}"):
            if not self._directory.path(name).exists():
                self._write_layer(name, write)
            if not self._directory.records.knows(name):
                record = replace(self._directory.measured(name), sha256=sha256)
                self._directory.records.put({name: record})

    def _write_layer(self, name: str, write: Callable[[Path], None]) -> None:
        with self._directory.scratch.place() as place:
            image = place / "layer.qcow2"
            write(image)
            made = self._directory.adopt(image, name.removesuffix(".qcow2"))
            if made != name:
                raise StorageFailed(reason=f"the layer {name} became {made}")

    def restore_names(self, held: StoreSnapshot) -> None:
        """Point every snapshot to its layer, and give every volume an empty overlay on its layer."""
        with storage_failures("restore names"), self._journal.settled():
            for snapshot_id, layer in held.snapshots.items():
                self._directory.snapshots.set(snapshot_id, layer)
            for volume_id, volume in held.volumes.items():
                if self._directory.volumes.get(volume_id) is None:
                    self._directory.volumes.set(volume_id, self._volume_file(volume_id, volume))

    def _volume_file(self, volume_id: str, volume: FrozenVolume) -> str:
        stem = f"{volume_id}.restored"
        if volume.layer is None:
            return self._directory.add_empty(stem, volume.size_bytes)
        return self._directory.add_overlay(stem, volume.layer, volume.size_bytes)

    def _uncaptured(self, backup_id: str, written: Collection[str]) -> tuple[str, ...]:
        """The volumes with data that is not in a layer yet."""
        captured = self._directory.snapshots.all()
        return tuple(
            volume_id
            for volume_id, current in sorted(self._directory.volumes.all().items())
            if ids.backup_capture(backup_id, volume_id) not in captured
            and (volume_id in written or not self._is_unwritten(current))
        )

    def _is_unwritten(self, layer: str) -> bool:
        try:
            return self._directory.is_unwritten(layer)
        except StorageFailed:
            return True  # `damaged` lists it

    def _link(self, place: Path, backup_id: str) -> StoreSnapshot:
        captured = self._directory.snapshots.all()
        snapshots = {
            name: layer for name, layer in captured.items() if not name.startswith(f"{ids.BACKUP_CAPTURE}-")
        }
        chains = Chains(self._directory, self._directory.current_layers())
        layers: dict[str, HeldLayer] = {}
        volumes: dict[str, FrozenVolume] = {}
        damaged: dict[str, str] = {}
        for volume_id, current in self._directory.volumes.all().items():
            try:
                header = self._directory.header(current)
                layer = captured.get(ids.backup_capture(backup_id, volume_id), header.backing_file)
                self._link_chain(place, layer, layers, chains)
                volumes[volume_id] = FrozenVolume(layer, header.virtual_size_bytes)
            except (StorageFailed, OSError) as error:
                damaged[volume_id] = str(error)
        for snapshot_id, layer in list(snapshots.items()):
            try:
                self._link_chain(place, layer, layers, chains)
            except (StorageFailed, OSError) as error:
                damaged[snapshot_id] = str(error)
                del snapshots[snapshot_id]
        return StoreSnapshot(tuple(layers.values()), volumes, snapshots, damaged)

    def _link_chain(self, place: Path, top: str | None, layers: dict[str, HeldLayer], chains: Chains) -> None:
        """Link a layer with its whole backing chain, or nothing of it.

        Raises:
            StorageFailed: a layer is missing, unreadable, or has another length than its record.
        """
        if top is None:
            return
        chain = chains.chain(top)
        for name, fault in chain.faults.items():
            if fault == OTHER_BYTES:
                continue  # the repository may have the original bytes
            raise StorageFailed(reason=f"layer {name} {fault}")
        found = (self._held_layer(place, name, chains) for name in chain.layers if name not in layers)
        for each in reversed(list(found)):
            each.path.hardlink_to(self._directory.path(each.name))
            layers[each.name] = each

    def _held_layer(self, place: Path, name: str, chains: Chains) -> HeldLayer:
        record = self._directory.records.get(name)
        if record is not None:
            record = record.settled(self._directory.path(name).stat().st_size)
        sha256 = record.sha256 if record is not None else None
        return HeldLayer(name, place / name, chains.link(name).backing, sha256)

    def _forget_captures(self, backup_id: str) -> None:
        """Delete this backup's captures. A sweep deletes those of a backup that was killed
        (`reconcile/leftovers.py`)."""
        for snapshot_id in self._directory.snapshots.all():
            if snapshot_id.startswith(ids.backup_capture(backup_id, "")):
                self._directory.snapshots.remove(snapshot_id)
