"""What nobody owns any more: guests, volumes and snapshots without a record, VMs long terminated, disk files that
were never taken in.

A record is written before the thing that it describes is made, so what has none is left over for certain.
"""

import shutil
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

import structlog

from souche.db import snapshots, vms, volumes
from souche.reconcile.each import each
from souche.workflows import engine
from souche.workflows.parts import Parts

TERMINATED_LISTED = timedelta(hours=1)
STAGED_KEPT = timedelta(days=1)

log = structlog.get_logger()


def remove(parts: Parts) -> None:
    """Remove everything that has no record. What is there is listed first, the records are read afterwards."""
    inventory = parts.volumes.inventory()
    guests = set(parts.hypervisor.power_states())
    with parts.store.read() as connection:
        orphans = sorted(guests - vms.all_ids(connection))
        orphan_volumes = sorted(inventory.volume_ids - volumes.all_ids(connection))
        orphan_snapshots = sorted(inventory.snapshot_ids - snapshots.all_ids(connection))
    _remove_each("a guest", orphans, parts.hypervisor.remove)
    _remove_each("a volume", orphan_volumes, parts.volumes.delete_volume)
    _remove_each("a snapshot", orphan_snapshots, parts.volumes.delete_snapshot)


def _remove_each(what: str, names: Iterable[str], remove: Callable[[str], None]) -> None:
    def remove_one(name: str) -> None:
        log.warning(f"removing {what} without a record", name=name)
        remove(name)

    each(names, remove_one)


def forget_terminated(parts: Parts) -> None:
    """Terminated VMs are listed for an hour: Terraform reads them to see that they are gone (clients.md)."""
    with parts.store.begin() as connection:
        vms.erase_terminated(connection, parts.clock.now() - TERMINATED_LISTED)


def collect_disks(parts: Parts) -> None:
    """Give back the space of layers that nothing names, and bound the length of chains."""
    parts.volumes.collect()


def remove_staged(parts: Parts, staging: Path) -> None:
    """Disk files on their way in whose maker was killed: those that no operation is about, a day old or more."""
    promised = engine.outstanding(parts)
    named = {operation.arguments.get("path") for operation in promised}
    named |= {str(staging / operation.subject_id) for operation in promised}
    before = (parts.clock.now() - STAGED_KEPT).timestamp()

    def remove_old(path: Path) -> None:
        if str(path) not in named and path.lstat().st_mtime < before:
            log.warning("removing a staged disk that nobody wants", path=str(path))
            _remove_tree(path)

    each(staging.iterdir(), remove_old)


def _remove_tree(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
