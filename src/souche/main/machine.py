"""What a region needs of the machine: the programs for disks, and for real guests the driver.

The driver is imported where one is needed: Debian's binding for Python is not in every environment.
"""

import shutil
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from souche.errors import SystemFailure
from souche.run import PATH

if TYPE_CHECKING:
    from souche.compute.libvirt.driver import LibvirtHypervisor
    from souche.compute.libvirt.inspection import LibvirtInspector


class BindingMissing(SystemFailure):
    """Real guests need Debian's package python3-libvirt, and a virtual environment made with --system-site-packages;
    --compute simulated needs neither (`souche doctor`)."""


class DiskToolsMissing(SystemFailure):
    """There is no {program}, which works with disks: install Debian's package qemu-utils."""


def check(compute: str) -> None:
    """Refuse a machine that lacks what every command would fail by.

    Raises:
        DiskToolsMissing, BindingMissing.
    """
    for program in ("qemu-img", "qemu-nbd"):
        if shutil.which(program, path=PATH) is None:
            raise DiskToolsMissing(program=program)
    if compute == "libvirt":
        hypervisor()


def hypervisor() -> "type[LibvirtHypervisor]":
    """The driver.

    Raises:
        BindingMissing.
    """
    driver: type[LibvirtHypervisor] = _imported("driver").LibvirtHypervisor
    return driver


def inspector() -> "type[LibvirtInspector]":
    """What looks at libvirt and changes nothing.

    Raises:
        BindingMissing.
    """
    inspector: type[LibvirtInspector] = _imported("inspection").LibvirtInspector
    return inspector


def _imported(name: str) -> ModuleType:
    try:
        return import_module(f"souche.compute.libvirt.{name}")
    except ModuleNotFoundError as error:
        if error.name not in ("libvirt", "libvirt_qemu"):
            raise
        raise BindingMissing from error
