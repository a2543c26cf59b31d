"""souche image verify"""

from base64 import b64decode
from pathlib import Path
from typing import Annotated

import typer

from souche.cli.actions import images
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown, plain_lines, show
from souche.model.images import BootMode

DID_NOT_BOOT = 1


def add(app: typer.Typer, composition: Composition) -> None:
    """Add the command."""

    @app.command("verify")
    def verify(
        image: Annotated[str, typer.Argument(help="ID of an image of any owner.")],
        home: HomeFlag,
        boot_mode: Annotated[
            BootMode | None,
            typer.Option(help="The firmware. Default: as a launch does, UEFI where the image has both."),
        ] = None,
        last: Annotated[bool, typer.Option("--last", help="Show the last boot, and do not boot.")] = False,
        log: Annotated[Path | None, typer.Option(help="Write the boot log into this file.")] = None,
        screenshot: Annotated[
            Path | None, typer.Option(help="Write the screenshot (PNG) into this file.")
        ] = None,
        json: JsonFlag = False,
    ) -> None:
        """Boot an image on temporary disks, in an isolated network, until a login prompt or the end of cloud-init. The
        boot log and a screenshot are kept. Status 1 if the image never gets there."""
        with errors_shown(), composition.operate(home) as region:
            found = region.do(images.last_boot, image) if last else region.do(images.verify, image, boot_mode)
        boot_log, picture = _bytes(found.pop("Log")), _bytes(found.pop("Screenshot"))
        with errors_shown():
            if log is not None and boot_log is not None:
                log.write_bytes(boot_log)
            if screenshot is not None and picture is not None:
                screenshot.write_bytes(picture)
        show(found, as_json=json)
        if not found["Verified"]:
            if boot_log is not None and not json:
                print(plain_lines(boot_log.decode(errors="replace")[-2000:]))
            raise typer.Exit(DID_NOT_BOOT)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)
