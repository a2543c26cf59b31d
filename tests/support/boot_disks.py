"""Disks that boot in a second: a boot sector that writes a line to the serial port."""

from souche.compute.libvirt.accelerator import boot_sector

POWER_OFF = bytes.fromhex("ba0406 b80020 ef")


def disk(line: str, *, ends: bool = False) -> bytes:
    """A raw disk of a MiB whose guest writes `line`, and then stands still, or powers itself off."""
    sector = boot_sector(line.encode())
    if not ends:
        sector = sector.replace(POWER_OFF, b"\x90" * len(POWER_OFF))
    return sector.ljust(1024 * 1024, b"\0")
