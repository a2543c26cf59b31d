"""The backing chain and the faults of each layer.

A missing or damaged layer breaks only its own chain. The layer below it is read from its record, so nothing is lost if
the layer is restored from a backup.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass

from souche.errors import DiskDamaged, StorageFailed
from souche.formats.qcow2 import read_header
from souche.formats.qcow2_claims import data_end
from souche.storage.qcow2.directory import Directory
from souche.storage.qcow2.records import OTHER_BYTES, identity


@dataclass(frozen=True)
class Link:
    """One layer of a chain: the layer below it, and its fault (None: no fault). `is_lost`: neither its file nor a
    record names the layer below."""

    backing: str | None
    fault: str | None
    is_lost: bool = False


@dataclass(frozen=True)
class Chain:
    """A layer and all known layers below it, the lowest last, with the fault of each. `is_lost`: more layers may
    follow."""

    layers: tuple[str, ...]
    faults: dict[str, str]
    is_lost: bool = False


class Chains:
    """The chains of a store at one moment, under its lock. Reads each header once. `written` are the layers that
    volumes write to, which may have any length."""

    def __init__(self, directory: Directory, written: Collection[str]) -> None:
        self._directory = directory
        self._written = written
        self._links: dict[str, Link] = {}

    def chain(self, layer: str) -> Chain:
        """A layer and everything below it."""
        names: dict[str, None] = {}
        faults: dict[str, str] = {}
        below: str | None = layer
        is_lost = False
        while below is not None and below not in names:
            names[below] = None
            link = self.link(below)
            if link.fault is not None:
                faults[below] = link.fault
            if link.backing in names:
                faults[below] = "is its own backing file"
            is_lost = link.is_lost
            below = link.backing
        return Chain(tuple(names), faults, is_lost)

    def link(self, layer: str) -> Link:
        """One layer."""
        if layer not in self._links:
            self._links[layer] = self._look(layer)
        return self._links[layer]

    def _look(self, layer: str) -> Link:
        record = self._directory.records.get(layer) if layer not in self._written else None
        try:
            status = self._directory.path(layer).stat()
            backing = self._directory.header(layer).backing_file
            is_cut = record is None and layer not in self._written and _is_cut(self._directory, layer)
        except FileNotFoundError:
            return Link(record.backing if record else None, "is missing", is_lost=record is None)
        except (OSError, StorageFailed):
            return Link(record.backing if record else None, "cannot be read", is_lost=record is None)
        if record is None:
            return Link(backing, "ends before its data" if is_cut else None)
        if not record.fits(status.st_size):
            return Link(record.backing, f"has {status.st_size} bytes, not {record.length_bytes}")
        if record.spoiled == identity(status):
            return Link(record.backing, OTHER_BYTES)
        return Link(backing, None)


def _is_cut(directory: Directory, layer: str) -> bool:
    """Whether a layer without a record has tables that name clusters beyond its end. Its last cluster may be
    incomplete: QEMU sometimes leaves it so."""
    with directory.path(layer).open("rb") as image:
        cluster_bytes, length_bytes = read_header(image).cluster_bytes, os.fstat(image.fileno()).st_size
        return data_end(image) > -(-length_bytes // cluster_bytes) * cluster_bytes


def check(directory: Directory, resource_id: str, layer: str, *, written: bool) -> None:
    """Refuse a volume (`written`: it writes to the layer) or snapshot whose chain has a missing, unreadable or replaced
    layer. Call it under the store's lock. It checks each file, but reads no data.

    Raises:
        DiskDamaged.
    """
    chain = Chains(directory, {layer} if written else ()).chain(layer)
    for name, fault in chain.faults.items():
        raise DiskDamaged(resource_id=resource_id, reason=f"its layer {name} {fault}")
