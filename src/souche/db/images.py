"""Images, with their mappings, grants and product codes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from souche.db import grants, image_reports, json_sql, tags
from souche.db import query as engine
from souche.db.engines.elements import JsonObject, JsonOf, Unindexed
from souche.db.finder import Finder
from souche.db.owners import SharedFinder
from souche.db.schema import accounts, image_grants, image_mappings, image_product_codes, images
from souche.db.store import Reader
from souche.model.images import Consistency, Image, ImageMapping, VmAttributes
from souche.model.query import Condition, PageRow, Query
from souche.model.tags import Tag
from souche.states import ImageState


def _child(table: sa.Table, column: str, *, common: bool = False) -> engine.Child:
    return engine.Child(table, table.c[column], table.c.image_id, images.c.image_id, common)


FIELDS: engine.Fields = {
    "image_id": images.c.image_id,
    "account_id": images.c.account_id,
    "name": images.c.name,
    "description": images.c.description,
    "architecture": images.c.architecture,
    "boot_modes": engine.BooleanColumns({"legacy": images.c.legacy_boot, "uefi": images.c.uefi_boot}),
    "file_location": images.c.file_location,
    "root_device_name": images.c.root_device_name,
    "state": images.c.state,
    # Without an index: every caller sees nearly all public images, so a scan in page order soon fills a page.
    "public": Unindexed(images.c.public),
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

_BOOT_MODES = sa.case(
    (sa.and_(images.c.uefi_boot, images.c.legacy_boot), sa.literal_column("""'["legacy", "uefi"]'""")),
    (images.c.uefi_boot, sa.literal_column("""'["uefi"]'""")),
    (images.c.legacy_boot, sa.literal_column("""'["legacy"]'""")),
    else_=sa.literal_column("'[]'"),
)


def _of_image(table: sa.Table, order: str) -> engine.AnySelect:
    return sa.select(table).where(table.c.image_id == images.c.image_id).order_by(table.c[order])


def _mapping(columns: engine.AnyColumns) -> JsonObject:
    return JsonObject(**{field.name: columns[field.name] for field in fields(ImageMapping)})


_DERIVED = {"legacy_boot", "uefi_boot", "public", "vm_attributes", "lineage", "consistency", "version"}
_PLAIN = [column for column in images.c if column.name not in _DERIVED]

# An image as JSON, with its rows in other tables: one statement reads a page, and one decoder builds the images.
_IMAGE = JsonObject(
    **{column.name: column for column in _PLAIN},
    account_alias=accounts.c.alias,
    boot_modes=JsonOf(_BOOT_MODES),
    mappings=json_sql.json_rows(images, _of_image(image_mappings, "position"), _mapping),
    permissions=JsonObject(
        public=images.c.public,
        account_ids=json_sql.json_rows(
            images, _of_image(image_grants, "account_id"), lambda columns: columns.account_id
        ),
    ),
    product_codes=json_sql.json_rows(
        images, _of_image(image_product_codes, "product_code"), lambda columns: columns.product_code
    ),
    vm_attributes=JsonOf(images.c.vm_attributes),
    lineage=JsonOf(images.c.lineage),
    consistency=JsonOf(images.c.consistency),
)
_DECODER = msgspec.json.Decoder(Image, strict=False)  # SQLite's booleans are numbers

_SELECT = sa.select(sa.cast(_IMAGE, sa.Text).label("image")).join(
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
    grant(connection, image.image_id, image.permissions.account_ids)
    set_product_codes(connection, image.image_id, image.product_codes)
    if image.state == ImageState.AVAILABLE:
        image_reports.request(connection, image.image_id)


def get(connection: sa.Connection, image_id: str) -> Image | None:
    """The image of this id, of any account."""
    text = connection.scalar(_SELECT.where(images.c.image_id == image_id))
    return None if text is None else _DECODER.decode(text)


def get_usable(connection: sa.Connection, image_id: str, account_id: str) -> Image | None:
    """The image of this id, if the account may launch and copy it."""
    usable = grants.usable(images, images.c.image_id, image_grants.c.image_id, account_id)
    text = connection.scalar(_SELECT.where(images.c.image_id == image_id, usable))
    return None if text is None else _DECODER.decode(text)


def usable_ids(connection: sa.Connection, account_id: str, ids: Sequence[str]) -> set[str]:
    """Those of the images that the account may launch and copy."""
    usable = grants.usable(images, images.c.image_id, image_grants.c.image_id, account_id)
    found: set[str] = set()
    for batch in engine.batches(ids):
        found |= set(
            connection.scalars(sa.select(images.c.image_id).where(images.c.image_id.in_(batch), usable))
        )
    return found


_GRANTED = image_grants.alias("granted")  # filters on grants use the table itself
_ALONG_GRANTS = engine.Order(_GRANTED.c.creation_date, _GRANTED.c.image_id)


def _scopes(*of_others: engine.Criterion) -> list[engine.Scope]:
    """The images that an account may launch: its own, and those of others that meet all given conditions."""
    own, public, _ = grants.scopes(images, images.c.image_id, image_grants.c.image_id, engine.CALLER)
    granted = engine.GrantScope(
        _ALONG_GRANTS, _GRANTED.c.account_id == engine.CALLER, sa.and_(sa.true(), *of_others)
    )
    return [own, sa.and_(public, *of_others), granted]


_VERSIONS = engine.page_rows(_ORDER, images.c.version, images.c.account_id == engine.CALLER)
_FINDER = SharedFinder(_VERSIONS, FIELDS, _ORDER, _scopes(images.c.launchable_until.is_(None)))
_FINDER_BY_ID = SharedFinder(_VERSIONS, FIELDS, _ORDER, _scopes())

_TAGGED = _SELECT.add_columns(tags.as_json(images, images.c.image_id))
_WHOLE_FINDER = Finder(_TAGGED, FIELDS, _ORDER)


def find(reader: Reader, account_id: str, query: Query) -> tuple[list[PageRow], bool]:
    """The images that the account may launch and that satisfy the query, oldest first; and whether more remain.
    Withdrawn images of others are found only by their ids, and no image of others by its tags."""
    by_id = any(condition.field == "image_id" for condition in query.conditions)
    return (_FINDER_BY_ID if by_id else _FINDER).find_page(reader, query, account_id)


def read(reader: Reader, image_ids: Collection[str]) -> Mapping[str, tuple[Image, tuple[Tag, ...]]]:
    """The images of these ids, of any account, each with its tags."""
    found: dict[str, tuple[Image, tuple[Tag, ...]]] = {}
    for batch in engine.batches(image_ids):
        rows, _ = _WHOLE_FINDER.find(reader, Query((Condition("image_id", batch),)))
        for text, tagged in rows:
            image = _DECODER.decode(text)
            found[image.image_id] = image, tags.from_json(tagged)
    return found


class Parent(NamedTuple):
    """An image's owner, and the image that it was made from."""

    account_id: str
    source_image_id: str | None


def parents(connection: sa.Connection, image_ids: Sequence[str]) -> dict[str, Parent]:
    """The owners and sources of those of the images that exist, by id."""
    found: dict[str, Parent] = {}
    columns = sa.select(images.c.image_id, images.c.account_id, images.c.source_image_id)
    for batch in engine.batches(image_ids):
        rows = connection.execute(columns.where(images.c.image_id.in_(batch)))
        found |= {row.image_id: Parent(row.account_id, row.source_image_id) for row in rows}
    return found


def named(connection: sa.Connection, account_id: str, name: str) -> str | None:
    """The id of the account's image of this name."""
    return connection.scalar(
        sa.select(images.c.image_id).where(images.c.account_id == account_id, images.c.name == name)
    )


def withdraw_former(
    connection: sa.Connection, account_id: str, family: str, until: datetime
) -> tuple[str | None, list[str]]:
    """Withdraw all live images of the family, case aside, but the newest; those withdrawn before keep their date.

    Returns the newest one's id, and the ids of those that are withdrawn now.
    """
    live = (
        images.c.account_id == account_id,
        sa.func.lower(images.c.family) == family.lower(),
        images.c.state == ImageState.AVAILABLE,
        images.c.launchable_until.is_(None),
    )
    newest = connection.scalar(
        sa.select(images.c.image_id)
        .where(*live)
        .order_by(images.c.creation_date.desc(), images.c.image_id.desc())
        .limit(1)
    )
    former = (*live, images.c.image_id != newest)
    found = list(connection.scalars(sa.select(images.c.image_id).where(*former)))
    for image_id in found:
        set_launchable_until(connection, image_id, until)
    return newest, found


def set_launchable_until(connection: sa.Connection, image_id: str, until: datetime | None) -> None:
    """Withdraw the image: it can be launched by its id until then. None: it is listed again."""
    connection.execute(images.update().where(images.c.image_id == image_id).values(launchable_until=until))


def published(connection: sa.Connection) -> list[Image]:
    """The images that the operator has published for any account, oldest first."""
    ordered = _SELECT.where(images.c.family.is_not(None)).order_by(images.c.creation_date, images.c.image_id)
    return [_DECODER.decode(text) for text in connection.scalars(ordered)]


def outlived(connection: sa.Connection, now: datetime) -> list[Image]:
    """The withdrawn images whose last launch date has passed."""
    texts = connection.scalars(_SELECT.where(images.c.launchable_until < now))
    return [_DECODER.decode(text) for text in texts]


def using_snapshot(connection: sa.Connection, snapshot_id: str) -> str | None:
    """The id of an image that has the snapshot in a mapping."""
    return connection.scalar(
        sa.select(image_mappings.c.image_id).where(image_mappings.c.snapshot_id == snapshot_id).limit(1)
    )


def having_others(connection: sa.Connection, image: Image) -> set[str]:
    """Those of the image's snapshots that other images use too."""
    table = image_mappings
    others = table.c.snapshot_id.in_(image.snapshot_ids) & (table.c.image_id != image.image_id)
    return set(connection.scalars(sa.select(table.c.snapshot_id).where(others)))


def set_state(connection: sa.Connection, image_id: str, state: ImageState) -> None:
    """Record a state. A deleted image stays deleted. For an available one, a report is requested."""
    connection.execute(images.update().where(images.c.image_id == image_id).values(state=state))
    if state == ImageState.AVAILABLE:
        image_reports.request(connection, image_id)


def set_failed(connection: sa.Connection, image_id: str, reason: str) -> None:
    """Record why the image could not be made, and release its snapshots. It has nothing to report on."""
    connection.execute(
        images.update()
        .where(images.c.image_id == image_id)
        .values(state=ImageState.FAILED, state_message=reason)
    )
    connection.execute(image_mappings.delete().where(image_mappings.c.image_id == image_id))
    image_reports.erase(connection, image_id)


def set_captured(
    connection: sa.Connection, image_id: str, consistency: Consistency, pause_seconds: float | None
) -> None:
    """Record how the image's disks were captured, and an upper bound of the guest's pause."""
    values = {"consistency": asdict(consistency), "guest_pause_seconds": pause_seconds}
    connection.execute(images.update().where(images.c.image_id == image_id).values(values))


def set_vm_attributes(connection: sa.Connection, image_id: str, attributes: VmAttributes | None) -> None:
    """Replace the image's attributes for its VMs."""
    values = {"vm_attributes": asdict(attributes) if attributes else None}
    connection.execute(images.update().where(images.c.image_id == image_id).values(values))


def set_snapshot_size(connection: sa.Connection, image_id: str, snapshot_id: str, size_gib: int) -> None:
    """Record the size of the volumes of one of the image's snapshots."""
    mine = sa.and_(image_mappings.c.image_id == image_id, image_mappings.c.snapshot_id == snapshot_id)
    connection.execute(image_mappings.update().where(mine).values(volume_size_gib=size_gib))


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
    """Make the image public, or private again."""
    connection.execute(images.update().where(images.c.image_id == image_id).values(public=public))


def grant(connection: sa.Connection, image_id: str, account_ids: Collection[str]) -> None:
    """Let accounts launch and copy the image."""
    date = sa.select(images.c.creation_date).where(images.c.image_id == image_id).scalar_subquery()
    grants.add(connection, image_grants.c.image_id, image_id, account_ids, creation_date=date)


def revoke(connection: sa.Connection, image_id: str, account_ids: Collection[str]) -> None:
    """Take grants back."""
    grants.remove(connection, image_grants.c.image_id, image_id, account_ids)


def erase(connection: sa.Connection, image_id: str) -> None:
    """Delete the image with all its records; its snapshots stay."""
    connection.execute(images.delete().where(images.c.image_id == image_id))
    tags.erase(connection, image_id)


def _columns(image: Image) -> dict[str, Any]:
    return {column.name: getattr(image, column.name) for column in _PLAIN} | {
        "legacy_boot": "legacy" in image.boot_modes,
        "uefi_boot": "uefi" in image.boot_modes,
        "public": image.permissions.public,
        "vm_attributes": asdict(image.vm_attributes) if image.vm_attributes else None,
        "lineage": asdict(image.lineage) if image.lineage else None,
        "consistency": asdict(image.consistency) if image.consistency else None,
    }
