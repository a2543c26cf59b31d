"""Inspects the directory of a qcow2 store without changing it (`directory` describes the layout).

Links and headers are read without the store's lock, which is held only to compare lengths. Concurrent work may look
like a contradiction for a moment, so the caller looks twice.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from souche.formats.qcow2 import IncompatibleFeature, Qcow2Header, read_header
from souche.model.disks import DiskSource, FileSource
from souche.storage.inspection import StoreFault, StoreState
from souche.storage.qcow2.directory import Directory, lost_folders
from souche.storage.qcow2.hashes import UNREADABLE
from souche.storage.qcow2.journal import FROZEN, PREPARED, Journal, Move
from souche.storage.qcow2.locks import try_lock
from souche.storage.qcow2.records import OTHER_BYTES, Records
from souche.storage.qcow2.verify import verify

TARGET: Final = "../layers/"
VERIFIED: Final = ("layers", "captures", "volumes", "snapshots", "records")
"""the folders without which nothing can be compared"""
NOT_KNOWN: Final = "a change of its layer cannot be detected"


class Qcow2Inspector:
    """A `StoreInspector` of the directory `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def inspect(self) -> StoreState:
        volumes, snapshots = self._links("volumes"), self._links("snapshots")
        captures = _captures(self._root / "captures")
        layers = _Layers(self._root / "layers")
        roots = {**volumes.layers, **snapshots.layers}
        chains = {resource_id: layers.chain(layer) for resource_id, layer in sorted(roots.items())}
        faults = [
            *volumes.faults,
            *snapshots.faults,
            *captures.faults,
            *(fault for each, chain in chains.items() for fault in _chain_faults(each, chain)),
            *_sharing(volumes.layers, snapshots.layers, chains),
            *self._records(volumes.layers, snapshots.layers, chains),
            *_lost(self._root),
            *_unnamed(layers, [*chains.values(), *map(layers.chain, self._trashed())], captures.moves),
            *self._scratch(),
        ]
        known = {fault.resource_id for fault in faults if not fault.leftover}
        faults += [fault for fault in self._verified(deep=False) if fault.resource_id not in known]
        sizes = {
            resource_id: chain.headers[0].virtual_size_bytes
            for resource_id, chain in chains.items()
            if chain.headers
        }
        return StoreState(
            volume_bytes={each: sizes[each] for each in volumes.layers if each in sizes},
            snapshot_bytes={each: sizes[each] for each in snapshots.layers if each in sizes},
            volume_ids=frozenset(volumes.layers),
            snapshot_ids=frozenset(snapshots.layers),
            sources={each: self._sources(chains[each]) for each in volumes.layers},
            faults=faults,
        )

    def _records(
        self, volumes: Mapping[str, str], snapshots: Mapping[str, str], chains: "Mapping[str, _Chain]"
    ) -> Iterator[StoreFault]:
        """Damaged and missing records, reported for the first id with the layer in its chain."""
        records = Records(self._root / "records")
        frozen = {name for each in snapshots for name in chains[each].known}
        # A guest may write to the file below a volume's own: see `journal`.
        frozen |= {name for each in volumes for name in chains[each].known[2:]}
        owners = {
            name: resource_id
            for resource_id in sorted(chains, reverse=True)
            for name in chains[resource_id].names
        }
        for name, resource_id in sorted(owners.items()):
            if records.is_damaged(name):
                yield StoreFault("RecordDamaged", resource_id, f"records/{name} cannot be read: {NOT_KNOWN}")
            elif name in frozen and not records.knows(name):
                yield StoreFault("RecordMissing", resource_id, f"records/{name} is missing: {NOT_KNOWN}")

    def compare(self) -> list[StoreFault]:
        return [
            fault for fault in self._verified(deep=True) if fault.text.endswith((OTHER_BYTES, UNREADABLE))
        ]

    def _verified(self, *, deep: bool) -> Iterator[StoreFault]:
        """The findings of `verify`, by resource."""
        if any(not (self._root / name).is_dir() for name in VERIFIED):
            return
        directory = Directory(self._root, making=False)
        for fault in verify(directory, Journal(directory), deep=deep):
            for resource_id in fault.resource_ids:
                yield StoreFault("LayerDamaged", resource_id, fault.problem)

    def _sources(self, chain: "_Chain") -> list[DiskSource]:
        """The volume's current file and the one right below. After a capture that was interrupted before the switch, a
        running guest still writes to the latter (see `journal`)."""
        return [FileSource(self._root / "layers" / name, "qcow2") for name in chain.names[:2]]

    def _links(self, name: str) -> "_Links":
        found = _Links()
        for path in _entries(self._root / name):
            if path.name.startswith("."):
                what = f"{name}/{path.name} is incomplete: the process that made it ended"
                found.faults.append(StoreFault("LinkLeft", path.name.removeprefix("."), what, leftover=True))
                continue
            target = _target(path)
            if target is None:
                continue  # removed meanwhile
            if target.startswith(TARGET) and "/" not in target.removeprefix(TARGET):
                found.layers[path.name] = target.removeprefix(TARGET)
            else:
                what = f"{name}/{path.name} is not a link to a layer"
                found.faults.append(StoreFault("LinkDamaged", path.name, what))
        return found

    def _trashed(self) -> list[str]:
        """The layers of the disks in the trash."""
        links = (path for kind in ("volumes", "snapshots") for path in _entries(self._root / "trash" / kind))
        return [Path(target).name for link in links if (target := _target(link))]

    def _scratch(self) -> Iterator[StoreFault]:
        for path in _entries(self._root / "work"):
            if _is_abandoned(path):
                what = f"work/{path.name} is left by an interrupted operation"
                yield StoreFault("ScratchLeft", path.name, what, leftover=True)


@dataclass
class _Links:
    """The layers that ids name, and the faults of the links."""

    layers: dict[str, str] = field(default_factory=dict)
    faults: list[StoreFault] = field(default_factory=list)


@dataclass
class _Captures:
    """The moves of all captures in the journal, and the journal's faults."""

    moves: list[Move] = field(default_factory=list)
    faults: list[StoreFault] = field(default_factory=list)


@dataclass(frozen=True)
class _Chain:
    """A layer and the readable layers below it, as names and headers from the top. If the chain is broken: the reason,
    and the layer."""

    names: tuple[str, ...]
    headers: tuple[Qcow2Header, ...]
    broken: tuple[str, str] | None = None

    @property
    def known(self) -> tuple[str, ...]:
        """The names of the readable layers."""
        return self.names[: len(self.headers)]


def _lost(root: Path) -> Iterator[StoreFault]:
    for name in lost_folders(root):
        what = f"the folder disks/{name} is missing, with all its files"
        yield StoreFault("FolderMissing", f"disks/{name}", what)


class _Layers:
    """Headers, read once each."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, Qcow2Header | tuple[str, str]] = {}

    def names(self) -> list[str]:
        return [path.name for path in _entries(self._root)]

    def chain(self, top: str) -> _Chain:
        names: list[str] = []
        headers: list[Qcow2Header] = []
        name: str | None = top
        while name is not None:
            if name in names:
                return _Chain(
                    tuple(names), tuple(headers), ("LayerDamaged", f"layer {name} is its own backing file")
                )
            names.append(name)
            found = self._look(name)
            if isinstance(found, tuple):
                return _Chain(tuple(names), tuple(headers), found)
            headers.append(found)
            name = found.backing_file
        return _Chain(tuple(names), tuple(headers))

    def _look(self, name: str) -> Qcow2Header | tuple[str, str]:
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def _read(self, name: str) -> Qcow2Header | tuple[str, str]:
        """The header, or a fault code and a reason."""
        path = self._root / name
        try:
            with path.open("rb") as image:
                header = read_header(image)
                length = os.fstat(image.fileno()).st_size
        except FileNotFoundError:
            return "LayerMissing", f"layer {name} is missing"
        except (OSError, ValueError) as error:
            return "LayerDamaged", f"layer {name}: {error}"
        wrong = _wrong(header, length)
        return ("LayerDamaged", f"layer {name} {wrong}") if wrong else header


def _wrong(header: Qcow2Header, length: int) -> str | None:
    """The reason why this store cannot have made the layer; None: it can."""
    if header.backing_file is not None and ("/" in header.backing_file or header.backing_format != "qcow2"):
        return "has a backing file outside the store"
    if header.incompatible_features & ~IncompatibleFeature.COMPRESSION_TYPE:
        return f"has the feature bits {int(header.incompatible_features):#x}, which no layer has"
    if header.l1_offset + 8 * header.l1_entries > length:
        return f"is cut short: its tables go beyond its {length} bytes"
    return None


def _chain_faults(resource_id: str, chain: _Chain) -> Iterator[StoreFault]:
    if chain.broken is not None:
        yield StoreFault(chain.broken[0], resource_id, chain.broken[1])


def _sharing(
    volumes: Mapping[str, str], snapshots: Mapping[str, str], chains: Mapping[str, _Chain]
) -> Iterator[StoreFault]:
    """Volumes that share their current layer: no other id may name it or have it in its chain."""
    written = {layer: volume_id for volume_id, layer in sorted(volumes.items())}
    for resource_id, chain in chains.items():
        for name in chain.names:
            writer = written.get(name)
            if writer is not None and writer != resource_id:
                what = f"{writer} writes to its backing layer {name}"
                yield StoreFault("LayerShared", resource_id, what)


def _unnamed(layers: _Layers, chains: Sequence[_Chain], moves: list[Move]) -> Iterator[StoreFault]:
    named = {name for chain in chains for name in chain.names}
    for move in moves:
        named |= {move.current, move.layer, *layers.chain(move.overlay).names}
    for name in layers.names():
        if name not in named:
            yield StoreFault("LayerUnnamed", name, f"nothing uses the layer {name}", leftover=True)


def _captures(root: Path) -> _Captures:
    found = _Captures()
    for path in _entries(root):
        if path.suffix not in (PREPARED, FROZEN):
            if _is_abandoned(path):
                what = f"captures/{path.name} is incomplete: the process that wrote it ended"
                found.faults.append(StoreFault("CaptureLeft", path.name, what, leftover=True))
            continue
        try:
            moves = [Move(**fields) for fields in json.loads(path.read_bytes())]
        except FileNotFoundError:
            continue  # finished meanwhile
        except (OSError, ValueError, TypeError) as error:
            found.faults.append(StoreFault("CaptureDamaged", path.stem, f"captures/{path.name}: {error}"))
            continue
        found.moves += moves
        if _is_abandoned(path):
            what = f"captures/{path.name} was interrupted: the next use of the store completes or reverts it"
            found.faults.append(StoreFault("CaptureLeft", path.stem, what, leftover=True))
    return found


def _entries(root: Path) -> list[Path]:
    try:
        return sorted(root.iterdir())
    except FileNotFoundError:
        return []


def _target(link: Path) -> str | None:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return None
    except OSError:
        return ""


def _is_abandoned(path: Path) -> bool:
    """Whether the process that made this, and held its lock, has ended."""
    descriptor = try_lock(path)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True
