"""Guests' writes, and a reader of qcow2 chains that shares no code with the region or QEMU.

Source of the format: QEMU, docs/interop/qcow2. Layers have no compressed clusters and no extended L2 entries.
"""

import hashlib
import random
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final

from souche.run import run

BLOCK_BYTES: Final = 65_536
GIB: Final = 1024**3
OFFSET: Final = 0x00FF_FFFF_FFFF_FE00
ZERO_FLAG, COMPRESSED_FLAG = 1, 1 << 62

Content = Mapping[int, bytes]
"""The SHA-256 of each block of a disk that is not all zeros, by its offset in bytes."""


def digest(content: Content) -> str:
    """The SHA-256 of a disk's content, independent of its size."""
    whole = hashlib.sha256()
    for offset, block in sorted(content.items()):
        whole.update(struct.pack(">Q", offset) + block)
    return whole.hexdigest()


def read(path: Path) -> dict[int, bytes]:
    """The content of a qcow2 file with its backing chain.

    Raises:
        ValueError, OSError: it cannot be read.
    """
    found: dict[int, bytes] = {}
    seen: set[int] = set()
    layer: Path | None = path
    while layer is not None:
        with layer.open("rb") as image:
            backing = _read_layer(image, found, seen)
        layer = layer.parent / backing if backing else None
    return found


def read_raw(data: bytes) -> dict[int, bytes]:
    """The content of a raw disk."""
    starts = range(0, len(data), BLOCK_BYTES)
    blocks = ((start, data[start : start + BLOCK_BYTES].ljust(BLOCK_BYTES, b"\0")) for start in starts)
    return {start: hashlib.sha256(block).digest() for start, block in blocks if block.strip(b"\0")}


def _read_layer(image: BinaryIO, found: dict[int, bytes], seen: set[int]) -> str | None:
    """Add the data of a layer that no layer above it has. Returns the name of the backing file."""
    header = image.read(104)
    magic, version, name_at, name_bytes, bits, size, _, l1_entries, l1_at = struct.unpack(
        ">4sIQIIQIIQ", header[:48]
    )
    if magic != b"QFI\xfb" or version != 3:
        raise ValueError("no qcow2 of version 3")
    cluster = 1 << bits
    if cluster != BLOCK_BYTES:
        raise ValueError(f"clusters of {cluster} bytes")
    for number, table in enumerate(_table(image, l1_at, l1_entries)):
        if table & OFFSET:
            for index, entry in enumerate(_table(image, table & OFFSET, cluster // 8)):
                offset = (number * (cluster // 8) + index) * cluster
                if entry and offset not in seen and offset < size:
                    seen.add(offset)
                    _add(image, offset, entry, found)
    image.seek(name_at)
    return image.read(name_bytes).decode() if name_at else None


def _add(image: BinaryIO, offset: int, entry: int, found: dict[int, bytes]) -> None:
    if entry & COMPRESSED_FLAG:
        raise ValueError("a compressed cluster")
    if entry & ZERO_FLAG or not entry & OFFSET:
        return
    image.seek(entry & OFFSET)
    block = image.read(BLOCK_BYTES).ljust(BLOCK_BYTES, b"\0")
    if block.strip(b"\0"):
        found[offset] = hashlib.sha256(block).digest()


def _table(image: BinaryIO, at: int, entries: int) -> tuple[int, ...]:
    image.seek(at)
    return struct.unpack(f">{entries}Q", image.read(8 * entries))


def write(path: Path, source: random.Random, content: dict[int, bytes]) -> None:
    """Write some blocks like a guest: into a volume's current file, by QEMU, and into its known content."""
    commands = []
    for _ in range(source.randint(1, 3)):
        offset, pattern = source.randrange(512) * BLOCK_BYTES, source.randint(1, 255)
        commands += ["-c", f"write -q -P {pattern} {offset} {BLOCK_BYTES}"]
        content[offset] = hashlib.sha256(bytes([pattern]) * BLOCK_BYTES).digest()
    run(["qemu-io", "-f", "qcow2", *commands, path], timeout_seconds=60)
