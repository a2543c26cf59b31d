"""The product types that accounts have made."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from souche.db.query import AnyRow, batches
from souche.db.schema import image_product_codes, product_types
from souche.model.product_types import ProductType


def insert(connection: sa.Connection, product_type: ProductType, now: datetime) -> None:
    """Write a new product type."""
    connection.execute(product_types.insert().values(**asdict(product_type), creation_date=now))


def get(connection: sa.Connection, product_type_id: str) -> ProductType | None:
    """The product type of this id, of any account."""
    return next(iter(of_ids(connection, [product_type_id])), None)


def of_ids(connection: sa.Connection, ids: Collection[str]) -> list[ProductType]:
    """Those of the ids that there are."""
    return [
        _product_type(row)
        for batch in batches(ids)
        for row in connection.execute(
            product_types.select().where(product_types.c.product_type_id.in_(batch))
        )
    ]


def seen_by(connection: sa.Connection, account_id: str | None) -> list[ProductType]:
    """Those on the marketplace and those of the account, oldest first."""
    rows = connection.execute(
        product_types.select()
        .where(sa.or_(product_types.c.sold, product_types.c.account_id == account_id))
        .order_by(product_types.c.creation_date, product_types.c.product_type_id)
    )
    return [_product_type(row) for row in rows]


def set_sold(connection: sa.Connection, product_type_id: str) -> None:
    """Record that the product is on the marketplace."""
    connection.execute(
        product_types.update().where(product_types.c.product_type_id == product_type_id).values(sold=True)
    )


def image_with(connection: sa.Connection, product_type_id: str) -> str | None:
    """The id of an image that carries the code."""
    table = image_product_codes
    return connection.scalar(
        sa.select(table.c.image_id).where(table.c.product_code == product_type_id).limit(1)
    )


def erase(connection: sa.Connection, product_type_id: str) -> None:
    """Delete a product type, with its subscriptions; the codes of images stay."""
    connection.execute(product_types.delete().where(product_types.c.product_type_id == product_type_id))


def _product_type(row: AnyRow) -> ProductType:
    return ProductType(row.product_type_id, row.description, row.vendor, row.account_id, row.sold)
