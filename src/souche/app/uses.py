"""The dependants of images and snapshots (docs/aliases.md). Of other accounts' dependants the caller learns only the
number."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from souche.app.context.region import Region
from souche.db import images, snapshots, uses
from souche.model.accounts import Principal
from souche.model.permissions import Permissions
from souche.model.uses import Users, Uses
from souche.refusals import NoSuchImage, NoSuchSnapshot


def of_images(region: Region, who: Principal, image_ids: Sequence[str]) -> list[Uses]:
    """The dependants of images. For another account's image the caller sees only its own dependants. Images that the
    caller may not use are left out."""
    with region.store.read() as connection:
        every = [images.get_usable(connection, each, who.account_id) for each in dict.fromkeys(image_ids)]
        return [
            _seen(
                who,
                each.image_id,
                each.account_id,
                each.permissions,
                uses.of_image(connection, each, who.account_id),
            )
            for each in every
            if each
        ]


def of_snapshots(region: Region, who: Principal, snapshot_ids: Sequence[str]) -> list[Uses]:
    """As `of_images`."""
    with region.store.read() as connection:
        every = [
            snapshots.get_usable(connection, each, who.account_id) for each in dict.fromkeys(snapshot_ids)
        ]
        return [
            _seen(
                who,
                each.snapshot_id,
                each.account_id,
                each.permissions,
                uses.of_snapshot(connection, each.snapshot_id, who.account_id),
            )
            for each in every
            if each
        ]


def of_image_as_owner(region: Region, image_id: str) -> Uses:
    """The dependants as the image's owner sees them, for the operator.

    Raises:
        NoSuchImage.
    """
    with region.store.read() as connection:
        image = images.get(connection, image_id)
    if image is None:
        raise NoSuchImage(image_id=image_id)
    return of_images(region, Principal(image.account_id), [image_id])[0]


def of_snapshot_as_owner(region: Region, snapshot_id: str) -> Uses:
    """The dependants as the snapshot's owner sees them, for the operator.

    Raises:
        NoSuchSnapshot.
    """
    with region.store.read() as connection:
        snapshot = snapshots.get(connection, snapshot_id)
    if snapshot is None:
        raise NoSuchSnapshot(snapshot_id=snapshot_id)
    return of_snapshots(region, Principal(snapshot.account_id), [snapshot_id])[0]


def _seen(
    who: Principal, resource_id: str, owner_id: str, permissions: Permissions, users: Mapping[str, Users]
) -> Uses:
    if owner_id == who.account_id:
        return Uses(resource_id, users, permissions.public, len(permissions.account_ids))
    own = {kind: replace(each, others=None) for kind, each in users.items()}
    return Uses(resource_id, own, public=None, shared_with=None)
