"""Snapshots: made from a volume or by copy; shared, found and deleted (reference section 3)."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from souche import ids
from souche.app import going_volumes, quotas
from souche.app.block_devices import check_completed
from souche.app.context import client_tokens, lookup, texts
from souche.app.context.client_tokens import Command
from souche.app.context.open_pages import OpenPage
from souche.app.context.region import Region, Work
from souche.app.permissions import PermissionsChange, check_account_ids
from souche.db import disk_imports, export_tasks, images, snapshots, tags, volumes
from souche.db.transactions import Transaction
from souche.model.accounts import Principal
from souche.model.query import Condition, Query
from souche.model.snapshots import Snapshot
from souche.model.tags import Tag
from souche.operations.snapshots import copy_snapshot, create_snapshot, delete_snapshot
from souche.refusals import OtherRegion, SnapshotInUse, WrongSnapshotState, WrongVolumeState
from souche.states import SnapshotState, VolumeState
from souche.words import Phrase

COPY_WAIT_SECONDS = 2.0
SETTLED = (SnapshotState.COMPLETED, SnapshotState.ERROR)


@dataclass(frozen=True)
class FromVolume:
    """A snapshot of a volume, attached or not."""

    volume_id: str
    description: str = ""
    client_token: str | None = None


@dataclass(frozen=True)
class Copy:
    """A copy of a snapshot that the caller may use. Without a description it takes the source's."""

    source_snapshot_id: str
    source_region_name: str
    description: str | None = None
    client_token: str | None = None


def create_from_volume(region: Region, who: Principal, command: FromVolume) -> Snapshot:
    """Request a snapshot. With the token of an earlier call, that call's snapshot is the answer.

    Raises:
        NoSuchVolume, WrongVolumeState, ValueTooLong, ClientTokenReused, QuotaExceeded, OutOfSpace.
    """
    _check_texts(command)
    with region.begin() as work:
        earlier = of_token(work, who, command)
        if earlier:
            return earlier
        volume = lookup.own_volume(work.connection, who, command.volume_id)
        if volume.state not in (VolumeState.AVAILABLE, VolumeState.IN_USE):
            raise WrongVolumeState(
                volume_id=volume.volume_id, state=volume.state, reason="it must be available or in-use"
            )
        going_volumes.check_stays(work.connection, volume)
        snapshot = replace(
            new(region, who, command),
            volume_id=volume.volume_id,
            volume_size_gib=volume.captured_size_gib,
            description=command.description,
            product_codes=volume.product_codes,
        )
        region.room.ask()
        quotas.check(work, who, quotas.of_snapshot(snapshot))
        snapshots.insert(work.connection, snapshot)
        work.operations.append(create_snapshot(snapshot, volume.volume_id))
    return snapshot


def copy(region: Region, who: Principal, command: Copy) -> Snapshot:
    """Copy a snapshot within the region. Copying takes constant time, so the answer waits for it a little.

    Raises:
        OtherRegion, NoSuchSnapshot, WrongSnapshotState, ValueTooLong, ClientTokenReused, QuotaExceeded.
    """
    _check_texts(command)
    if command.source_region_name != region.name:
        raise OtherRegion(region_name=command.source_region_name, own_region_name=region.name)
    with region.begin() as work:
        earlier = of_token(work, who, command)
        if earlier:
            return earlier
        source = lookup.usable_snapshot(work.connection, who, command.source_snapshot_id)
        check_completed(source)
        snapshot = replace(
            new(region, who, command),
            volume_size_gib=source.volume_size_gib,
            description=source.description if command.description is None else command.description,
            product_codes=source.product_codes,
            source_snapshot_id=source.snapshot_id,
        )
        quotas.check(work, who, quotas.of_snapshot(snapshot))
        snapshots.insert(work.connection, snapshot)
        operation = copy_snapshot(snapshot, source.snapshot_id)
        work.operations.append(operation)
    if not region.dry_run:
        region.workflows.wait(operation.operation_id, COPY_WAIT_SECONDS)
    with region.store.read() as connection:
        return snapshots.get(connection, snapshot.snapshot_id) or snapshot


def share(region: Region, who: Principal, snapshot_id: str, change: PermissionsChange) -> Snapshot:
    """Change which accounts may make volumes, images and copies of the caller's snapshot.

    Raises:
        NoSuchSnapshot, MalformedAccountId, BadValue.
    """
    check_account_ids(change.account_ids)
    with region.begin() as work:
        snapshot = lookup.own_snapshot(work.connection, who, snapshot_id)
        if change.removal:
            snapshots.revoke(work.connection, snapshot_id, change.account_ids)
        else:
            snapshots.grant(work.connection, snapshot_id, change.account_ids)
        if change.everybody:
            snapshots.set_public(work.connection, snapshot_id, public=not change.removal)
        return snapshots.get(work.connection, snapshot_id) or snapshot


def delete(region: Region, who: Principal, snapshot_id: str) -> None:
    """Request the deletion of an unused snapshot. Volumes made from it are independent. A snapshot that is being
    imported is `deleting` until its import has ended, which erases it.

    Raises:
        NoSuchSnapshot: unknown, or another account's.
        SnapshotInUse: an image uses it.
        WrongSnapshotState: it is being made, or a copy or a volume of it is.
    """
    with region.begin() as work:
        snapshot = lookup.own_snapshot(work.connection, who, snapshot_id)
        image_id = images.using_snapshot(work.connection, snapshot_id)
        if image_id is not None:
            shown = lookup.shown_image_id(work.connection, who, image_id)
            raise SnapshotInUse(snapshot_id=snapshot_id, image_id=shown)
        if snapshot.image_id is None and disk_imports.cancel(work.connection, snapshot_id):
            return
        _check_deletable(work, snapshot)
        snapshots.set_state(
            work.connection,
            [snapshot_id],
            SnapshotState.DELETING,
            progress_percent=snapshot.progress_percent,
        )
        work.operations.append(delete_snapshot(snapshot))


def _check_deletable(work: Work, snapshot: Snapshot) -> None:
    if snapshot.state not in SETTLED:
        raise WrongSnapshotState(
            snapshot_id=snapshot.snapshot_id, state=snapshot.state, reason="wait until it is completed"
        )
    volume_id = volumes.creating_from_snapshot(work.connection, snapshot.snapshot_id)
    if volume_id is not None or snapshots.is_being_copied(work.connection, snapshot.snapshot_id):
        raise WrongSnapshotState(
            snapshot_id=snapshot.snapshot_id,
            state=snapshot.state,
            reason="a volume or a copy is being made from it",
        ).while_passing(*filter(None, [volume_id]))
    if export_tasks.reads(work.connection, snapshot.snapshot_id):
        raise WrongSnapshotState(
            snapshot_id=snapshot.snapshot_id,
            state=snapshot.state,
            reason=Phrase("it is being exported: wait until that ends, or cancel it ({word[cancel_export]})"),
        )


@contextmanager
def open_page(
    region: Region, who: Principal, query: Query, time_limit: float | None = None
) -> Iterator[OpenPage[Snapshot]]:
    """A page of the snapshots that the caller may use, as `image_pages.open_page`."""
    with region.store.read(time_limit) as connection:
        rows, more = snapshots.find_page(connection, who.account_id, query)
        yield OpenPage(rows, more, partial(_snapshots, connection))


def _snapshots(
    connection: Transaction, snapshot_ids: Collection[str]
) -> dict[str, tuple[Snapshot, Sequence[Tag]]]:
    tagged = tags.of_resources(connection, snapshot_ids)
    return {
        snapshot.snapshot_id: (snapshot, tagged.get(snapshot.snapshot_id, ()))
        for snapshot in snapshots.read(connection, snapshot_ids)
    }


def problems(region: Region, who: Principal, snapshot_ids: Sequence[str] | None) -> list[Snapshot]:
    """The caller's own snapshots that failed; those with these ids, or all (None)."""
    conditions = [Condition("account_id", [who.account_id]), Condition("state", [SnapshotState.ERROR])]
    if snapshot_ids is not None:
        conditions.append(Condition("snapshot_id", snapshot_ids))
    with region.store.read() as connection:
        found, _ = snapshots.find(connection, who.account_id, Query(tuple(conditions)))
    return found


def _check_texts(command: FromVolume | Copy) -> None:
    texts.check_description(command.description)
    texts.check_client_token(command.client_token)


def of_token(work: Work, who: Principal, command: Command) -> Snapshot | None:
    """The snapshot of the call that came with the token. The token of a snapshot that is being deleted is free.

    Raises:
        ClientTokenReused: the call was another one.
    """
    earlier = _with_token(work.connection, who, command)
    if earlier is not None and earlier.state == SnapshotState.DELETING:
        snapshots.release_client_token(work.connection, earlier.snapshot_id)
    return _same(earlier, command)


def of_token_now(region: Region, who: Principal, command: Command) -> Snapshot | None:
    """Like `of_token`, in a separate read transaction."""
    with region.store.read() as connection:
        return _same(_with_token(connection, who, command), command)


def _with_token(connection: Transaction, who: Principal, command: Command) -> Snapshot | None:
    if command.client_token is None:
        return None
    return snapshots.with_client_token(connection, who.account_id, command.client_token)


def _same(earlier: Snapshot | None, command: Command) -> Snapshot | None:
    if earlier is None or earlier.state == SnapshotState.DELETING:
        return None
    client_tokens.check(command.client_token, earlier.request_digest, client_tokens.digest(command))
    return earlier


def new(region: Region, who: Principal, command: Command | None) -> Snapshot:
    """A new snapshot as every way of making one begins. None: without a request that a token could identify."""
    return Snapshot(
        snapshot_id=region.ids.new(ids.SNAPSHOT),
        account_id=who.account_id,
        volume_id=None,
        volume_size_gib=0,
        state=SnapshotState.IN_QUEUE,
        progress_percent=0,
        description="",
        creation_date=region.clock.now(),
        client_token=command.client_token if command else None,
        request_digest=client_tokens.digest(command) if command else None,
    )
