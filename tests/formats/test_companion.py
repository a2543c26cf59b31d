"""The object beside the manifest."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature

from souche.formats.companion import (
    Companion,
    CompanionDisk,
    EmptyVolume,
    Signer,
    read_companion,
    sign_companion,
    write_companion,
)
from souche.formats.manifest import Manifest
from souche.model.images import Consistency, Image, ImageMapping, Lineage, VmAttributes
from souche.signing import SigningKey
from souche.value_refusals import BadManifest, UnknownManifestVersion
from tests.support.image_fields import OWN_OF_A_COPY

DISK = CompanionDisk("snap-1.qcow2.gz", 1 << 30, "a" * 64, 1234, "b" * 64)
LINEAGE = Lineage("souche-1", "ami-00000001", "2026-11-24T08:00:00.000Z", source_vm_id="i-00000001")
KEY = SigningKey.generate()
FULL = Companion(
    (DISK,),
    LINEAGE,
    boot_modes=("uefi", "legacy"),
    tpm_mandatory=True,
    secure_boot=True,
    vm_attributes=VmAttributes(deletion_protection=True, boot_mode="uefi"),
    tags=(("Name", "é"), ("empty", "")),
    empty_volumes=(EmptyVolume(1, ImageMapping("/dev/xvdb", None, 3, "io1", 150)),),
    consistency=Consistency("quiesced", one_instant=True),
    guest_pause_microseconds=2400,
    manifest_sha256="c" * 64,
)
SIGNED = replace(FULL, signer=Signer("11111111-2222-3333-4444-555555555555", "souche-1", KEY.public))


def test_an_export_has_every_field_that_a_copy_has() -> None:
    always_sda1 = {"root_device_name"}
    of_image = {field.name for field in fields(Image)} - OWN_OF_A_COPY - always_sda1
    exported = {field.name for field in (*fields(Companion), *fields(Manifest))}
    lost = of_image - exported - {"guest_pause_seconds"}  # in microseconds
    assert lost == set(), "add them to Companion, workflows/export_image.py and app/image_imports.py"


@pytest.mark.parametrize("companion", [FULL, Companion((), LINEAGE)])
def test_what_is_written_is_read_back(companion: Companion) -> None:
    assert read_companion(write_companion(companion)) == companion


def test_a_signed_companion_is_read_back_with_its_signer() -> None:
    assert read_companion(sign_companion(SIGNED, KEY)) == SIGNED


def test_a_companion_of_an_earlier_souche_says_all_attributes() -> None:
    document = json.loads(write_companion(FULL))
    for key in ("Tags", "EmptyVolumes", "Consistency", "VmAttributesSet"):
        del document["Image"][key]
    found = read_companion(json.dumps(document).encode())
    usual = VmAttributes(
        deletion_protection=True, shutdown_behavior="stop", performance="high", boot_mode="uefi"
    )
    assert (found.vm_attributes, found.tags, found.empty_volumes) == (usual, (), ())


def test_the_check_that_the_page_shows_finds_what_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    (shown,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    data = sign_companion(SIGNED, KEY)
    Path("companion.json").write_bytes(data)
    exec(shown, {})  # noqa: S102
    Path("companion.json").write_bytes(data.replace(b'"quiesced"', b'"at-rest"'))
    with pytest.raises(InvalidSignature):
        exec(shown, {})  # noqa: S102


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
