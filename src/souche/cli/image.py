"""souche image"""

from enum import StrEnum
from typing import Annotated

import typer

from souche.cli import (
    image_adopt,
    image_build,
    image_check,
    image_clean,
    image_life,
    image_origins,
    image_show,
    image_update,
    image_verify,
    source_flags,
    uses,
)
from souche.cli.building import GraceDays
from souche.cli.composition import Composition
from souche.cli.flags import AcceptedCodes, HomeFlag, JsonFlag, VerifyFlag
from souche.cli.output import errors_shown, show
from souche.model.accounts import PROVIDER_ALIAS
from souche.model.image_lives import GRACE_DAYS
from souche.model.images import Architecture


class Firmware(StrEnum):
    """The boot modes, as an option that may be repeated takes them."""

    LEGACY = "legacy"
    UEFI = "uefi"


def build(composition: Composition) -> typer.Typer:
    """The commands about official images."""
    app = typer.Typer(help="Images: publish, build, check, clean, verify, withdraw.", no_args_is_help=True)
    image_build.add(app, composition)
    image_update.add(app, composition)
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


def _add_publish(app: typer.Typer, composition: Composition) -> None:
    @app.command("publish")
    def publish_image(
        home: HomeFlag,
        name: Annotated[
            str,
            typer.Option(help="What the image is an update of; a date and a number follow in its own name."),
        ],
        file: source_flags.FileArgument = None,
        tiny: Annotated[
            bool,
            typer.Option(
                "--tiny",
                help="Instead of FILE: a disk of 1 MiB that boots by BIOS, writes NAME to the serial console,"
                " and powers off at the power button. For tests.",
            ),
        ] = False,
        alias: Annotated[
            str, typer.Option(help="Alias of the account to publish for, where --account does not say.")
        ] = PROVIDER_ALIAS,
        account: Annotated[str | None, typer.Option(help="Name or ID of the account to publish for.")] = None,
        disk_format: source_flags.FormatFlag = None,
        boot_mode: Annotated[
            list[Firmware] | None,
            typer.Option(help="A firmware that it boots by; may be given twice. Default: legacy."),
        ] = None,
        architecture: Annotated[Architecture, typer.Option(help="Official images are x86_64.")] = "x86_64",
        description: Annotated[str, typer.Option(help="Shown beside the name.")] = "",
        product_code: Annotated[
            list[str] | None, typer.Option(help="A licence that it carries; may be given repeatedly.")
        ] = None,
        sha256: source_flags.Sha256Flag = None,
        sums: source_flags.SumsFlag = None,
        signature: source_flags.SignatureFlag = None,
        key: source_flags.KeyFlag = None,
        grace_days: GraceDays = GRACE_DAYS,
        accept: AcceptedCodes = None,
        verify: VerifyFlag = True,
        json: JsonFlag = False,
    ) -> None:
        """Publish a cloud image, from a file or a URL, as a public image, under a new id and name: NAME-YYYY.MM.DD-N.
        gzip and xz around it are taken off. A URL needs a checksum, or a signed list of checksums."""
        # Imported here: they load the readers of disk formats, which the other commands of this group do not need.
        from souche.cli.image_source import ExpectedFile
        from souche.cli.publishing import OneDisk, Publication, publish

        with errors_shown(), composition.operate(home, make=True) as region:
            if (file is None) != tiny:
                raise OneDisk
            wanted = Publication(
                family=name,
                file=file,
                disk_format=disk_format,
                vouched=ExpectedFile(sha256, sums, signature, key),
                boot_modes=tuple(mode.value for mode in boot_mode or (Firmware.LEGACY,)),
                architecture=architecture,
                description=description,
                product_codes=tuple(product_code or ()),
                account=account,
                alias=alias,
                grace_days=grace_days,
                accepted=tuple(accept or ()),
                verify=verify,
            )
            made = publish(region, wanted)
        show(made, as_json=json)
