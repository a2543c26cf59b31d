"""A disk that UEFI boots: a FAT12 volume with one program, unsigned, that prints a line and powers the machine off."""

import struct
from typing import Final

SECTOR: Final = 512
SECTORS: Final = 2880
FAT_SECTORS: Final = 9
ROOT_SECTORS: Final = 14
DIRECTORY, FILE = 0x10, 0x20


def loader(line: bytes) -> bytes:
    """A program of two sectors, in the form PE32+, that writes `line` to the first serial port."""
    code = bytes.fromhex(
        "66baf803"  # mov dx,0x3f8
        "ac 84c0 7403 ee ebf8"  # next: lodsb; test al,al; jz done; out dx,al; jmp next
        "66ba0406 66b80020 66ef"  # done: mov dx,0x604; mov ax,0x2000; out dx,ax
        "f4 ebfd"  # stop: hlt; jmp stop
    )
    text_address = bytes.fromhex("488d35") + len(code).to_bytes(4, "little")  # lea rsi,[rip+code]
    program = (text_address + code + line + b"\0").ljust(SECTOR, b"\0")
    optional = struct.pack(
        "<HBBIIIIIQIIHHHHHHIIIIHHQQQQII",
        *(0x20B, 0, 0, SECTOR, 0, 0, 0x1000, 0x1000),  # PE32+; entry point and code at 0x1000
        *(0, 0x1000, SECTOR, 0, 0, 0, 0, 0, 0, 0),  # image base; alignments; versions
        *(0x2000, SECTOR, 0, 10, 0),  # sizes of image and headers; an EFI application
        *(0, 0, 0, 0, 0, 16),  # stack and heap; sixteen directories, all empty
    ) + bytes(16 * 8)
    header = struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, len(optional), 0x22)
    section = struct.pack("<8sIIIIIIHHI", b".text", SECTOR, 0x1000, SECTOR, SECTOR, 0, 0, 0, 0, 0x60000020)
    dos = b"MZ".ljust(60, b"\0") + (64).to_bytes(4, "little")
    return (dos + b"PE\0\0" + header + optional + section).ljust(SECTOR, b"\0") + program


def disk(program: bytes) -> bytes:
    """The volume, with a program of two sectors at the path where every UEFI looks."""
    clusters = [0xFF0, 0xFFF, 0xFFF, 0xFFF, 5, 0xFFF]  # two directories, and a file in clusters 4 and 5
    pairs = zip(clusters[::2], clusters[1::2], strict=True)
    table = b"".join((low | high << 12).to_bytes(3, "little") for low, high in pairs)
    tables = table.ljust(FAT_SECTORS * SECTOR, b"\0") * 2
    root = _entry(b"EFI", DIRECTORY, 2).ljust(ROOT_SECTORS * SECTOR, b"\0")
    efi = _entry(b".", DIRECTORY, 2) + _entry(b"..", DIRECTORY, 0) + _entry(b"BOOT", DIRECTORY, 3)
    boot = _entry(b".", DIRECTORY, 3) + _entry(b"..", DIRECTORY, 2)
    boot += _entry(b"BOOTX64 EFI", FILE, 4, len(program))
    content = efi.ljust(SECTOR, b"\0") + boot.ljust(SECTOR, b"\0") + program
    return (_boot_sector() + tables + root + content).ljust(SECTORS * SECTOR, b"\0")


def _boot_sector() -> bytes:
    sizes = struct.pack(
        "<HBHBHHBHHHII", SECTOR, 1, 1, 2, ROOT_SECTORS * 16, SECTORS, 0xF0, FAT_SECTORS, 18, 2, 0, 0
    )
    label = struct.pack("<BBBI11s8s", 0, 0, 0x29, 1, b"NO NAME    ", b"FAT12   ")
    return (b"\xeb\x3c\x90SOUCHE  " + sizes + label).ljust(510, b"\0") + b"\x55\xaa"


def _entry(name: bytes, attributes: int, cluster: int, size: int = 0) -> bytes:
    return struct.pack("<11sB8xHHHHI", name.ljust(11), attributes, 0, 0, 0, cluster, size)
