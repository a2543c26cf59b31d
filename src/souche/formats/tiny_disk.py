"""A small disk that boots by BIOS within a second, for tests.

It writes a line, its marker and a login prompt to the first serial port, waits for the power button (ACPI), and powers
the machine off.

Sector 0 has the program, sector 1 the marker, which the program reads through the BIOS. So the console of a VM shows
which disk it booted, and a program that writes sector 1 can see that an OMI has the change. Nobody can log in.
"""

from typing import Final

from souche.errors import Invalid

SECTOR: Final = 512
SIZE_BYTES: Final = 1024 * 1024
MARKER_OFFSET: Final = SECTOR
LONGEST_MARKER: Final = 128
GREETING: Final = "souche: the tiny disk boots"
PROMPT: Final = "souche-tiny login: "
"""in the form that `trust/boot.py` detects"""

_LOAD_ADDRESS: Final = 0x7C00
_MARKER_ADDRESS: Final = 0x8000
_MARKER: Final = "marker: "
_LINE_END: Final = "\r\n"

_BEGIN: Final = bytes.fromhex(
    "31c0 8ed8 8ec0 8ed0 bc007c fc"  # ax = ds = es = ss = 0; sp = 0x7c00; cld
    "bb0080 b80102 b90200 b600 cd13"  # int 0x13: read sector 1 of the boot disk (dl) to 0x8000
)
# Bit 8 of the ACPI registers PM1_EN (0x602) and PM1_STS (0x600) is the power button. The firmware of the machines pc
# and q35 sets these addresses. The timer's interrupt ends each hlt. Writing S5 to PM1_CNT (0x604) powers the machine
# off.
_WAIT: Final = bytes.fromhex(
    "ba0206 b80001 ef fb"  # out16(0x602, 0x100); sti
    "f4 ba0006 ed f6c401 74f6"  # wait: hlt; if not in16(0x600) & 0x100: goto wait
    "ba0406 b80020 ef"  # out16(0x604, 0x2000)
    "f4 ebfd"  # stop: hlt; goto stop
)
_PRINT: Final = bytes.fromhex(
    "ac 84c0 7411"  # print: al = *si++; if al == 0: return
    "88c4 bafd03 ec a820 74fb"  # until in8(0x3fd) & 0x20: the serial port takes a byte
    "88e0 b2f8 ee ebea"  # out8(0x3f8, al); goto print
    "c3"
)
_CALL_BYTES: Final = 6


class BadMarker(Invalid):
    """A marker has 1 to {longest} printable ASCII characters."""


def disk(marker: str) -> bytes:
    """A raw disk of `SIZE_BYTES`.

    Raises:
        BadMarker.
    """
    if not (marker.isascii() and marker.isprintable() and 1 <= len(marker) <= LONGEST_MARKER):
        raise BadMarker(longest=LONGEST_MARKER)
    text = f"{_MARKER}{marker}{_LINE_END}\0".encode()
    return (_boot_sector() + text).ljust(SIZE_BYTES, b"\0")


def _boot_sector() -> bytes:
    greeting, prompt = (_text(each) for each in (_LINE_END + GREETING + _LINE_END, PROMPT))
    print_at = len(_BEGIN) + 3 * _CALL_BYTES + len(_WAIT)
    texts_at = _LOAD_ADDRESS + print_at + len(_PRINT)
    code = _BEGIN
    for address in (texts_at, _MARKER_ADDRESS, texts_at + len(greeting)):
        distance = print_at - (len(code) + _CALL_BYTES)
        code += b"\xbe" + address.to_bytes(2, "little") + b"\xe8" + distance.to_bytes(2, "little")
    return (code + _WAIT + _PRINT + greeting + prompt).ljust(SECTOR - 2, b"\0") + b"\x55\xaa"


def _text(text: str) -> bytes:
    return text.encode() + b"\0"
