"""Disks as XML, and back."""

from pathlib import Path

import pytest

from souche.compute.libvirt import disk_xml
from souche.compute.libvirt.disk_xml import DiskView
from souche.compute.libvirt.markup import text
from souche.errors import ComputeFailed
from souche.model.disks import FileSource, GuestDisk, MemorySource

LAYER = FileSource(Path("/disks/vol-1.qcow2"), "qcow2")
OVERLAY = FileSource(Path("/disks/vol-1-a.qcow2"), "qcow2")
RAW = FileSource(Path("/disks/vol-2.raw"), "raw")

RUNNING = """
<domain type='qemu' id='7'><devices>
  <disk type='file' device='disk'>
    <driver name='qemu' type='qcow2'/><source file='/disks/vol-1.qcow2' index='3'/>
    <backingStore type='file'><format type='raw'/><source file='/disks/base.raw'/></backingStore>
    <target dev='sda' bus='scsi'/><serial>sda</serial><alias name='ua-vol-1'/>
  </disk>
  <disk type='file' device='disk'>
    <driver name='qemu' type='raw'/><source file='/disks/vol-2.raw'/>
    <target dev='sdb' bus='scsi'/><serial>sdf</serial><alias name='ua-vol-2'/>
  </disk>
  <disk type='file' device='cdrom'><target dev='sdc' bus='scsi'/></disk>
  <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>
</devices></domain>
"""


@pytest.mark.parametrize(
    ("device_name", "index", "target"),
    [
        ("/dev/sda1", 0, "sda"),
        ("/dev/sda", 0, "sda"),
        ("/dev/xvda", 0, "sda"),
        ("/dev/xvdb", 1, "sdb"),
        ("/dev/sdz", 25, "sdz"),
        ("/dev/xvdaa", 26, "sdaa"),
        ("/dev/xvdzz", 701, "sdzz"),
    ],
)
def test_letters_in_the_guest_are_those_of_the_api(device_name: str, index: int, target: str) -> None:
    assert disk_xml.device_index(device_name) == index
    assert disk_xml.target_name(index) == target


@pytest.mark.parametrize("device_name", ["sda", "/dev/", "/dev/nvme0n1", "/dev/sdaaa", "/dev/sda\n"])
def test_other_device_names_are_refused(device_name: str) -> None:
    with pytest.raises(ComputeFailed):
        disk_xml.device_index(device_name)


def test_root_disk() -> None:
    element = disk_xml.disk(GuestDisk("vol-1", "/dev/sda1", LAYER), "none", boots=True)
    assert text(element) == (
        '<disk type="file" device="disk">'
        '<driver name="qemu" type="qcow2" cache="none" discard="unmap" />'
        '<source file="/disks/vol-1.qcow2" />'
        '<target dev="sda" bus="scsi" />'
        "<serial>sda</serial>"
        '<boot order="1" />'
        '<alias name="ua-vol-1" />'
        '<address type="drive" controller="0" bus="0" target="0" unit="0" />'
        "</disk>"
    )


@pytest.mark.parametrize("device_name", ["/dev/sdf", "/dev/xvdf"])
def test_a_disk_has_the_name_of_its_place_in_the_guest(device_name: str) -> None:
    """/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_sdf, where the provider's CSI driver looks."""
    element = disk_xml.disk(GuestDisk("vol-1", device_name, LAYER), "none")
    assert element.findtext("serial") == "sdf"


def test_disk_beyond_the_last_target_is_a_second_unit() -> None:
    element = disk_xml.disk(GuestDisk("vol-2", "/dev/xvdzz", RAW), "writeback")
    assert text(element) == (
        '<disk type="file" device="disk">'
        '<driver name="qemu" type="raw" cache="writeback" discard="unmap" />'
        '<source file="/disks/vol-2.raw" />'
        '<target dev="sdzz" bus="scsi" />'
        "<serial>sdzz</serial>"
        '<alias name="ua-vol-2" />'
        '<address type="drive" controller="0" bus="0" target="189" unit="2" />'
        "</disk>"
    )


def test_simulated_disk_is_refused() -> None:
    with pytest.raises(ComputeFailed, match="simulated"):
        disk_xml.disk(GuestDisk("vol-1", "/dev/sda1", MemorySource("a")), "none")


def test_views() -> None:
    assert disk_xml.views(RUNNING) == {
        "vol-1": DiskView("vol-1", "sda", LAYER),
        "vol-2": DiskView("vol-2", "sdb", RAW),
    }
    assert disk_xml.is_running(RUNNING)
    assert not disk_xml.is_running(RUNNING.replace(" id='7'", ""))
    assert disk_xml.agent_connected(RUNNING)
    assert not disk_xml.agent_connected(RUNNING.replace("'connected'", "'disconnected'"))


def test_a_disk_that_an_older_souche_has_plugged_in_is_known_by_its_serial() -> None:
    older = RUNNING.replace("<serial>sdf</serial><alias name='ua-vol-2'/>", "<serial>vol-2</serial>")
    for domain in (older, older.replace("<serial>vol-2", "<alias name='scsi0-0-1-0'/><serial>vol-2")):
        assert disk_xml.views(domain) == disk_xml.views(RUNNING)
        assert disk_xml.disk_in(domain, "vol-2") is not None


def test_disk_in() -> None:
    found = disk_xml.disk_in(RUNNING, "vol-2")
    assert found is not None
    assert "/disks/vol-2.raw" in found
    assert disk_xml.disk_in(RUNNING, "vol-3") is None


def test_switch_names_every_disk() -> None:
    disks = list(disk_xml.views(RUNNING).values())
    assert disk_xml.switch(disks, {"vol-1": OVERLAY}) == (
        "<domainsnapshot><disks>"
        '<disk name="sda" snapshot="external" type="file">'
        '<driver type="qcow2" /><source file="/disks/vol-1-a.qcow2" />'
        "</disk>"
        '<disk name="sdb" snapshot="no" />'
        "</disks></domainsnapshot>"
    )
