"""Guests as XML."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import libvirt
import pytest

from souche.compute.base import Guest
from souche.compute.libvirt import domain_xml
from souche.compute.libvirt.accelerator import Accelerator
from souche.compute.libvirt.domain_xml import SECURE_UEFI_CODE, Placement
from souche.compute.libvirt.host_paths import UEFI_CODE, UEFI_VARIABLES
from souche.compute.libvirt.names import Names
from souche.compute.libvirt.qemu_capabilities import UNUSED
from souche.compute.libvirt.reservations import Reservation
from souche.errors import ComputeFailed
from souche.model.disks import FileSource, GuestDisk

PLACEMENT = Placement(
    names=Names("abc"),
    accelerator="kvm",
    console=Path("/home/guests/i-1/console.log"),
    nvram=Path("/home/guests/i-1/uefi-variables.fd"),
    cache="none",
    serial=Path("/home/guests/i-1/serial.sock"),
    screen=Path("/home/guests/i-1/screen/vnc.sock"),
)
SOURCE = FileSource(Path("/disks/vol-1.qcow2"), "qcow2")
GUEST = Guest(
    vm_id="i-1",
    vcpus=2,
    memory_mib=2048,
    architecture="x86_64",
    boot_mode="legacy",
    disks=(GuestDisk("vol-1", "/dev/sda1", SOURCE),),
    mac_address="AA:00:00:00:00:01",
    private_ip="10.0.4.9",
    hostname="ip-10-0-4-9.eu-west-2.compute.internal",
)
EXPECTED = Path(__file__).with_name("expected_domain.xml")


def test_domain() -> None:
    expected = "".join(line.strip() for line in EXPECTED.read_text().splitlines())
    assert domain_xml.domain(GUEST, PLACEMENT) == expected


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"architecture": "i386"}, '<type arch="i686" machine="q35">'),
        ({"architecture": "i386"}, "<emulator>/usr/bin/qemu-system-i386</emulator>"),
        ({"boot_mode": "uefi"}, f'<loader readonly="yes" secure="no" type="pflash">{UEFI_CODE}</loader>'),
        ({"boot_mode": "uefi"}, f'<nvram template="{UEFI_VARIABLES}">{PLACEMENT.nvram}</nvram>'),
        ({"tpm_enabled": True}, '<tpm model="tpm-crb"><backend type="emulator" version="2.0" /></tpm>'),
    ],
)
def test_variants(changes: dict[str, str], part: str) -> None:
    assert part not in domain_xml.domain(GUEST, PLACEMENT)
    assert part in domain_xml.domain(Guest(**{**vars(GUEST), **changes}), PLACEMENT)


@pytest.mark.parametrize("part", ['type="qemu">', '<model fallback="allow">Nehalem</model>'])
def test_without_kvm(part: str) -> None:
    assert part not in domain_xml.domain(GUEST, PLACEMENT)
    assert part in domain_xml.domain(GUEST, replace(PLACEMENT, accelerator="tcg"))


def test_capabilities_that_libvirt_does_without_are_named() -> None:
    part = '<qemu:capabilities><qemu:del capability="cpu-unavailable-features" /></qemu:capabilities>'
    assert part not in domain_xml.domain(GUEST, PLACEMENT)
    assert part in domain_xml.domain(GUEST, replace(PLACEMENT, unused_capabilities=(UNUSED,)))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"architecture": "i386"},
        {"boot_mode": "uefi", "tpm_enabled": True},
        {"boot_mode": "uefi", "secure_boot": "disable", "next_secure_boot": "enable"},
        {"nested_virtualization": True},
        {"disks": tuple(GuestDisk(f"vol-{letter}", f"/dev/xvd{letter}", SOURCE) for letter in "abz")},
    ],
    ids=str,
)
@pytest.mark.parametrize("accelerator", ["kvm", "tcg"])
def test_libvirt_finds_every_domain_valid(changes: dict[str, Any], accelerator: Accelerator) -> None:
    """Its schema is asked here, by libvirt's driver for tests, and not with each launch."""
    placement = replace(PLACEMENT, accelerator=accelerator, unused_capabilities=(UNUSED,))
    xml = domain_xml.domain(Guest(**vars(GUEST) | changes), placement)
    with closing(libvirt.open("test:///default")) as host:
        host.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
        invalid = xml.replace("<devices>", "<devices><unknown/>")
        with pytest.raises(libvirt.libvirtError, match="failed to validate"):
            host.defineXMLFlags(invalid, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)


def test_nested_virtualization_hides_nothing() -> None:
    assert 'policy="disable"' in domain_xml.domain(GUEST, PLACEMENT)
    assert 'policy="disable"' not in domain_xml.domain(replace(GUEST, nested_virtualization=True), PLACEMENT)


SECURE = replace(GUEST, boot_mode="uefi", secure_boot="disable", next_secure_boot="enable")


@pytest.mark.parametrize(
    "part",
    [
        f'<loader readonly="yes" secure="yes" type="pflash">{SECURE_UEFI_CODE}</loader>',
        '<smm state="on" />',
        '<pm><suspend-to-mem enabled="no" /></pm>',
    ],
)
def test_only_code_in_management_mode_writes_the_keys_of_secure_boot(part: str) -> None:
    for plain in (replace(GUEST, boot_mode="uefi"), replace(SECURE, boot_mode="legacy")):
        assert part not in domain_xml.domain(plain, PLACEMENT)
    assert part in domain_xml.domain(SECURE, PLACEMENT)


def test_domain_notes_what_becomes_of_its_keys() -> None:
    assert domain_xml.secure_boot(domain_xml.domain(SECURE, PLACEMENT)) == ("disable", "enable")
    assert domain_xml.secure_boot(domain_xml.domain(GUEST, PLACEMENT)) == ("none", "none")


def test_uefi_on_i386_is_refused() -> None:
    with pytest.raises(ComputeFailed, match="only by BIOS"):
        domain_xml.domain(replace(GUEST, architecture="i386", boot_mode="uefi"), PLACEMENT)


def test_domain_notes_its_reservation() -> None:
    noted = domain_xml.reservation(domain_xml.domain(GUEST, PLACEMENT))
    assert noted == Reservation("aa:00:00:00:00:01", "10.0.4.9", "ip-10-0-4-9")
    assert domain_xml.reservation("<domain><metadata /></domain>") is None


def test_without_sockets_the_console_is_a_file_alone() -> None:
    made = domain_xml.domain(GUEST, replace(PLACEMENT, serial=None, screen=None))
    assert '<serial type="file">' in made
    assert "graphics" not in made
    assert domain_xml.serial_socket(made) is None
    assert domain_xml.serial_socket(domain_xml.domain(GUEST, PLACEMENT)) == PLACEMENT.serial
