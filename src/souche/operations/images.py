"""Operations that make images."""

from dataclasses import dataclass
from typing import ClassVar

from souche.model.disks import DiskFormat
from souche.model.images import Image
from souche.model.operations import Operation, Params, make


@dataclass(frozen=True)
class CreateImage(Params):
    """From the VM `vm_id`, which is shut down before and started again with `restart`. `generation` is the number that
    the VM's record was given with its passing state, None if it was left as it was, or by an earlier release."""

    workflow: ClassVar[str] = "create_image"

    vm_id: str
    restart: bool
    generation: int | None = None


def create_image(image: Image, params: CreateImage) -> Operation[CreateImage]:
    """Make an image from a VM."""
    return make(params, image.image_id, image.account_id)


@dataclass(frozen=True)
class CopyImage(Params):
    """From the image that its record names."""

    workflow: ClassVar[str] = "copy_image"


def copy_image(image: Image) -> Operation[CopyImage]:
    """Make an image that is a copy."""
    return make(CopyImage(), image.image_id, image.account_id)


@dataclass(frozen=True)
class CleanImage(Params):
    """From the image that its record names."""

    workflow: ClassVar[str] = "clean_image"


def clean_image(image: Image) -> Operation[CleanImage]:
    """Make an image that is a copy without its author's traces."""
    return make(CleanImage(), image.image_id, image.account_id)


@dataclass(frozen=True)
class ImportImage(Params):
    """From the file `path`, which the workflow removes. The images of its family before it stay launchable for
    `grace_days`; with `verify` it is booted first."""

    workflow: ClassVar[str] = "import_image"

    path: str
    format: DiskFormat
    size_bytes: int
    grace_days: int
    verify: bool = False


def import_image(image: Image, params: ImportImage) -> Operation[ImportImage]:
    """Make an image from a disk file on this machine."""
    return make(params, image.image_id, image.account_id)


@dataclass(frozen=True)
class ImportImageFromManifest(Params):
    """From the disks that are recorded for its snapshots."""

    workflow: ClassVar[str] = "import_image_from_manifest"


def import_image_from_manifest(image: Image) -> Operation[ImportImageFromManifest]:
    """Make an image from the disks that a manifest names."""
    return make(ImportImageFromManifest(), image.image_id, image.account_id)
