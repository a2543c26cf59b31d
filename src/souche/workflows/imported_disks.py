"""The common part of imports of images and snapshots: disks from URLs into the volume store, one after the other."""

import shutil
import time
from functools import partial
from pathlib import Path
from typing import Final

from souche.db import disk_imports, snapshots
from souche.db.transactions import Transaction
from souche.errors import SoucheError, UserError
from souche.model.disk_imports import DiskImport
from souche.model.disks import FileSource
from souche.model.operations import Operation
from souche.model.snapshots import Snapshot
from souche.objects.patient import Patience
from souche.objects.urls import parse_url
from souche.room import GIB
from souche.states import SnapshotState
from souche.transfer.gate import AdmittedDisk
from souche.transfer.import_disk import DownloadBroken, Progress, import_disk
from souche.value_refusals import BadUrl
from souche.workflows.parts import Parts

TOLD_SECONDS: Final = 1.0
DOWNLOADED_PERCENT: Final = 90
"""The download's share of the progress. The import into the volume store is the rest."""


class DiskRefused(UserError):
    """{disk} cannot be imported: {reason}"""


class ImportCancelled(SoucheError):
    """The import of {snapshot_id} was cancelled: its snapshot, or its image, is deleted."""


def take_in(parts: Parts, operation: Operation) -> None:
    """Import every disk that is missing."""
    for disk in _wanted(parts, operation):
        if parts.volumes.absent("snapshot", [disk.snapshot_id]):
            account_id = _wanted_snapshot(parts, disk.snapshot_id).account_id
            with parts.importer.turns.turn(
                account_id, ask=partial(_wanted_snapshot, parts, disk.snapshot_id)
            ):
                _take_in(parts, operation, disk)


def forget(parts: Parts, operation: Operation) -> None:
    """Remove the disks from the volume store, and their files."""
    remove_files(parts, operation)
    for disk in _wanted(parts, operation):
        parts.volumes.delete_snapshot(disk.snapshot_id)


def remove_files(parts: Parts, operation: Operation) -> None:
    """Remove the downloaded files."""
    shutil.rmtree(parts.importer.folder(operation.subject_id), ignore_errors=True)


def _wanted(parts: Parts, operation: Operation) -> list[DiskImport]:
    with parts.store.read() as connection:
        return disk_imports.of_subject(connection, operation.subject_id)


def _wanted_snapshot(parts: Parts, snapshot_id: str) -> Snapshot:
    with parts.store.read() as connection:
        return check_wanted(connection, snapshot_id)


def check_wanted(connection: Transaction, snapshot_id: str) -> Snapshot:
    """The snapshot that is being made, unless it was deleted.

    Raises:
        ImportCancelled.
    """
    snapshot = snapshots.get(connection, snapshot_id)
    if snapshot is None or snapshot.state == SnapshotState.DELETING:
        raise ImportCancelled(snapshot_id=snapshot_id)
    return snapshot


def _take_in(parts: Parts, operation: Operation, disk: DiskImport) -> None:
    file = parts.importer.file(operation.subject_id, disk.snapshot_id)
    _set_progress(parts, disk, 0, None)
    url = parts.vault.unseal(disk.sealed_url)
    if is_own(parts, url):
        patience = Patience(
            parts.buckets.patience_seconds, lambda _reason: _wanted_snapshot(parts, disk.snapshot_id)
        )
        admitted = patience.wait_for(lambda: _download(parts, disk, url, file))
    else:
        admitted = _download(parts, disk, url, file)
    try:
        _wanted_snapshot(parts, disk.snapshot_id)
        image = FileSource(admitted.path, admitted.format)
        parts.volumes.import_snapshot(disk.snapshot_id, image, _size_bytes(disk))
    finally:
        file.unlink(missing_ok=True)


def is_own(parts: Parts, url: str) -> bool:
    """Whether a URL leads to the region's own object store, which will return if it is unavailable."""
    oos = parts.buckets.oos
    if oos is None:
        return False
    try:
        there, own = parse_url(url, "url"), parse_url(oos.endpoint, "url")
    except BadUrl:
        return False
    return (there.host, there.port) == (own.host, own.port)


def _download(parts: Parts, disk: DiskImport, url: str, file: Path) -> AdmittedDisk:
    try:
        return import_disk(
            parts.importer.fetcher,
            url,
            disk,
            file,
            _teller(parts, disk),
            partial(_wanted_snapshot, parts, disk.snapshot_id),
            parts.importer.room,
        )
    except UserError as error:
        raise DiskRefused(disk=_shown(disk), reason=error) from error
    except DownloadBroken as error:
        raise DownloadBroken(what=_shown(disk), reason=error.fields["reason"]) from error


def _shown(disk: DiskImport) -> str:
    return f"The disk {disk.device_name}" if disk.device_name else "The disk"


def _size_bytes(disk: DiskImport) -> int:
    """The snapshot's size: whole GiB."""
    return -(-disk.most_bytes // GIB) * GIB


def _teller(parts: Parts, disk: DiskImport) -> Progress:
    """Records the progress of a download at most once a second, and its end once. Decompression continues long after
    that, because zeros take almost no space in an archive."""
    next_time = time.monotonic() + TOLD_SECONDS
    told_bytes = counted_bytes = 0

    def on_progress(received_bytes: int, total_bytes: int | None) -> None:
        nonlocal next_time, told_bytes, counted_bytes
        parts.tally.imported(max(received_bytes - counted_bytes, 0))
        counted_bytes = received_bytes
        ended = received_bytes == total_bytes != told_bytes
        if time.monotonic() >= next_time or ended:
            _set_progress(parts, disk, received_bytes, total_bytes)
            next_time, told_bytes = time.monotonic() + TOLD_SECONDS, received_bytes

    return on_progress


def _set_progress(parts: Parts, disk: DiskImport, received_bytes: int, total_bytes: int | None) -> None:
    percent = DOWNLOADED_PERCENT * received_bytes // total_bytes if total_bytes else 0
    with parts.store.begin() as connection:
        check_wanted(connection, disk.snapshot_id)
        disk_imports.set_received(connection, disk.snapshot_id, received_bytes, total_bytes)
        snapshots.set_state(
            connection, [disk.snapshot_id], SnapshotState.PENDING, progress_percent=min(percent, 99)
        )
