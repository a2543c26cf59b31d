"""Versions on the marketplace, and subscriptions to products."""

from collections.abc import Collection

import sqlalchemy as sa

from souche.db.query import AnySelect, batches
from souche.db.schema import images, marketplace_versions, product_types, subscriptions
from souche.model.marketplace import Version

_VERSIONS: AnySelect = sa.select(
    images.c.image_id,
    images.c.name.label("image_name"),
    marketplace_versions.c.product_type_id,
    images.c.account_id,
).join_from(marketplace_versions, images)


def publish(connection: sa.Connection, image_id: str, product_type_id: str) -> None:
    """Record that the image is a version of the product."""
    connection.execute(
        marketplace_versions.insert().values(image_id=image_id, product_type_id=product_type_id)
    )


def version(connection: sa.Connection, image_id: str) -> Version | None:
    """The version that the image is."""
    row = connection.execute(_VERSIONS.where(images.c.image_id == image_id)).one_or_none()
    return None if row is None else Version(*row)


def versions(connection: sa.Connection, product_type_id: str | None = None) -> list[Version]:
    """All versions of a product, or of every product, oldest first."""
    wanted = [] if product_type_id is None else [marketplace_versions.c.product_type_id == product_type_id]
    ordered = _VERSIONS.where(*wanted).order_by(images.c.creation_date, images.c.image_id)
    return [Version(*row) for row in connection.execute(ordered)]


def vendors(connection: sa.Connection, image_ids: Collection[str]) -> dict[str, str | None]:
    """The vendors of those of the images that are versions, by image id."""
    found: dict[str, str | None] = {}
    joined = sa.select(marketplace_versions.c.image_id, product_types.c.vendor).join_from(
        marketplace_versions, product_types
    )
    for batch in batches(image_ids):
        rows = connection.execute(joined.where(marketplace_versions.c.image_id.in_(batch)))
        found |= {row.image_id: row.vendor or None for row in rows}
    return found


def subscribe(connection: sa.Connection, account_id: str, product_type_id: str) -> None:
    """Subscribe an account to a product; to do it again changes nothing."""
    unsubscribe(connection, account_id, product_type_id)
    connection.execute(subscriptions.insert().values(account_id=account_id, product_type_id=product_type_id))


def unsubscribe(connection: sa.Connection, account_id: str, product_type_id: str) -> None:
    """End a subscription; without one it is no error."""
    connection.execute(
        subscriptions.delete().where(
            subscriptions.c.account_id == account_id, subscriptions.c.product_type_id == product_type_id
        )
    )


def subscribers(connection: sa.Connection, product_type_id: str) -> list[str]:
    """The ids of the accounts that subscribe to a product, in ascending order."""
    return list(
        connection.scalars(
            sa.select(subscriptions.c.account_id)
            .where(subscriptions.c.product_type_id == product_type_id)
            .order_by(subscriptions.c.account_id)
        )
    )


def subscribed(connection: sa.Connection, account_id: str, product_type_ids: Collection[str]) -> set[str]:
    """Those of the products that the account subscribes to."""
    return set(
        connection.scalars(
            sa.select(subscriptions.c.product_type_id).where(
                subscriptions.c.account_id == account_id,
                subscriptions.c.product_type_id.in_(product_type_ids),
            )
        )
    )
