"""Snapshots imported from a URL: a disk, inside gzip or not (reference section 3). The name in the URL may state the
format (`formats/disk_names.py`)."""

from dataclasses import dataclass, replace
from typing import Final

from souche.app import block_devices, product_codes, quotas, snapshots
from souche.app.context import texts
from souche.app.context.region import Region
from souche.db import disk_imports
from souche.db import snapshots as records
from souche.formats.disk_names import said_by
from souche.model.accounts import Principal
from souche.model.disk_imports import DiskImport
from souche.model.snapshots import Snapshot
from souche.operations.snapshots import import_snapshot
from souche.room import GIB
from souche.transfer import import_disk
from souche.transfer.import_manifest import path_of, without_query
from souche.value_refusals import UntrustedExport
from souche.words import Term

ANSWER_SECONDS: Final = 20.0
IDLE_SECONDS: Final = 10.0


@dataclass(frozen=True)
class FromUrl:
    """A snapshot of the disk at a URL. The disk has at most `size_bytes` as seen by a guest."""

    location: str
    size_bytes: int
    description: str = ""
    client_token: str | None = None


def create(region: Region, who: Principal, command: FromUrl) -> Snapshot:
    """Request a snapshot; its size is `size_bytes` rounded up to whole GiB. The URL is checked immediately, because a
    snapshot has no field for a later failure. For the token of an earlier call, the answer is that call's snapshot,
    even if the URL has expired.

    Raises:
        UntrustedExport: the region requires a signature by certain keys.
        BadVolumeSize, BadUrl, UrlUnreachable, ValueTooLong, ClientTokenReused, QuotaExceeded, OutOfSpace.
    """
    if region.required_keys:
        raise UntrustedExport(reason="a snapshot at a URL has no signature")
    texts.check_description(command.description)
    texts.check_client_token(command.client_token)
    size_gib = -(-command.size_bytes // GIB)
    block_devices.check_volume(size_gib, "standard", None, device_name="")
    asked = replace(command, location=without_query(command.location))  # a retry may have a new signature
    earlier = snapshots.of_token_now(region, who, asked)
    if earlier:
        return earlier
    told_bytes = _try(region, command)
    with region.begin() as work:
        earlier = snapshots.of_token(work, who, asked)
        if earlier:
            return earlier
        snapshot = replace(
            snapshots.new(region, who, asked),
            volume_size_gib=size_gib,
            description=command.description,
            product_codes=product_codes.DEFAULT,
        )
        region.room.ask(told_bytes)
        quotas.check(work, who, quotas.of_snapshot(snapshot))
        records.insert(work.connection, snapshot)
        disk_imports.insert(work.connection, _disk(region, snapshot, command))
        work.operations.append(import_snapshot(snapshot))
    return snapshot


def _try(region: Region, command: FromUrl) -> int:
    """The length that the server announces; 0: unknown."""
    limits = replace(
        import_disk.limits(command.size_bytes), seconds=ANSWER_SECONDS, idle_seconds=IDLE_SECONDS
    )
    with region.fetcher.open(command.location, Term.FILE_LOCATION, limits) as download:
        return download.total_bytes or 0


def _disk(region: Region, snapshot: Snapshot, command: FromUrl) -> DiskImport:
    said = said_by(path_of(command.location))
    return DiskImport(
        snapshot_id=snapshot.snapshot_id,
        device_name=None,
        sealed_url=region.vault.seal(command.location),
        most_bytes=command.size_bytes,
        disk_format=said.format,
        gzip=said.gzip,
    )
