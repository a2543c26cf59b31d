"""Disks that are small files and expand to large disks."""

import struct
import zlib
from collections.abc import Iterable
from typing import Final

MIB: Final = 1024 * 1024
CLUSTER_BITS: Final = 21
CLUSTER: Final = 1 << CLUSTER_BITS
ENTRIES: Final = CLUSTER // 8
COPIED: Final = 1 << 63
COMPRESSED: Final = 1 << 62


def compressed_bomb(size_bytes: int) -> bytes:
    """All entries reference one compressed cluster, with matching refcounts: `qemu-img check` finds no fault."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -12)
    blob = packer.compress(b"A" * CLUSTER) + packer.flush()
    blob += bytes(-len(blob) % 512)
    sectors = len(blob) // 512 - 1
    return _bomb(size_bytes, COMPRESSED | sectors << (62 - (CLUSTER_BITS - 8)), blob)


def shared_bomb(size_bytes: int) -> bytes:
    """The same with one uncompressed cluster."""
    return _bomb(size_bytes, 0, b"A" * CLUSTER)


def _bomb(size_bytes: int, entry: int, content: bytes) -> bytes:
    clusters = size_bytes // CLUSTER
    tables = -(-clusters // ENTRIES)
    data = 4 + tables
    return b"".join(
        [
            _header(size_bytes, tables),
            _words([2 * CLUSTER]),
            struct.pack(f">{data + 1}H", *[1] * data, clusters).ljust(CLUSTER, b"\0"),
            _words(COPIED | (4 + table) * CLUSTER for table in range(tables)),
            *(
                _words([entry | data * CLUSTER] * min(clusters - table * ENTRIES, ENTRIES))
                for table in range(tables)
            ),
            content.ljust(CLUSTER, b"\0"),
        ]
    )


def _header(size_bytes: int, tables: int) -> bytes:
    first = struct.pack(
        ">4sIQIIQIIQQIIQ",
        *(b"QFI\xfb", 3, 0, 0, CLUSTER_BITS, size_bytes, 0, tables, 3 * CLUSTER, CLUSTER, 1, 0, 0),
    )
    return (first + struct.pack(">QQQII", 0, 0, 0, 4, 104) + bytes(8)).ljust(CLUSTER, b"\0")


def _words(values: Iterable[int]) -> bytes:
    return b"".join(struct.pack(">Q", value) for value in values).ljust(CLUSTER, b"\0")
