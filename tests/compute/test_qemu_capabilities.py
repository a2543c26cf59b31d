"""What libvirt does without when it starts a guest."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import libvirt
import pytest

from souche.compute.base import Guest
from souche.compute.libvirt import domain_xml, qemu_capabilities
from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.compute.libvirt.markup import parse, text
from souche.compute.libvirt.names import Names, home_tag
from souche.compute.libvirt.qemu_capabilities import NAMESPACE, UNUSED
from tests.compute.contract import Laboratory
from tests.compute.libvirt_laboratory import DiskShelf, reachable_directory, region
from tests.compute.test_domain_xml import GUEST, PLACEMENT

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with reachable_directory() as made:
        yield made


@pytest.fixture(scope="module")
def hypervisor(directory: Path) -> Iterator[LibvirtHypervisor]:
    with region(directory / "home", "10.71.9.0/24") as made:
        made.prepare()
        yield made


@pytest.fixture
def host() -> Iterator[Any]:
    with closing(libvirt.open("qemu:///system")) as opened:
        yield opened


def test_what_libvirt_refuses_is_left_out(host: Any) -> None:
    assert qemu_capabilities.dispensable(host) == (UNUSED,)
    assert qemu_capabilities.dispensable(host, "no-such-capability") == ()


def test_a_guest_has_the_same_cpu_without_it(
    hypervisor: LibvirtHypervisor, directory: Path, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    disks, names = DiskShelf(directory), Names(home_tag(directory / "home"))
    laboratory = Laboratory(hypervisor, hypervisor, hypervisor, disks.new_disk, disks.overlay_on)
    seen = []
    for unused in (hypervisor._unused_capabilities, ()):
        monkeypatch.setattr(hypervisor, "_unused_capabilities", unused)
        guest = laboratory.guest()
        hypervisor.define(guest)
        hypervisor.start(guest.vm_id)
        live = parse(host.lookupByName(names.domain(guest.vm_id)).XMLDesc())
        tainted = live.find(f"{{{NAMESPACE}}}capabilities") is not None
        seen.append((tainted, [ET.tostring(cpu) for cpu in live.iterfind("cpu")]))
        hypervisor.remove(guest.vm_id)
    with_it, without = seen
    assert (with_it[0], without[0]) == (True, False)
    assert with_it[1] == without[1] != []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"architecture": "i386"},
        {"boot_mode": "uefi", "tpm_enabled": True},
        {"nested_virtualization": True},
    ],
)
def test_qemu_is_started_with_the_same_command_line(host: Any, changes: dict[str, object]) -> None:
    guest = Guest(**{**vars(GUEST), **changes})
    placement = replace(PLACEMENT, accelerator="tcg")
    before, after = (
        host.domainXMLToNative("qemu-argv", _without_network(domain_xml.domain(guest, each)), 0)
        for each in (placement, replace(placement, unused_capabilities=(UNUSED,)))
    )
    assert before == after


def _without_network(xml: str) -> str:
    """The region's network is missing."""
    root = parse(xml)
    devices = root.find("devices")
    assert devices is not None
    devices.remove(devices.findall("interface")[0])
    return text(root)
