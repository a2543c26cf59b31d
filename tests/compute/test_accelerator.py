"""The probe that decides between KVM and TCG."""

from pathlib import Path

import pytest

from souche.compute.libvirt.accelerator import MARKER, boot_sector, failure_of, probe_argv


def test_boot_sector_is_one_sector_with_its_line() -> None:
    sector = boot_sector(MARKER)
    assert len(sector) == 512
    assert sector[:8] == bytes.fromhex("31c08ed8fcbe1d7c")
    assert sector[29:].startswith(MARKER + b"\0")
    assert sector[510:] == b"\x55\xaa"


def test_probe_argv() -> None:
    assert probe_argv(Path("/tmp/sector"), "kvm") == [
        "qemu-system-x86_64", "-machine", "pc,accel=kvm", "-cpu", "host", "-m", "32",
        "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
        "-drive", "file=/tmp/sector,format=raw,if=floppy,readonly=on",
    ]  # fmt: skip


@pytest.mark.guest
def test_probe_succeeds_where_a_guest_runs() -> None:
    assert failure_of("tcg") is None
