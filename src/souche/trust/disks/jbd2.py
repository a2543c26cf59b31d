"""Reads a file system as if its journal were replayed, without any write (ext3 and ext4).

An image of a running VM has an unreplayed journal: the last writes, for example of an authorised key, are only in the
journal. A replay copies the blocks of complete transactions to their places. Here nothing is copied: a
`ReplayedJournal` source returns the journal's block when its place is read. So nothing is written, read access is
enough, and a crafted journal can do no more than a crafted file system.

The format is that of jbd2 (Linux, include/linux/jbd2.h; numbers are big-endian). In a ring of blocks, each transaction
consists of descriptors with the blocks that they tag, revocations, and a commit. A transaction without a commit does
not count.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from souche.trust.disks.sources import Source

MAGIC: Final = 0xC03B3998
MAGIC_BYTES: Final = MAGIC.to_bytes(4, "big")
DESCRIPTOR, COMMIT, SUPERBLOCK_1, SUPERBLOCK_2, REVOKE = 1, 2, 3, 4, 5
WIDE, CHECKSUM_2, CHECKSUM_3, FAST_COMMIT = 0x2, 0x8, 0x10, 0x20
ESCAPED, SAME_UUID, LAST_TAG = 1, 2, 8
HEADER_BYTES: Final = 12
MOST_BLOCKS: Final = 1 << 20
"""in a journal: 4 GiB in blocks of 4 KiB."""

ReadBlock = Callable[[int], bytes]


class OddJournal(Exception):
    """A journal that this module cannot replay."""


@dataclass(frozen=True)
class Journal:
    """The journal of a file system: `read` gives its blocks by their number in it."""

    block_bytes: int
    read: ReadBlock


@dataclass(frozen=True)
class _Head:
    """The fields of the journal's superblock. The ring is the blocks from `first` to before `end`."""

    first: int
    end: int
    sequence: int
    start: int
    features: int

    @property
    def tag_bytes(self) -> int:
        if self.features & CHECKSUM_3:
            return 16
        size = 14 if self.features & CHECKSUM_2 else 12
        return size if self.features & WIDE else size - 4

    @property
    def tail_bytes(self) -> int:
        return 4 if self.features & (CHECKSUM_2 | CHECKSUM_3) else 0

    def after(self, block: int, steps: int = 1) -> int:
        return self.first + (block - self.first + steps) % (self.end - self.first)


def replay(journal: Journal) -> dict[int, tuple[int, bool]]:
    """The newest copy of each block: by the block's number in the file system, its number in the journal, and whether
    it is escaped. Empty: there is nothing to replay.

    Raises:
        OddJournal: it cannot be replayed.
        OSError: it cannot be read.
    """
    head = _head(journal)
    if head.start == 0:
        return {}
    copies: list[tuple[int, int, int, bool]] = []
    revoked: dict[int, int] = {}
    for sequence, found, taken_back in _transactions(journal, head):
        copies += [(sequence, *copy) for copy in found]
        revoked |= dict.fromkeys(taken_back, sequence)
    places: dict[int, tuple[int, bool]] = {}
    for sequence, place, copy, escaped in copies:
        if revoked.get(place, -1) < sequence:
            places[place] = copy, escaped
    return places


def _head(journal: Journal) -> _Head:
    block = journal.read(0)
    if len(block) < 1024:
        raise OddJournal("it is cut off")
    magic, kind = struct.unpack_from(">II", block)
    if magic != MAGIC or kind not in (SUPERBLOCK_1, SUPERBLOCK_2):
        raise OddJournal("it has no superblock")
    block_bytes, length, first, sequence, start, _, _, features = struct.unpack_from(">IIIIIIII", block, 12)
    if kind == SUPERBLOCK_1:
        features = 0
    fast_blocks = (struct.unpack_from(">I", block, 0x54)[0] or 256) if features & FAST_COMMIT else 0
    end = length - fast_blocks
    if block_bytes != journal.block_bytes or not 0 < first < end <= MOST_BLOCKS:
        raise OddJournal("its superblock says what cannot be")
    if start and fast_blocks:
        raise OddJournal("it may have fast commits")
    if start and not first <= start < end:
        raise OddJournal("it starts outside of itself")
    return _Head(first, end, sequence, start, features)


Copies = list[tuple[int, int, bool]]


def _transactions(journal: Journal, head: _Head) -> Iterator[tuple[int, Copies, list[int]]]:
    """Each whole transaction, oldest first: its sequence, its copies, and the blocks that it revokes."""
    place, walked, sequence = head.start, 0, head.sequence
    copies: Copies = []
    revoked: list[int] = []
    while walked < head.end - head.first:
        block = journal.read(place)
        magic, kind, found = struct.unpack_from(">III", block) if len(block) >= HEADER_BYTES else (0, 0, 0)
        if magic != MAGIC or found != sequence:
            return
        steps = 1
        if kind == DESCRIPTOR:
            for tagged, escaped in _tags(block, head):
                copies.append((tagged, head.after(place, steps), escaped))
                steps += 1
        elif kind == REVOKE:
            revoked += _revoked(block, head)
        elif kind == COMMIT:
            yield sequence, copies, revoked
            copies, revoked = [], []
            sequence = (sequence + 1) & 0xFFFFFFFF
        else:
            return
        place, walked = head.after(place, steps), walked + steps


def _tags(block: bytes, head: _Head) -> Iterator[tuple[int, bool]]:
    at, end = HEADER_BYTES, len(block) - head.tail_bytes
    while at + head.tag_bytes <= end:
        if head.features & CHECKSUM_3:
            number, flags, high = struct.unpack_from(">III", block, at)
        else:
            number, _, flags = struct.unpack_from(">IHH", block, at)
            high = struct.unpack_from(">I", block, at + 8)[0] if head.features & WIDE else 0
        number |= high << 32 if head.features & WIDE else 0
        yield number, bool(flags & ESCAPED)
        if flags & LAST_TAG:
            return
        at += head.tag_bytes + (0 if flags & SAME_UUID else 16)


def _revoked(block: bytes, head: _Head) -> list[int]:
    width = 8 if head.features & WIDE else 4
    (used,) = struct.unpack_from(">I", block, HEADER_BYTES)
    end = min(used, len(block) - head.tail_bytes)
    return [int.from_bytes(block[at : at + width], "big") for at in range(16, end - width + 1, width)]


class ReplayedJournal:
    """A file system's bytes with its journal replayed."""

    def __init__(self, source: Source, journal: Journal, places: dict[int, tuple[int, bool]]) -> None:
        self._source = source
        self._journal = journal
        self._places = places

    @property
    def size(self) -> int:
        return self._source.size

    def read(self, offset: int, length: int) -> bytes:
        data = self._source.read(offset, length)
        block_bytes = self._journal.block_bytes
        first, last = offset // block_bytes, (offset + len(data) - 1) // block_bytes
        touched = [number for number in range(first, last + 1) if number in self._places]
        if not touched:
            return data
        whole = bytearray(data)
        for number in touched:
            self._lay(whole, offset, number * block_bytes, self._copy(number))
        return bytes(whole)

    def _lay(self, whole: bytearray, offset: int, at: int, block: bytes) -> None:
        begin, end = max(offset, at), min(offset + len(whole), at + len(block))
        if begin < end:
            whole[begin - offset : end - offset] = block[begin - at : end - at]

    def _copy(self, number: int) -> bytes:
        copy, escaped = self._places[number]
        block = self._journal.read(copy)
        return MAGIC_BYTES + block[4:] if escaped else block
