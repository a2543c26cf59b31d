"""A guest as libvirt's domain XML. Pure."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast
from xml.etree import ElementTree as ET

from souche.compute.base import Guest
from souche.compute.libvirt import qemu_capabilities
from souche.compute.libvirt.accelerator import Accelerator
from souche.compute.libvirt.disk_xml import CacheMode, disk
from souche.compute.libvirt.host_paths import UEFI_CODE, UEFI_VARIABLES
from souche.compute.libvirt.markup import parse, text
from souche.compute.libvirt.names import Names
from souche.compute.libvirt.reservations import Reservation
from souche.errors import ComputeFailed
from souche.model.vms import SecureBootAction

SOUCHE = "urn:souche:guest"
SECURE_BOOT_NOTES = ("secure-boot", "next-secure-boot")
MANUFACTURER, PRODUCT = "3DS Outscale", "3DS Outscale VM"  # cloud-init checks both (reference section 9)
MACHINES = {
    "x86_64": ("x86_64", "/usr/bin/qemu-system-x86_64"),
    "i386": ("i686", "/usr/bin/qemu-system-i386"),
}
# For secure boot: only code in system management mode can write the variables.
SECURE_UEFI_CODE = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
# Keep a guest that panicked: its state shows the panic until its next start.
ON_EVENTS = {"poweroff": "destroy", "reboot": "restart", "crash": "preserve"}
DOMAIN_TYPES = {"kvm": "kvm", "tcg": "qemu"}
# For emulation: every x86-64-v2 system runs on it. Not QEMU's "max": on QEMU 7.2 (Debian 12) with "max,svm=off", Debian
# 12's systemd fails with "Mount process finished, but there is no mount" at every start (seen; the cause is not known).
EMULATED_CPU = "Nehalem"

ET.register_namespace("souche", SOUCHE)


@dataclass(frozen=True)
class Placement:
    """A guest's place on the host: the region's names, the accelerator, the guest's own files, and the QEMU
    capabilities that libvirt ignores. `serial` and `screen` are its sockets; None: it has none."""

    names: Names
    accelerator: Accelerator
    console: Path
    nvram: Path
    cache: CacheMode
    unused_capabilities: tuple[str, ...] = ()
    serial: Path | None = None
    screen: Path | None = None


def domain(guest: Guest, placement: Placement) -> str:
    """The whole domain.

    Raises:
        ComputeFailed: no such machine can be made (UEFI on i386: Debian's OVMF is 64-bit only).
    """
    names, uuid = placement.names, str(placement.names.uuid(guest.vm_id))
    root = ET.Element("domain", type=DOMAIN_TYPES[placement.accelerator])
    ET.SubElement(root, "name").text = names.domain(guest.vm_id)
    ET.SubElement(root, "uuid").text = uuid
    root.append(_metadata(guest))
    ET.SubElement(root, "memory", unit="MiB").text = str(guest.memory_mib)
    ET.SubElement(root, "vcpu", placement="static").text = str(guest.vcpus)
    root.append(_sysinfo(uuid))
    root.append(_boot(guest, placement))
    features = ET.SubElement(root, "features")
    ET.SubElement(features, "acpi")
    ET.SubElement(features, "apic")
    if _is_secure(guest):
        ET.SubElement(features, "smm", state="on")
    root.append(_cpu(guest, placement.accelerator))
    ET.SubElement(root, "clock", offset="utc")
    for event, action in ON_EVENTS.items():
        ET.SubElement(root, f"on_{event}").text = action
    if _is_secure(guest):  # a wake-up from S3 would bypass the firmware's protection
        ET.SubElement(ET.SubElement(root, "pm"), "suspend-to-mem", enabled="no")
    root.append(_devices(guest, placement))
    if placement.unused_capabilities:
        root.append(qemu_capabilities.element(placement.unused_capabilities))
    return text(root)


def reservation(domain_xml: str) -> Reservation | None:
    """The DHCP reservation of a region's domain. The domain's metadata records it, so a cleanup finds it for any
    existing domain."""
    noted = parse(domain_xml).find(f"metadata/{{{SOUCHE}}}guest")
    if noted is None:
        return None
    return Reservation(noted.get("mac", ""), noted.get("ip", ""), noted.get("hostname"))


def secure_boot(domain_xml: str) -> tuple[SecureBootAction, SecureBootAction]:
    """A region's domain's last action on its firmware's keys, and that of its next start: `secure_boot` and
    `next_secure_boot` of its guest."""
    noted = parse(domain_xml).find(f"metadata/{{{SOUCHE}}}guest")
    found = [noted.get(name, "none") if noted is not None else "none" for name in SECURE_BOOT_NOTES]
    return cast("tuple[SecureBootAction, SecureBootAction]", tuple(found))


def serial_socket(domain_xml: str) -> Path | None:
    """The socket of a running domain's serial console; None: it was started without."""
    source = parse(domain_xml).find("devices/serial[@type='unix']/source")
    return None if source is None else Path(source.get("path", ""))


def _is_secure(guest: Guest) -> bool:
    """Whether the guest has the firmware with secure boot. A guest for which it was never requested keeps the other
    firmware, which needs no system management mode."""
    return guest.boot_mode == "uefi" and (guest.secure_boot, guest.next_secure_boot) != ("none", "none")


def _metadata(guest: Guest) -> ET.Element:
    element = ET.Element("metadata")
    noted = {"vm": guest.vm_id, "mac": guest.mac_address.lower(), "ip": guest.private_ip}
    if _is_secure(guest):
        noted |= dict(zip(SECURE_BOOT_NOTES, (guest.secure_boot, guest.next_secure_boot), strict=True))
    ET.SubElement(element, f"{{{SOUCHE}}}guest", noted, hostname=guest.hostname.partition(".")[0])
    return element


def _sysinfo(uuid: str) -> ET.Element:
    element = ET.Element("sysinfo", type="smbios")
    system = ET.SubElement(element, "system")
    entries = {"manufacturer": MANUFACTURER, "product": PRODUCT, "serial": uuid, "uuid": uuid}
    for name, value in entries.items():
        ET.SubElement(system, "entry", name=name).text = value
    return element


def _boot(guest: Guest, placement: Placement) -> ET.Element:
    element = ET.Element("os")
    architecture, _ = MACHINES[guest.architecture]
    ET.SubElement(element, "type", arch=architecture, machine="q35").text = "hvm"
    if guest.boot_mode == "uefi":
        if guest.architecture != "x86_64":
            raise ComputeFailed(reason=f"an {guest.architecture} guest boots only by BIOS")
        code, secure = (SECURE_UEFI_CODE, "yes") if _is_secure(guest) else (UEFI_CODE, "no")
        ET.SubElement(element, "loader", readonly="yes", secure=secure, type="pflash").text = code
        ET.SubElement(element, "nvram", template=UEFI_VARIABLES).text = str(placement.nvram)
    ET.SubElement(element, "smbios", mode="sysinfo")
    return element


def _cpu(guest: Guest, accelerator: Accelerator) -> ET.Element:
    if accelerator == "kvm":
        element = ET.Element("cpu", mode="host-passthrough", check="none")
    else:
        element = ET.Element("cpu", mode="custom", match="exact", check="none")
        ET.SubElement(element, "model", fallback="allow").text = EMULATED_CPU
    ET.SubElement(element, "topology", sockets="1", cores=str(guest.vcpus), threads="1")
    if not guest.nested_virtualization:
        for feature in ("vmx", "svm"):
            ET.SubElement(element, "feature", policy="disable", name=feature)
    return element


def _devices(guest: Guest, placement: Placement) -> ET.Element:
    element = ET.Element("devices")
    _, emulator = MACHINES[guest.architecture]
    ET.SubElement(element, "emulator").text = emulator
    for place, guest_disk in enumerate(guest.disks):
        element.append(disk(guest_disk, placement.cache, boots=place == 0))
    ET.SubElement(element, "controller", type="scsi", index="0", model="virtio-scsi")
    ET.SubElement(element, "controller", type="usb", model="none")
    element.append(_interface(guest, placement.names))
    element.append(_console(placement))
    element.append(_agent_channel())
    if guest.tpm_enabled:
        tpm = ET.SubElement(element, "tpm", model="tpm-crb")
        ET.SubElement(tpm, "backend", type="emulator", version="2.0")
    if placement.screen is not None:
        graphics = ET.SubElement(element, "graphics", type="vnc")
        ET.SubElement(graphics, "listen", type="socket", socket=str(placement.screen))
    video = ET.SubElement(element, "video")  # boot loaders and Windows need a display
    ET.SubElement(video, "model", type="vga")
    ET.SubElement(element, "memballoon", model="none")
    ET.SubElement(element, "panic", model="isa")  # pvpanic: the guest's kernel reports a panic
    random = ET.SubElement(element, "rng", model="virtio")
    ET.SubElement(
        random, "backend", model="builtin"
    )  # getrandom(2), not a device: QEMU's private /dev may lack it
    return element


def _interface(guest: Guest, names: Names) -> ET.Element:
    """Without the network boot ROM, which would only delay the start of a guest without a bootable disk."""
    element = ET.Element("interface", type="network")
    ET.SubElement(element, "mac", address=guest.mac_address.lower())
    ET.SubElement(element, "source", network=names.network)
    ET.SubElement(element, "target", dev=names.port(guest.vm_id))
    ET.SubElement(element, "model", type="virtio")
    ET.SubElement(element, "rom", enabled="no")
    return element


def _console(placement: Placement) -> ET.Element:
    """The output goes to a file, which each QEMU process starts over, with or without a client at the socket.

    It does not go to a terminal: a person who opens one without reading it would block the guest, and with a strictly
    mounted /dev/pts QEMU's user gets none.
    """
    log_file = str(placement.console)
    if placement.serial is None:
        element = ET.Element("serial", type="file")
        ET.SubElement(element, "source", path=log_file, append="off")
        return element
    element = ET.Element("serial", type="unix")
    ET.SubElement(element, "source", mode="bind", path=str(placement.serial))
    ET.SubElement(element, "log", file=log_file, append="off")
    return element


def _agent_channel() -> ET.Element:
    element = ET.Element("channel", type="unix")
    ET.SubElement(element, "target", type="virtio", name="org.qemu.guest_agent.0")
    return element
