"""Records of recipe-built images."""

from collections.abc import Iterator

import sqlalchemy as sa

from souche.db.query import AnyRow
from souche.db.schema import image_builds
from souche.model.image_builds import Build


def insert(connection: sa.Connection, image_id: str, build: Build) -> None:
    """Record how an image was built."""
    values = {"recipe": build.recipe, "digest": build.digest, "packages": dict(build.packages)}
    connection.execute(image_builds.insert().values(image_id=image_id, **values))


def get(connection: sa.Connection, image_id: str) -> Build | None:
    """How an image was built; None: not by a recipe, or by an earlier Souche."""
    row = connection.execute(image_builds.select().where(image_builds.c.image_id == image_id)).one_or_none()
    return None if row is None else _build(row)


def every(connection: sa.Connection) -> Iterator[tuple[str, Build]]:
    """All that are recorded, by the ids of their images."""
    return ((row.image_id, _build(row)) for row in connection.execute(image_builds.select()))


def _build(row: AnyRow) -> Build:
    return Build(row.recipe, row.digest, row.packages)
