"""Building an image by a recipe and publishing it, as `souche image build` and `souche image update` do."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from souche import staged
from souche.app import official_images
from souche.app.official_images import GRACE_DAYS, DiskImage
from souche.cli.composition import Administered
from souche.errors import SystemFailure
from souche.model.accounts import Account
from souche.model.image_builds import Build
from souche.model.images import Image
from souche.recipes import debian
from souche.recipes.recipe import Recipe
from souche.room import GIB
from souche.states import ImageState
from souche.transfer import gate
from souche.transfer.gate import AdmittedDisk

BUILD_BYTES = 4 * GIB
"""A build by a recipe takes 2.6 GiB meanwhile."""

GraceDays = Annotated[
    int,
    typer.Option(help="For how many days the image that this one replaces can still be launched by its ID."),
]
RecipesFlag = Annotated[
    Path | None,
    typer.Option(
        "--recipes",
        envvar="SOUCHE_RECIPES",
        help="Folder of recipes of one's own (docs/recipes.md), beside the built-in ones.",
        file_okay=False,
    ),
]


class ImageFailed(SystemFailure):
    """The image {image_id} failed: {reason}"""


@dataclass(frozen=True)
class Terms:
    """How a build is published (`DiskImage`)."""

    grace_days: int = GRACE_DAYS
    accepted: tuple[str, ...] = ()
    verify: bool = False


def check(administered: Administered, recipe: Recipe, publisher: Account, terms: Terms) -> None:
    """Refuse what would only be found out when the image is built.

    Raises:
        BadValue, ValueTooLong, BadProductCodes.
    """
    official_images.check_terms(
        publisher,
        recipe.family,
        recipe.architecture,
        grace_days=terms.grace_days,
        accepted=terms.accepted,
        description=recipe.description,
    )
    official_images.check_product_codes(administered.region, publisher, recipe.product_codes)


def build_and_publish(
    administered: Administered,
    recipe: Recipe,
    publisher: Account,
    progress: Callable[[str, float], None],
    terms: Terms,
) -> Image:
    """The image, once it is there. The digest of the recipe is that of before the build.

    Raises:
        ImageFailed, and those of the builder, of the gate and of `official_images.publish`.
    """
    check(administered, recipe, publisher, terms)
    administered.region.room.ask(BUILD_BYTES)
    with staged.folder(administered.staging) as folder:
        folder.chmod(0o711)  # apt fetches packages as a user of its own
        disk = folder / "disk.qcow2"
        packages = administered.builder.build(recipe, disk, work_dir=folder / "work", progress=progress)
        progress("taking the disk in", 1.0)
        entrance = gate.Entrance(gate.QCOW2, recipe.disk_gib * GIB, administered.region.room)
        built = entrance.admit(disk, disk.stat().st_size)
        with staged.handed_on(built.path) as path:
            taken = replace(built, path=path)
            pending = _published(administered, recipe, publisher, terms, taken, packages)
    return made(administered, pending)


def _published(
    administered: Administered,
    recipe: Recipe,
    publisher: Account,
    terms: Terms,
    disk: AdmittedDisk,
    packages: Mapping[str, str],
) -> Image:
    """The image, pending: from here on its operation has the disk."""
    wanted = DiskImage(
        disk=disk,
        family=recipe.family,
        description=recipe.description,
        boot_modes=recipe.boot_modes,
        architecture=recipe.architecture,
        product_codes=recipe.product_codes,
        grace_days=terms.grace_days,
        accepted=terms.accepted,
        verify=terms.verify,
        build=Build(recipe.name, debian.digest(recipe), packages),
    )
    return official_images.publish(administered.region, wanted, publisher)


def made(administered: Administered, pending: Image) -> Image:
    """Wait until an image is there.

    Raises:
        ImageFailed.
    """
    administered.finish(official_images.operation_id(pending))
    image = official_images.get(administered.region, pending)
    if image.state != ImageState.AVAILABLE:
        raise ImageFailed(image_id=image.image_id, reason=image.state_message or image.state)
    return image


def is_booted(administered: Administered, *, verify: bool) -> bool:
    """Whether the image is booted before it becomes public. Where it is not although it should be, that is said."""
    booted = verify and administered.boots()
    if verify and not booted:
        print(
            "souche: it is not booted before it is public: the region's guests are simulated", file=sys.stderr
        )
    return booted
