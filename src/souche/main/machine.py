"""Checks what a region needs on the machine: programs for disks, and the driver for real guests. The driver is imported
on demand, because not every environment has Debian's Python binding.
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
    """Refuse a machine on which every command would fail.

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
    """The read-only inspector of libvirt.

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
