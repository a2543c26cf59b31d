"""The object beside the manifest."""

import json

import pytest

from souche.formats.companion import Companion, CompanionDisk, read_companion, write_companion
from souche.model.images import Lineage, VmAttributes
from souche.refusals import BadManifest, UnknownManifestVersion

DISK = CompanionDisk("snap-1.qcow2.gz", 1 << 30, "a" * 64, 1234, "b" * 64)
LINEAGE = Lineage("souche-1", "ami-00000001", "2026-11-24T08:00:00.000Z", source_vm_id="i-00000001")
FULL = Companion(
    (DISK,),
    LINEAGE,
    boot_modes=("uefi", "legacy"),
    tpm_mandatory=True,
    secure_boot=True,
    vm_attributes=VmAttributes(deletion_protection=True, boot_mode="uefi"),
)


@pytest.mark.parametrize("companion", [FULL, Companion((), LINEAGE)])
def test_what_is_written_is_read_back(companion: Companion) -> None:
    assert read_companion(write_companion(companion)) == companion


def test_keys_of_later_versions_are_passed_over() -> None:
    document = json.loads(write_companion(FULL)) | {"Later": 1}
    assert read_companion(json.dumps(document).encode()) == FULL


def test_another_version() -> None:
    document = json.loads(write_companion(FULL)) | {"SoucheCompanion": 2}
    with pytest.raises(UnknownManifestVersion):
        read_companion(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"' + "a" * 64, '"' + "A" * 64, r"Disks\[0\].DiskTreeSha256"),
        ('"uefi"', '"uefi2"', "Image.BootModes"),
        ('"Disks"', '"Discs"', "Disks: it is required"),
    ],
)
def test_a_complaint_says_where(old: str, new: str, complaint: str) -> None:
    data = write_companion(FULL).decode().replace(old, new, 1).encode()
    with pytest.raises(BadManifest, match=complaint):
        read_companion(data)
