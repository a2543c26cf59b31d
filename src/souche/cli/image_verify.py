"""souche image verify"""

from pathlib import Path
from typing import Annotated

import typer

from souche.api import dates
from souche.app import image_boots
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import plain_lines, show, told
from souche.model.image_boots import Verification
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
        """Boot an image on disks that are thrown away, in a network that leads nowhere, until a login prompt or the end
        of cloud-init. The boot log and a screenshot are kept. The status is 1 where it never gets there."""
        with told(), composition.administer(home) as administered:
            found = image_boots.last(administered.region, image) if last else None
            if not last:
                found = administered.verify(image, boot_mode)
            if found is not None:
                _write(found, log, screenshot)
        show(view(image, found), as_json=json)
        if found is None or not found.boot.passed:
            if found is not None and not json:
                print(plain_lines(found.boot.log.decode(errors="replace")[-2000:]))
            raise typer.Exit(DID_NOT_BOOT)


def _write(found: Verification, log: Path | None, screenshot: Path | None) -> None:
    if log is not None:
        log.write_bytes(found.boot.log)
    if screenshot is not None and found.boot.screenshot is not None:
        screenshot.write_bytes(found.boot.screenshot)


def view(image_id: str, found: Verification | None) -> dict[str, object]:
    """What is known of an image's last boot. Where there was none, `Verified` is false and `Date` empty."""
    boot = found.boot if found else None
    return {
        "ImageId": image_id,
        "Verified": boot is not None and boot.passed,
        "Date": dates.shown(found.date) if found else "",
        "BootMode": boot.boot_mode if boot else "",
        "Reached": boot.reached if boot else "",
        "Seconds": round(boot.seconds, 1) if boot else 0,
        "Reason": boot.reason if boot else "it was not booted yet.",
    }
