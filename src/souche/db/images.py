"""Images, with their mappings, grants and product codes."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import sqlalchemy as sa

from souche.db import grants, tags
from souche.db import query as engine
from souche.db.schema import accounts, image_grants, image_mappings, image_product_codes, images
from souche.model.images import BootMode, Image, ImageMapping, VmAttributes
from souche.model.permissions import Permissions
from souche.model.query import Query
from souche.states import ImageState


def _child(table: sa.Table, column: str, *, common: bool = False) -> engine.Child:
    return engine.Child(table, table.c[column], table.c.image_id, images.c.image_id, common)


FIELDS: engine.Fields = {
    "image_id": images.c.image_id,
    "account_id": images.c.account_id,
    "account_alias": engine.Child(accounts, accounts.c.alias, accounts.c.account_id, images.c.account_id),
    "name": images.c.name,
    "description": images.c.description,
    "architecture": images.c.architecture,
    "boot_modes": engine.Flags({"legacy": images.c.legacy_boot, "uefi": images.c.uefi_boot}),
    "file_location": images.c.file_location,
    "root_device_name": images.c.root_device_name,
    "state": images.c.state,
    "public": images.c.public,
    "tpm_mandatory": images.c.tpm_mandatory,
    "secure_boot": images.c.secure_boot,
    "granted_account_id": _child(image_grants, "account_id"),
    "product_code": _child(image_product_codes, "product_code", common=True),
    "mapping_device_name": _child(image_mappings, "device_name", common=True),
    "mapping_snapshot_id": _child(image_mappings, "snapshot_id"),
    "mapping_volume_size_gib": _child(image_mappings, "volume_size_gib", common=True),
    "mapping_volume_type": _child(image_mappings, "volume_type", common=True),
    "mapping_delete_on_vm_deletion": _child(image_mappings, "delete_on_vm_deletion", common=True),
    **tags.fields(images.c.image_id),
}

_SELECT = sa.select(images, accounts.c.alias.label("account_alias")).join(
    accounts, accounts.c.account_id == images.c.account_id
)
_ORDER = engine.Order(images.c.creation_date, images.c.image_id)


def insert(connection: sa.Connection, image: Image) -> None:
    """Write a new image with all that belongs to it.

    Raises:
        sqlalchemy.exc.IntegrityError: its account has an image of this name.
    """
    connection.execute(images.insert().values(_columns(image)))
    for position, mapping in enumerate(image.mappings):
        connection.execute(
            image_mappings.insert().values(image_id=image.image_id, position=position, **asdict(mapping))
        )
    grants.add(connection, image_grants.c.image_id, image.image_id, image.permissions.account_ids)
    set_product_codes(connection, image.image_id, image.product_codes)


def get(connection: sa.Connection, image_id: str) -> Image | None:
    """The image of this id, whoever owns it."""
    rows = connection.execute(_SELECT.where(images.c.image_id == image_id)).all()
    return next(iter(_images(connection, rows)), None)


def get_usable(connection: sa.Connection, image_id: str, account_id: str) -> Image | None:
    """The image of this id, if the account may launch and copy it."""
    image = get(connection, image_id)
    if image and (image.account_id == account_id or image.permissions.allow(account_id)):
        return image
    return None


def find(connection: sa.Connection, account_id: str, query: Query) -> tuple[list[Image], bool]:
    """What the account may launch and satisfies the query, oldest first; and whether more remain."""
    scopes = grants.scopes(images, images.c.image_id, image_grants.c.image_id, account_id)
    rows, more = engine.find(connection, _SELECT, FIELDS, query, _ORDER, scopes)
    return _images(connection, rows), more


def named(connection: sa.Connection, account_id: str, name: str) -> str | None:
    """The id of the account's image of this name."""
    return connection.scalar(
        sa.select(images.c.image_id).where(images.c.account_id == account_id, images.c.name == name)
    )


def using_snapshot(connection: sa.Connection, snapshot_id: str) -> str | None:
    """The id of an image that has the snapshot in a mapping."""
    return connection.scalar(
        sa.select(image_mappings.c.image_id).where(image_mappings.c.snapshot_id == snapshot_id).limit(1)
    )


def set_state(connection: sa.Connection, image_id: str, state: ImageState) -> None:
    """Record a state. An image that was deleted meanwhile stays deleted."""
    connection.execute(images.update().where(images.c.image_id == image_id).values(state=state))


def set_failed(connection: sa.Connection, image_id: str, reason: str) -> None:
    """The image could not be made: it says why, and lets go of its snapshots."""
    connection.execute(
        images.update()
        .where(images.c.image_id == image_id)
        .values(state=ImageState.FAILED, state_message=reason)
    )
    connection.execute(image_mappings.delete().where(image_mappings.c.image_id == image_id))


def set_guest_pause(connection: sa.Connection, image_id: str, seconds: float) -> None:
    """For how long, at the most, the guest was held while the image was taken."""
    connection.execute(
        images.update().where(images.c.image_id == image_id).values(guest_pause_seconds=seconds)
    )


def set_description(connection: sa.Connection, image_id: str, description: str) -> None:
    """Replace the description."""
    connection.execute(images.update().where(images.c.image_id == image_id).values(description=description))


def set_product_codes(connection: sa.Connection, image_id: str, codes: Sequence[str]) -> None:
    """Replace the product codes."""
    table = image_product_codes
    connection.execute(table.delete().where(table.c.image_id == image_id))
    for code in dict.fromkeys(codes):
        connection.execute(table.insert().values(image_id=image_id, product_code=code))


def set_public(connection: sa.Connection, image_id: str, *, public: bool) -> None:
    """Open the image to everybody, or close it again."""
    connection.execute(images.update().where(images.c.image_id == image_id).values(public=public))


def grant(connection: sa.Connection, image_id: str, account_ids: Collection[str]) -> None:
    """Let accounts launch and copy the image."""
    grants.add(connection, image_grants.c.image_id, image_id, account_ids)


def revoke(connection: sa.Connection, image_id: str, account_ids: Collection[str]) -> None:
    """Take that back."""
    grants.remove(connection, image_grants.c.image_id, image_id, account_ids)


def erase(connection: sa.Connection, image_id: str) -> None:
    """Delete the image with all that belongs to it; its snapshots stay."""
    connection.execute(images.delete().where(images.c.image_id == image_id))
    tags.erase(connection, image_id)


_DERIVED = {"legacy_boot", "uefi_boot", "public", "vm_attributes"}


def _columns(image: Image) -> dict[str, Any]:
    return {column: getattr(image, column) for column in images.c.keys() if column not in _DERIVED} | {
        "legacy_boot": "legacy" in image.boot_modes,
        "uefi_boot": "uefi" in image.boot_modes,
        "public": image.permissions.public,
        "vm_attributes": asdict(image.vm_attributes) if image.vm_attributes else None,
    }


def _images(connection: sa.Connection, rows: Sequence[engine.AnyRow]) -> list[Image]:
    ids = [row.image_id for row in rows]
    if not ids:
        return []
    mappings = _mappings(connection, ids)
    granted = grants.of_resources(connection, image_grants.c.image_id, ids)
    codes = _product_codes(connection, ids)
    return [_image(row, mappings[row.image_id], granted[row.image_id], codes[row.image_id]) for row in rows]


def _mappings(connection: sa.Connection, ids: Collection[str]) -> Mapping[str, tuple[ImageMapping, ...]]:
    table = image_mappings
    found: defaultdict[str, tuple[ImageMapping, ...]] = defaultdict(tuple)
    for row in _children(connection, table, ids, table.c.position):
        found[row.image_id] += (
            ImageMapping(
                device_name=row.device_name,
                snapshot_id=row.snapshot_id,
                volume_size_gib=row.volume_size_gib,
                volume_type=row.volume_type,
                iops=row.iops,
                delete_on_vm_deletion=row.delete_on_vm_deletion,
            ),
        )
    return found


def _children(
    connection: sa.Connection, table: sa.Table, ids: Collection[str], order: sa.Column[Any]
) -> Iterator[engine.AnyRow]:
    for batch in engine.batches(ids):
        yield from connection.execute(
            table.select().where(table.c.image_id.in_(batch)).order_by(table.c.image_id, order)
        )


def _product_codes(connection: sa.Connection, ids: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    table = image_product_codes
    found: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for row in _children(connection, table, ids, table.c.product_code):
        found[row.image_id] += (row.product_code,)
    return found


def _image(
    row: engine.AnyRow, mappings: tuple[ImageMapping, ...], granted: tuple[str, ...], codes: tuple[str, ...]
) -> Image:
    modes = [mode for mode, flag in (("uefi", row.uefi_boot), ("legacy", row.legacy_boot)) if flag]
    return Image(
        image_id=row.image_id,
        account_id=row.account_id,
        name=row.name,
        description=row.description,
        creation_date=row.creation_date,
        state=ImageState(row.state),
        file_location=row.file_location,
        mappings=mappings,
        architecture=row.architecture,
        boot_modes=cast("tuple[BootMode, ...]", tuple(modes)),
        root_device_name=row.root_device_name,
        product_codes=codes,
        permissions=Permissions(granted, row.public),
        tpm_mandatory=row.tpm_mandatory,
        secure_boot=row.secure_boot,
        state_message=row.state_message,
        vm_attributes=VmAttributes(**row.vm_attributes) if row.vm_attributes else None,
        source_vm_id=row.source_vm_id,
        source_image_id=row.source_image_id,
        guest_pause_seconds=row.guest_pause_seconds,
        account_alias=row.account_alias,
    )
