"""Building an image by a recipe and publishing it, as `souche image build` and `souche image update` do."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from souche.admin.action import Facts
from souche.cli.actions import publications
from souche.cli.composition import Operated
from souche.model.accounts import PROVIDER_ALIAS
from souche.model.image_builds import Packages
from souche.model.image_lives import GRACE_DAYS
from souche.recipes.recipe import Recipe
from souche.room import GIB

BUILD_BYTES = 4 * GIB
"""A build by a recipe temporarily uses 2.6 GiB."""

GraceDays = Annotated[
    int,
    typer.Option(help="Days for which the replaced image can still be launched by its ID."),
]
RecipesFlag = Annotated[
    Path | None,
    typer.Option(
        "--recipes",
        envvar="SOUCHE_RECIPES",
        help="Folder of your own recipes (docs/recipes.md), in addition to the built-in ones.",
        file_okay=False,
    ),
]


@dataclass(frozen=True)
class Terms:
    """The terms of a build's publication. `verify`: boot the image before, unless guests are simulated."""

    grace_days: int = GRACE_DAYS
    accepted: tuple[str, ...] = ()
    verify: bool = True


def check(region: Operated, recipe: Recipe, account: str | None, terms: Terms) -> str:
    """Refuse terms before the image is built. Returns the id of the account to publish for: by name or id, else the
    provider's.

    Raises:
        BadValue, ValueTooLong, BadProductCodes, NoSuchAccount.
    """
    return region.do(
        publications.check,
        account=account,
        alias=PROVIDER_ALIAS,
        family=recipe.family,
        architecture=recipe.architecture,
        description=recipe.description,
        grace_days=terms.grace_days,
        accepted=list(terms.accepted),
        product_codes=list(recipe.product_codes),
    )


def build_and_publish(
    region: Operated, recipe: Recipe, account_id: str, progress: Callable[[str, float], None], terms: Terms
) -> Facts:
    """The finished image. This process builds the disk; the region imports it from the staging folder.

    Raises:
        ImageFailed, and those of the builder, of the gate and of `official_images.publish`.
    """
    from souche import staged

    verified = is_booted(region, verify=terms.verify)
    shop = region.workshop()
    shop.room.ask(BUILD_BYTES)
    with staged.folder(shop.staging) as folder:
        folder.chmod(0o711)  # apt downloads packages as its own user
        disk = folder / "disk.qcow2"
        packages = shop.builder.build(recipe, disk, work_dir=folder / "work", progress=progress)
        progress("importing the disk", 1.0)
        image_id = _published(region, recipe, account_id, replace(terms, verify=verified), disk, packages)
    return region.do(publications.finish, image_id)


def _published(
    region: Operated, recipe: Recipe, account_id: str, terms: Terms, disk: Path, packages: Packages
) -> str:
    """The id of the image, pending: from here on its operation has the disk."""
    from souche.recipes import debian

    return region.do(
        publications.publish,
        {"path": str(disk), "format": "qcow2", "most_bytes": recipe.disk_gib * GIB},
        {
            "account_id": account_id,
            "family": recipe.family,
            "description": recipe.description,
            "boot_modes": list(recipe.boot_modes),
            "architecture": recipe.architecture,
            "product_codes": list(recipe.product_codes),
            "grace_days": terms.grace_days,
            "accepted": list(terms.accepted),
            "verify": terms.verify,
        },
        {"recipe": recipe.name, "digest": debian.digest(recipe), "packages": dict(packages)},
    )


def is_booted(region: Operated, *, verify: bool) -> bool:
    """Whether the image is booted before it becomes public. If it should be and is not, a line says so."""
    booted = verify and region.do(publications.boots)
    if verify and not booted:
        print(
            "souche: it is not booted before it is public: the region's guests are simulated", file=sys.stderr
        )
    return booted
