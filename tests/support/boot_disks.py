"""Disks that boot within a second: a boot sector that writes a line to the serial port."""

from souche.compute.libvirt.accelerator import boot_sector

POWER_OFF = bytes.fromhex("ba0406 b80020 ef")
AT_A_KEY = bytes.fromhex("31c0 cd16") + POWER_OFF  # xor ax,ax; int 0x16
AT_A_KEY_OFFSET = 0x1C0
SIZE_BYTES = 1024 * 1024


def disk(line: str, *, ends: bool = False) -> bytes:
    """A raw disk of 1 MiB whose guest writes `line`, and then hangs or powers itself off."""
    sector = boot_sector(line.encode())
    if not ends:
        sector = sector.replace(POWER_OFF, b"\x90" * len(POWER_OFF))
    return sector.ljust(SIZE_BYTES, b"\0")


def disk_that_ends_at_a_key(line: str) -> bytes:
    """A raw disk of 1 MiB whose guest writes `line`, waits for a key, and powers itself off."""
    sector = boot_sector(line.encode())
    jump_from = sector.index(POWER_OFF)
    distance = AT_A_KEY_OFFSET - (jump_from + 3)
    jump = (b"\xe9" + distance.to_bytes(2, "little")).ljust(len(POWER_OFF), b"\x90")
    sector = sector.replace(POWER_OFF, jump)
    sector = sector[:AT_A_KEY_OFFSET] + AT_A_KEY + sector[AT_A_KEY_OFFSET + len(AT_A_KEY) :]
    return sector.ljust(SIZE_BYTES, b"\0")


def disk_that_echoes() -> bytes:
    """A raw disk of 1 MiB whose guest echoes its input from the serial port."""
    wait = "bafd03 ec a801 74f8"  # mov dx,0x3fd; in al,dx; test al,1; jz wait
    echo = "baf803 ec ee ebf1"  # mov dx,0x3f8; in al,dx; out dx,al; jmp wait
    return (bytes.fromhex(wait + echo).ljust(510, b"\0") + b"\x55\xaa").ljust(SIZE_BYTES, b"\0")
