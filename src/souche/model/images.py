"""Machine images (OMIs)."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from souche.model.permissions import PRIVATE, Permissions
from souche.states import ImageState

Architecture = Literal["i386", "x86_64"]
BootMode = Literal["legacy", "uefi"]

ROOT_DEVICE_NAME = "/dev/sda1"
LINUX_PRODUCT_CODE = "0001"


@dataclass(frozen=True)
class ImageMapping:
    """One block device mapping of an image: the volume that a launch creates at `device_name`."""

    device_name: str
    snapshot_id: str | None
    volume_size_gib: int
    volume_type: str = "standard"
    iops: int | None = None
    delete_on_vm_deletion: bool = True


@dataclass(frozen=True)
class VmAttributes:
    """The attributes that an image gives to its VMs: those of its source VM, or as its owner has set them. A launch
    takes those that it does not set itself; None: the image has none."""

    deletion_protection: bool | None = None
    shutdown_behavior: str | None = None
    performance: str | None = None
    boot_mode: BootMode | None = None

    def bootable(self, boot_modes: Collection[BootMode]) -> "VmAttributes | None":
        """These attributes, without a boot mode that the image does not support. None: nothing is left."""
        if self.boot_mode is None or self.boot_mode in boot_modes:
            return self
        rest = replace(self, boot_mode=None)
        return None if rest == VmAttributes() else rest


@dataclass(frozen=True)
class Consistency:
    """The state of an image's disks at their capture: the guest's writes until then (crash-consistent), file systems
    frozen by the agent (quiesced), or the disks of a VM that was off (at-rest); None: not known. `one_instant`: all
    disks are of one moment; None: not known."""

    state: Literal["crash-consistent", "quiesced", "at-rest"] | None = None
    one_instant: bool | None = None


@dataclass(frozen=True)
class SignedBy:
    """The signer of an imported export. The key is proven; region and id are claims of its holder. `trusted`: the
    importing region requires one of several keys, and this is one of them."""

    region_id: str
    region: str
    key_fingerprint: str
    trusted: bool = False


@dataclass(frozen=True)
class Lineage:
    """The origin of an imported image, as its own region knew it; the ids mean nothing elsewhere. Date in ISO 8601.
    `export_task_id` is the export there; `signed_by` is None if it was not signed."""

    region: str
    image_id: str
    creation_date: str
    source_image_id: str | None = None
    source_vm_id: str | None = None
    export_task_id: str | None = None
    signed_by: SignedBy | None = None


@dataclass(frozen=True)
class Image:
    """An OMI. `mappings` are in launch order, the root's among them; a failed image has none.

    `account_alias` is the owner's, as it is now. Of the images of one `family` the newest is listed; those before
    it are withdrawn: they can be launched by their ids until `launchable_until`, and are deleted afterwards.
    """

    image_id: str
    account_id: str
    name: str
    description: str
    creation_date: datetime
    state: ImageState
    file_location: str
    mappings: tuple[ImageMapping, ...]
    architecture: Architecture = "x86_64"
    boot_modes: tuple[BootMode, ...] = ("legacy",)
    root_device_name: str = ROOT_DEVICE_NAME
    product_codes: tuple[str, ...] = (LINUX_PRODUCT_CODE,)
    permissions: Permissions = PRIVATE
    tpm_mandatory: bool = False
    secure_boot: bool = False
    state_message: str | None = None
    vm_attributes: VmAttributes | None = None
    source_vm_id: str | None = None
    source_image_id: str | None = None
    guest_pause_seconds: float | None = None
    consistency: Consistency | None = None
    account_alias: str | None = None
    family: str | None = None
    launchable_until: datetime | None = None
    lineage: Lineage | None = None
    sealed_location: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether it is available and not withdrawn."""
        return self.state == ImageState.AVAILABLE and self.launchable_until is None

    @property
    def root_mapping(self) -> ImageMapping:
        """The mapping of the root device."""
        return next(mapping for mapping in self.mappings if mapping.device_name == self.root_device_name)

    @property
    def snapshot_ids(self) -> list[str]:
        """The snapshots in its mappings."""
        return [mapping.snapshot_id for mapping in self.mappings if mapping.snapshot_id]
