"""The XML of disks: built for libvirt, and read from it. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast
from xml.etree import ElementTree as ET

from souche.compute.libvirt.markup import parse, text
from souche.errors import ComputeFailed
from souche.model.disks import DiskFormat, DiskSource, FileSource, GuestDisk

CacheMode = Literal["none", "writeback"]

DEVICE_PATTERN = re.compile(r"/dev/(?:sd|xvd|vd)([a-z]{1,2})[0-9]*")
LAST_TARGET = 255  # a virtio-scsi controller has targets 0 to 255
OWN_ALIAS = "ua-"  # libvirt requires this prefix for aliases from users


@dataclass(frozen=True)
class DiskView:
    """A disk as libvirt has it now. `target` is libvirt's own name for it, such as sda."""

    volume_id: str
    target: str
    source: FileSource


def device_index(device_name: str) -> int:
    """The position of an API device name in the alphabet: /dev/sda1 is 0, /dev/xvdb is 1, /dev/xvdaa is 26.

    Raises:
        ComputeFailed: it is no such name.
    """
    match = DEVICE_PATTERN.fullmatch(device_name)
    if match is None:
        raise ComputeFailed(reason=f"a guest cannot have a disk at {device_name}")
    index = 0
    for letter in match[1]:
        index = index * 26 + ord(letter) - ord("a") + 1
    return index - 1


def target_name(index: int) -> str:
    """The inverse of `device_index`, in libvirt's spelling: 0 is sda, 26 is sdaa."""
    letters = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return f"sd{letters}"


def file_of(source: DiskSource) -> FileSource:
    """The path of a source that is a file.

    Raises:
        ComputeFailed: QEMU cannot open a disk that exists only in a simulated store.
    """
    match source:
        case FileSource():
            return source
        case _:
            raise ComputeFailed(reason=f"a real guest cannot open the simulated disk {source.name}")


def disk(guest_disk: GuestDisk, cache: CacheMode, *, boots: bool = False) -> ET.Element:
    """A disk on the guest's one virtio-scsi controller.

    Each disk is a separate SCSI target, numbered by its device name. Linux scans targets in ascending order, but QEMU
    reports the units of one target newest first, which would reverse the guest's letters. The serial is `sd` and the
    letters of the device name (reference section 12): /dev/sdf and /dev/xvdf are
    /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_sdf in the guest. The alias, which no guest sees, is the volume's id;
    `views` finds the volume by it.
    """
    source = file_of(guest_disk.source)
    index = device_index(guest_disk.device_name)
    unit, target = divmod(index, LAST_TARGET + 1)
    element = ET.Element("disk", type="file", device="disk")
    ET.SubElement(element, "driver", name="qemu", type=source.format, cache=cache, discard="unmap")
    ET.SubElement(element, "source", file=str(source.path))
    ET.SubElement(element, "target", dev=target_name(index), bus="scsi")
    ET.SubElement(element, "serial").text = target_name(index)
    if boots:
        ET.SubElement(element, "boot", order="1")
    ET.SubElement(element, "alias", name=OWN_ALIAS + guest_disk.volume_id)
    ET.SubElement(
        element, "address", type="drive", controller="0", bus="0", target=str(target), unit=str(unit)
    )
    return element


def views(domain: str) -> dict[str, DiskView]:
    """The disks in a domain's XML, by volume id."""
    found = (_view(each) for each in parse(domain).iterfind("devices/disk[@device='disk']"))
    return {view.volume_id: view for view in found if view is not None}


def is_running(domain: str) -> bool:
    """Whether this is the XML of a running domain, which libvirt numbers."""
    return parse(domain).get("id") is not None


def agent_connected(domain: str) -> bool:
    """Whether a guest agent has opened its end of the channel in a running domain."""
    target = parse(domain).find("devices/channel/target[@name='org.qemu.guest_agent.0']")
    return target is not None and target.get("state") == "connected"


def chains(domain: str) -> dict[str, list[str]]:
    """The files below each disk of a running domain, by target, the lowest last, in libvirt's notation: `sda[3]`
    (virDomainBlockRebase)."""
    found: dict[str, list[str]] = {}
    for disk in parse(domain).iterfind("devices/disk"):
        target = disk.find("target")
        if target is not None:
            name = target.get("dev", "")
            below = (each for each in disk.iter("backingStore") if each.find("source") is not None)
            found[name] = [f"{name}[{each.get('index')}]" for each in below]
    return found


def _view(element: ET.Element) -> DiskView | None:
    volume_id, target = _volume_id(element), element.find("target")
    source, driver = element.find("source"), element.find("driver")
    if volume_id is None or target is None or source is None or driver is None:
        return None
    format_ = cast(DiskFormat, driver.get("type"))
    return DiskView(volume_id, target.get("dev", ""), FileSource(Path(source.get("file", "")), format_))


def _volume_id(element: ET.Element) -> str | None:
    """For a guest started by an older Souche, the volume's id is the serial, because libvirt chose the alias."""
    alias = element.find("alias")
    name = alias.get("name", "") if alias is not None else ""
    if name.startswith(OWN_ALIAS):
        return name.removeprefix(OWN_ALIAS)
    return element.findtext("serial")


def disk_in(domain: str, volume_id: str) -> str | None:
    """The XML of one disk, exactly as in the domain's XML: libvirt requires it for a detach."""
    for element in parse(domain).iterfind("devices/disk"):
        if _volume_id(element) == volume_id:
            return text(element)
    return None


def switch(disks: Sequence[DiskView], overlays: Mapping[str, FileSource]) -> str:
    """The snapshot that switches each disk in `overlays` to its overlay, and leaves the others unchanged."""
    root = ET.Element("domainsnapshot")
    listed = ET.SubElement(root, "disks")
    for view in disks:
        overlay = overlays.get(view.volume_id)
        if overlay is None:
            ET.SubElement(listed, "disk", name=view.target, snapshot="no")
            continue
        element = ET.SubElement(listed, "disk", name=view.target, snapshot="external", type="file")
        ET.SubElement(element, "driver", type=overlay.format)
        ET.SubElement(element, "source", file=str(overlay.path))
    return text(root)
