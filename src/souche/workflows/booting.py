"""The boot test of images (docs/official-images.md): before a publication, and at the operator's request."""

from contextlib import ExitStack
from typing import Final

from souche.db import image_boots, images
from souche.errors import UserError
from souche.model.image_boots import Verification
from souche.model.images import BootMode, Image
from souche.refusals import NoSuchImage
from souche.trust.boot import Booter, Machine
from souche.workflows.parts import Parts

TOLD_LINES: Final = 10
TOLD_CHARACTERS: Final = 800


class DidNotBoot(UserError):
    """The image did not boot by {boot_mode}: {reason} The end of its boot log: {log}"""


def verify(parts: Parts, booter: Booter, image_id: str, boot_mode: BootMode | None = None) -> Verification:
    """Boot an image and record the result, with the given boot mode, or otherwise with a launch's default.

    Raises:
        NoSuchImage: there is none, or it has no disks. ProgramMissing: this machine cannot boot it.
    """
    with parts.store.read() as connection:
        image = images.get(connection, image_id)
    if image is None or not image.snapshot_ids:
        raise NoSuchImage(image_id=image_id)
    mode: BootMode = boot_mode or ("uefi" if "uefi" in image.boot_modes else "legacy")
    with ExitStack() as stack:
        disks = [stack.enter_context(parts.volumes.read_snapshot(each)) for each in _ordered(image)]
        boot = booter.boot(Machine(disks, mode, image.architecture), parts.room.check)
    date = parts.clock.now()
    with parts.store.begin() as connection:
        image_boots.write(connection, image_id, date, boot)
    return Verification(image_id, date, boot)


def check(found: Verification) -> None:
    """Refuse an image that did not boot, with the end of its boot log.

    Raises:
        DidNotBoot.
    """
    if not found.boot.passed:
        log = end_of_log(found.boot.log) or "empty"
        raise DidNotBoot(boot_mode=found.boot.boot_mode, reason=found.boot.reason, log=log)


def end_of_log(log: bytes) -> str:
    """The last lines of a boot log, in printable characters."""
    lines = [line.strip() for line in log.decode(errors="replace").splitlines() if line.strip()]
    text = " | ".join(lines[-TOLD_LINES:])
    return "".join(each if each.isprintable() else "?" for each in text)[-TOLD_CHARACTERS:]


def _ordered(image: Image) -> list[str]:
    root = image.root_mapping.snapshot_id
    return sorted(image.snapshot_ids, key=lambda snapshot_id: snapshot_id != root)
