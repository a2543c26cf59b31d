"""Partition tables: GPT (UEFI specification, chapter 5) and MBR with its chain of logical partitions."""

import struct
import uuid
import zlib
from dataclasses import dataclass
from typing import Final, Literal

from souche.trust.disks.sources import Source

SECTOR_BYTES: Final = 512
MOST_PARTITIONS: Final = 256
"""as many as Linux supports on a disk"""
ESP: Final = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
BIOS_BOOT: Final = "21686148-6449-6e6f-744e-656564454649"
MBR_ESP: Final = "ef"
EXTENDED: Final = (0x05, 0x0F, 0x85)
PROTECTIVE: Final = 0xEE
GPT_HEADER: Final = 92
MOST_GPT_ENTRIES: Final = 1024
BOOT_CODE_BYTES: Final = 440


@dataclass(frozen=True)
class Partition:
    """A partition: its position in bytes; its type (a GUID, or two hex digits of an MBR); its id as Linux's
    `PARTUUID`."""

    number: int
    offset: int
    size: int
    kind: str
    part_uuid: str

    @property
    def is_esp(self) -> bool:
        """Whether UEFI firmware looks for a boot loader here."""
        return self.kind in (ESP, MBR_ESP)


@dataclass(frozen=True)
class Table:
    """A disk's partition table. `boot_code`: its first sector has code for BIOS firmware. `damaged`: the table is not
    possible."""

    kind: Literal["gpt", "mbr", "none"]
    partitions: tuple[Partition, ...]
    boot_code: bool
    damaged: bool = False


def read_table(source: Source) -> Table:
    """The partition table of a disk."""
    first = source.read(0, SECTOR_BYTES)
    signed = first[510:512] == b"\x55\xaa"
    boot_code = signed and any(first[:BOOT_CODE_BYTES])
    if not signed:
        return Table("none", (), boot_code=False)
    entries = _entries(first)
    if PROTECTIVE in [first[446 + 16 * index + 4] for index in range(4)]:
        return _gpt(source, boot_code=boot_code)
    if not entries or not _is_mbr(first):
        return Table("none", (), boot_code)
    return _mbr(source, first, entries, boot_code=boot_code)


def _entries(sector: bytes) -> list[tuple[int, int, int]]:
    """Type, first sector and number of sectors of the entries in use."""
    rows = [struct.unpack_from("<4xB3xII", sector, 446 + 16 * index) for index in range(4)]
    return [(kind, start, length) for kind, start, length in rows if kind and length]


def _is_mbr(sector: bytes) -> bool:
    """A file system's boot sector has the same signature, but other text in place of the active flags."""
    if sector[3:11] == b"NTFS    " or b"FAT" in (sector[0x36:0x39], sector[0x52:0x55]):
        return False
    return all(sector[446 + 16 * index] in (0, 0x80) for index in range(4))


def _mbr(source: Source, first: bytes, entries: list[tuple[int, int, int]], *, boot_code: bool) -> Table:
    disk_id = int.from_bytes(first[440:444], "little")
    found: list[Partition] = []
    damaged = False
    number = 0
    rows = [struct.unpack_from("<4xB3xII", first, 446 + 16 * index) for index in range(4)]
    for index, (kind, start, length) in enumerate(rows, start=1):
        if not kind or not length:
            continue
        if kind in EXTENDED:
            found += _logical(source, start, disk_id)
            continue
        number = index
        damaged |= start * SECTOR_BYTES >= source.size
        found.append(_mbr_partition(number, start, length, kind, disk_id))
    return Table("mbr", tuple(found[:MOST_PARTITIONS]), boot_code, damaged)


def _mbr_partition(number: int, start: int, length: int, kind: int, disk_id: int) -> Partition:
    part_uuid = f"{disk_id:08x}-{number:02x}"
    return Partition(number, start * SECTOR_BYTES, length * SECTOR_BYTES, f"{kind:02x}", part_uuid)


def _logical(source: Source, base: int, disk_id: int) -> list[Partition]:
    """The partitions in an extended one: a chain of tables, each with one partition and the next table."""
    found: list[Partition] = []
    place, seen = base, set[int]()
    while place not in seen and len(found) < MOST_PARTITIONS:
        seen.add(place)
        sector = source.read(place * SECTOR_BYTES, SECTOR_BYTES)
        if sector[510:512] != b"\x55\xaa":
            break
        following = None
        for kind, start, length in _entries(sector)[:2]:
            if kind in EXTENDED:
                following = base + start
            else:
                found.append(_mbr_partition(5 + len(found), place + start, length, kind, disk_id))
        if following is None:
            break
        place = following
    return found


def _gpt(source: Source, *, boot_code: bool) -> Table:
    """As Linux reads it (block/partitions/efi.c): the header at the end counts if the first one's checksums are
    wrong."""
    first, last = _gpt_at(source, 1), _gpt_at(source, source.size // SECTOR_BYTES - 1)
    found = last if first is None else first
    if found is None:
        return Table("gpt", (), boot_code, damaged=True)
    damaged = first is None or any(each.offset >= source.size or each.size <= 0 for each in found)
    return Table("gpt", tuple(found[:MOST_PARTITIONS]), boot_code, damaged)


def _gpt_at(source: Source, sector: int) -> list[Partition] | None:
    """The partitions of the header in a sector; None: there is none, or its checksums are wrong."""
    header = source.read(sector * SECTOR_BYTES, SECTOR_BYTES)
    if len(header) < SECTOR_BYTES or header[:8] != b"EFI PART":
        return None
    length, checksum = struct.unpack_from("<II", header, 12)
    entries_lba, number, entry_bytes, entries_checksum = struct.unpack_from("<QIII", header, 72)
    if not (
        GPT_HEADER <= length <= SECTOR_BYTES and 128 <= entry_bytes <= 4096 and number <= MOST_GPT_ENTRIES
    ):
        return None
    raw = source.read(entries_lba * SECTOR_BYTES, number * entry_bytes)
    if (zlib.crc32(header[:16] + bytes(4) + header[20:length]), zlib.crc32(raw)) != (
        checksum,
        entries_checksum,
    ):
        return None
    entries = (raw[at : at + entry_bytes] for at in range(0, len(raw), entry_bytes))
    return [_gpt_partition(number, entry) for number, entry in enumerate(entries, start=1) if any(entry[:16])]


def _gpt_partition(number: int, entry: bytes) -> Partition:
    first, last = struct.unpack_from("<QQ", entry, 32)
    kind, part_uuid = (str(uuid.UUID(bytes_le=entry[at : at + 16])) for at in (0, 16))
    return Partition(number, first * SECTOR_BYTES, (last - first + 1) * SECTOR_BYTES, kind, part_uuid)
