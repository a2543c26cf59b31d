"""Images that recipes built: their records, and the ones in use. For the operator."""

from souche.app.context.region import Region
from souche.db import image_builds, image_lives
from souche.db import images as image_records
from souche.model.image_builds import Build, BuiltImage


def live(region: Region) -> list[BuiltImage]:
    """The newest image of each recipe and account, oldest first. Only available images count, without withdrawn ones
    and those published without a recipe."""
    with region.store.read() as connection:
        builds = dict(image_builds.every(connection))
        lives = image_lives.every(connection)
        published = image_records.published(connection)
    newest: dict[tuple[str, str], BuiltImage] = {}
    for image in published:
        build = builds.get(image.image_id)
        if build is None or not image.is_live:
            continue
        life = lives.get(image.image_id)
        deprecated = life is not None and life.deprecation_date is not None
        newest[build.recipe, image.account_id] = BuiltImage(image, build, deprecated)
    return list(newest.values())


def of_image(region: Region, image_id: str) -> Build | None:
    """How an image was built; None: not by a recipe, or by an earlier Souche."""
    with region.store.read() as connection:
        return image_builds.get(connection, image_id)
