"""souche image publish"""

from enum import StrEnum
from typing import Annotated, TypeAlias

import typer

from souche.cli import source_flags
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


NameFlag: TypeAlias = Annotated[
    str, typer.Option(help="The image's family. The image's own name adds a date and a number.")
]
TinyFlag: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--tiny",
        help="Instead of FILE: a disk of 1 MiB that boots by BIOS, writes NAME to the serial console, and "
        "powers off when the VM is stopped. For tests.",
    ),
]
AliasFlag: TypeAlias = Annotated[
    str, typer.Option(help="Alias of the account to publish for, without --account.")
]
AccountFlag: TypeAlias = Annotated[str | None, typer.Option(help="Name or ID of the account to publish for.")]
BootModeFlag: TypeAlias = Annotated[
    list[Firmware] | None,
    typer.Option(help="A boot mode of the image; repeatable. Default: legacy."),
]
ArchitectureFlag: TypeAlias = Annotated[Architecture, typer.Option(help="Official images are x86_64.")]
DescriptionFlag: TypeAlias = Annotated[str, typer.Option(help="Description of the image.")]
ProductCodeFlag: TypeAlias = Annotated[
    list[str] | None, typer.Option(help="Product code of a licence; repeatable.")
]


def add(app: typer.Typer, composition: Composition) -> None:
    """Add the command."""

    @app.command("publish")
    def publish_image(
        home: HomeFlag,
        name: NameFlag,
        file: source_flags.FileArgument = None,
        tiny: TinyFlag = False,
        alias: AliasFlag = PROVIDER_ALIAS,
        account: AccountFlag = None,
        disk_format: source_flags.FormatFlag = None,
        boot_mode: BootModeFlag = None,
        architecture: ArchitectureFlag = "x86_64",
        description: DescriptionFlag = "",
        product_code: ProductCodeFlag = None,
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
        gzip and xz are decompressed. A URL needs a checksum, or a signed list of checksums."""
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
