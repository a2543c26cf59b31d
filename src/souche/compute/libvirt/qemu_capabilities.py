"""A QEMU capability that libvirt ignores when it starts a guest, if it can.

libvirt queries a new QEMU for the CPU features that the host lacks, and then for about 400 properties of the CPU, one
by one. This takes half of a launch (274 of 558 ms seen, QEMU 7.2), and nothing here uses the result (domains have
check='none'). Without QEMU's capability for the first query, libvirt skips both; the CPU stays the same. libvirt marks
such a domain as tainted, which only adds a line to its log.
"""

from typing import Final
from xml.etree import ElementTree as ET

import libvirt
import structlog

from souche.compute.libvirt.bindings import Host
from souche.compute.libvirt.markup import text

NAMESPACE: Final = "http://libvirt.org/schemas/domain/qemu/1.0"
UNUSED: Final = "cpu-unavailable-features"

ET.register_namespace("qemu", NAMESPACE)

log = structlog.get_logger()


def element(names: tuple[str, ...]) -> ET.Element:
    """The part of a domain that makes libvirt ignore these capabilities."""
    root = ET.Element(f"{{{NAMESPACE}}}capabilities")
    for name in names:
        ET.SubElement(root, f"{{{NAMESPACE}}}del", capability=name)
    return root


def dispensable(host: Host, name: str = UNUSED) -> tuple[str, ...]:
    """The capability, if this libvirt can ignore it. The check asks libvirt for the command line of a guest without it,
    which starts nothing."""
    try:
        host.domainXMLToNative("qemu-argv", _probe(name), 0)
    except libvirt.libvirtError as error:
        log.info("libvirt asks each guest's QEMU for its CPU: launches are slower", reason=str(error))
        return ()
    return (name,)


def _probe(name: str) -> str:
    root = ET.Element("domain", type="qemu")
    ET.SubElement(root, "name").text = "souche-probe"
    ET.SubElement(root, "memory", unit="MiB").text = "16"
    machine = ET.SubElement(ET.SubElement(root, "os"), "type", arch="x86_64", machine="q35")
    machine.text = "hvm"
    devices = ET.SubElement(root, "devices")
    ET.SubElement(devices, "emulator").text = "/usr/bin/qemu-system-x86_64"
    root.append(element((name,)))
    return text(root)
