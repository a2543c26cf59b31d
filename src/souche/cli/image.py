"""souche image"""

import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Protocol

import typer

from souche.app import official_images
from souche.app.official_images import GRACE_DAYS, DiskImage
from souche.cli import (
    image_adopt,
    image_check,
    image_clean,
    image_life,
    image_origins,
    image_show,
    image_source,
    image_verify,
    uses,
)
from souche.cli.composition import Administered, Composition
from souche.cli.flags import AcceptedCodes, HomeFlag, JsonFlag, VerifyFlag
from souche.cli.output import show, told
from souche.cli.progress import step_bar
from souche.errors import Invalid, SystemFailure
from souche.model.accounts import PROVIDER_ALIAS, Account
from souche.model.images import Architecture, BootMode, Image
from souche.recipes import debian_12
from souche.states import ImageState
from souche.transfer import gate


class UnknownRecipe(Invalid):
    """There is no recipe '{name}'. Recipes: {known}."""


class ImageFailed(SystemFailure):
    """The image {image_id} failed: {reason}"""


BUILD_BYTES = 4 * 1024**3
"""A build by a recipe takes 2.6 GiB meanwhile."""

GraceDays = Annotated[
    int,
    typer.Option(help="For how many days the image that this one replaces can still be launched by its ID."),
]


class Firmware(StrEnum):
    """The boot modes, as an option that may be repeated takes them."""

    LEGACY = "legacy"
    UEFI = "uefi"


class Build(Protocol):
    """Writes a disk file, telling what it does and how far it is (0 to 1)."""

    def __call__(self, output: Path, *, work_dir: Path, progress: Callable[[str, float], None]) -> None: ...


@dataclass(frozen=True)
class _Terms:
    """How a build is published (`DiskImage`)."""

    grace_days: int
    accepted: tuple[str, ...]
    verify: bool


@dataclass(frozen=True)
class Recipe:
    """How an official image is built, and what it is then."""

    build: Build
    family: str
    description: str
    size_gib: int
    boot_modes: tuple[BootMode, ...]
    architecture: Architecture = "x86_64"


RECIPES: Mapping[str, Recipe] = {
    "debian-12": Recipe(
        build=debian_12.build,
        family="Debian-12",
        description="Debian 12 (bookworm), minimal, with cloud-init; log in as outscale",
        size_gib=debian_12.DISK_GIB,
        boot_modes=("legacy", "uefi"),
    ),
    "debian-12-i386": Recipe(
        build=partial(debian_12.build, architecture="i386"),
        family="Debian-12-i386",
        description="Debian 12 (bookworm), minimal, with cloud-init, for i386; log in as outscale",
        size_gib=debian_12.DISK_GIB,
        boot_modes=("legacy",),
        architecture="i386",
    ),
}


def build(composition: Composition) -> typer.Typer:
    """The commands about official images."""
    app = typer.Typer(help="Images: publish, build, check, clean, verify, withdraw.", no_args_is_help=True)
    _add_build(app, composition)
    _add_publish(app, composition)
    image_check.add(app, composition)
    uses.add_image(app, composition)
    image_show.add(app, composition)
    image_clean.add(app, composition)
    image_origins.add(app, composition)
    image_life.add(app, composition)
    image_adopt.add(app, composition)
    image_verify.add(app, composition)
    return app


def _add_build(app: typer.Typer, composition: Composition) -> None:
    @app.command("build")
    def build_image(
        recipe: Annotated[str, typer.Argument(help=f"One of: {', '.join(RECIPES)}.")],
        home: HomeFlag,
        account: Annotated[
            str | None,
            typer.Option(
                help="Name or ID of the account to publish for. Default: the provider's; its images are x86_64."
            ),
        ] = None,
        grace_days: GraceDays = GRACE_DAYS,
        accept: AcceptedCodes = None,
        verify: VerifyFlag = True,
        json: JsonFlag = False,
    ) -> None:
        """Build an image by a recipe and publish it, under a new id and name: an official one, unless it is for an
        account. Progress goes to standard error."""
        with told(), composition.administer(home, make=True) as administered, step_bar() as progress:
            wanted, publisher = _recipe(recipe), official_images.publisher(administered.region, account)
            official_images.check_architecture(publisher, wanted.architecture)
            accepted = tuple(accept or ())
            official_images.check_accepted(accepted)
            terms = _Terms(grace_days, accepted, _is_booted(administered, verify=verify))
            image = _build_and_publish(administered, wanted, publisher, progress, terms)
        _show(image, as_json=json)


def _add_publish(app: typer.Typer, composition: Composition) -> None:
    @app.command("publish")
    def publish_image(
        file: image_source.FileArgument,
        home: HomeFlag,
        name: Annotated[
            str,
            typer.Option(help="What the image is an update of; a date and a number follow in its own name."),
        ],
        alias: Annotated[
            str, typer.Option(help="Alias of the account to publish for, where --account does not say.")
        ] = PROVIDER_ALIAS,
        account: Annotated[str | None, typer.Option(help="Name or ID of the account to publish for.")] = None,
        disk_format: image_source.FormatFlag = None,
        boot_mode: Annotated[
            list[Firmware] | None,
            typer.Option(help="A firmware that it boots by; may be given twice. Default: legacy."),
        ] = None,
        architecture: Annotated[Architecture, typer.Option(help="Official images are x86_64.")] = "x86_64",
        description: Annotated[str, typer.Option(help="Shown beside the name.")] = "",
        product_code: Annotated[
            list[str] | None, typer.Option(help="A licence that it carries; may be given repeatedly.")
        ] = None,
        sha256: image_source.Sha256Flag = None,
        sums: image_source.SumsFlag = None,
        signature: image_source.SignatureFlag = None,
        key: image_source.KeyFlag = None,
        grace_days: GraceDays = GRACE_DAYS,
        accept: AcceptedCodes = None,
        verify: VerifyFlag = True,
        json: JsonFlag = False,
    ) -> None:
        """Publish a cloud image, from a file or a URL, as a public image, under a new id and name: NAME-YYYY.MM.DD-N.
        gzip and xz around it are taken off. A URL needs a checksum, or a signed list of checksums."""
        with told(), composition.administer(home, make=True) as administered:
            publisher = official_images.publisher(administered.region, account, alias)
            official_images.check_terms(
                publisher,
                name,
                architecture,
                grace_days=grace_days,
                accepted=accept or (),
                description=description,
            )
            booted = _is_booted(administered, verify=verify)
            vouched = image_source.Vouched(sha256, sums, signature, key)
            with image_source.taken_in(administered, file, disk_format, vouched) as taken:
                disk = DiskImage(
                    disk=taken,
                    family=name,
                    description=description,
                    boot_modes=tuple(mode.value for mode in boot_mode or (Firmware.LEGACY,)),
                    architecture=architecture,
                    product_codes=tuple(product_code or ()),
                    grace_days=grace_days,
                    accepted=tuple(accept or ()),
                    verify=booted,
                )
                pending = official_images.publish(administered.region, disk, publisher)
            image = _made(administered, pending)
        _show(image, as_json=json)


def _is_booted(administered: Administered, *, verify: bool) -> bool:
    """Whether the image is booted before it becomes public. Where it is not although it should be, that is said."""
    booted = verify and administered.boots()
    if verify and not booted:
        print(
            "souche: it is not booted before it is public: the region's guests are simulated", file=sys.stderr
        )
    return booted


def _show(image: Image, *, as_json: bool) -> None:
    show({"ImageId": image.image_id, "ImageName": image.name}, as_json=as_json)


def _recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise UnknownRecipe(name=name, known=", ".join(RECIPES))
    return RECIPES[name]


def _build_and_publish(
    administered: Administered,
    recipe: Recipe,
    publisher: Account,
    progress: Callable[[str, float], None],
    terms: _Terms,
) -> Image:
    administered.region.room.ask(BUILD_BYTES)
    with tempfile.TemporaryDirectory(dir=administered.staging) as folder:
        Path(folder).chmod(0o711)  # apt fetches packages as a user of its own
        disk = Path(folder) / "disk.qcow2"
        recipe.build(disk, work_dir=Path(folder) / "work", progress=progress)
        progress("taking the disk in", 1.0)
        staged = disk.rename(administered.staging / f"{Path(folder).name}.qcow2")
    try:
        entrance = gate.Entrance(gate.QCOW2, recipe.size_gib * official_images.GIB, administered.region.room)
        built = entrance.admit(staged, staged.stat().st_size)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    wanted = DiskImage(
        disk=built,
        family=recipe.family,
        description=recipe.description,
        boot_modes=recipe.boot_modes,
        architecture=recipe.architecture,
        grace_days=terms.grace_days,
        accepted=terms.accepted,
        verify=terms.verify,
    )
    return _made(administered, official_images.publish(administered.region, wanted, publisher))


def _made(administered: Administered, pending: Image) -> Image:
    """Wait until an image is there."""
    administered.finish(official_images.operation_id(pending))
    image = official_images.get(administered.region, pending)
    if image.state != ImageState.AVAILABLE:
        raise ImageFailed(image_id=image.image_id, reason=image.state_message or image.state)
    return image
