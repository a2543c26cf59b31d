"""An HFS+ file system in a file, written here: Debian has no tool that makes one.

The format: Apple's Technical Note TN1150, "HFS Plus Volume Format". All numbers are big-endian.
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

BLOCK: Final = 4096
BLOCKS: Final = 512
NODE: Final = 8192
ROOT_PARENT, ROOT, FIRST_FILE = 1, 2, 16
FOLDER, FILE, FOLDER_THREAD, FILE_THREAD = 1, 2, 3, 4
HEADER_KIND, LEAF_KIND = 1, 0xFF
ALLOCATION_AT, EXTENTS_AT, CATALOG_AT, DATA_AT = 1, 2, 6, 16
CASE_FOLDING: Final = 0xCF
DIRECTORY_MODE, FILE_MODE = 0o40755, 0o100644


def hfs(path: Path, files: Mapping[str, str]) -> Path:
    """A file system with these files, each smaller than a block."""
    records, contents = _records(files)
    leaf = _leaf(records)
    catalog = _header_node(depth=1, root=1, leaves=len(records), longest=516) + leaf
    extents = _header_node(depth=0, root=0, leaves=0, longest=10) + bytes(NODE)
    image = bytearray(BLOCK * BLOCKS)
    used = DATA_AT + len(contents)
    for at, data in (
        (ALLOCATION_AT, b"\xff" * (used // 8) + bytes([0xFF << (8 - used % 8) & 0xFF])),
        (EXTENTS_AT, extents),
        (CATALOG_AT, catalog),
        *((DATA_AT + number, content) for number, content in enumerate(contents)),
    ):
        image[at * BLOCK : at * BLOCK + len(data)] = data
    image[1024:1536] = image[-1024:-512] = _volume_header(len(contents), used)
    path.write_bytes(image)
    return path


def _volume_header(files: int, used: int) -> bytes:
    numbers = (0, 0, 0, 0, files, files, BLOCK, BLOCKS, BLOCKS - used, used, BLOCK, BLOCK, 1000, 1)
    head = struct.pack(">2sHI4sI", b"H+", 4, 0x100, b"10.0", 0) + struct.pack(">14I", *numbers)
    forks = (
        _fork(BLOCK, ALLOCATION_AT),
        _fork(2 * NODE, EXTENTS_AT),
        _fork(2 * NODE, CATALOG_AT),
        bytes(160),
    )
    return (head + struct.pack(">Q", 1) + bytes(32) + b"".join(forks)).ljust(512, b"\0")


def _fork(size: int, at: int) -> bytes:
    blocks = -(-size // BLOCK)
    return struct.pack(">QIIII", size, BLOCK, blocks, at, blocks) + bytes(56)


def _header_node(*, depth: int, root: int, leaves: int, longest: int) -> bytes:
    header = struct.pack(
        ">HIIIIHHIIHIBBI",
        depth,
        root,
        leaves,
        root,
        root,
        NODE,
        longest,
        2,
        1 - depth,
        0,
        NODE,
        0,
        CASE_FOLDING,
        6,
    )
    used = bytes([0xC0 if depth else 0x80])
    records = [header + bytes(64), bytes(128), used.ljust(NODE - 14 - 106 - 128 - 8, b"\0")]
    return _node(HEADER_KIND, 0, records)


def _leaf(records: list[bytes]) -> bytes:
    return _node(LEAF_KIND, 1, records)


def _node(kind: int, height: int, records: list[bytes]) -> bytes:
    node = bytearray(struct.pack(">IIBBHH", 0, 0, kind, height, len(records), 0))
    offsets = []
    for record in records:
        offsets.append(len(node))
        node += record
    offsets.append(len(node))
    table = b"".join(struct.pack(">H", each) for each in reversed(offsets))
    return bytes(node).ljust(NODE - len(table), b"\0") + table


def _records(files: Mapping[str, str]) -> tuple[list[bytes], list[bytes]]:
    """The catalog's records in their order, and the files' contents."""
    found: dict[tuple[int, str], bytes] = {}
    folders, contents = {"": ROOT}, list[bytes]()
    below: dict[int, int] = {ROOT: 0}
    number = FIRST_FILE
    rows: list[tuple[int, str, int, bytes | None]] = [(ROOT_PARENT, "disk", ROOT, None)]
    for name, text in files.items():
        *parents, last = name.split("/")
        path = ""
        for each in parents:
            parent, path = folders[path], f"{path}/{each}"
            if path not in folders:
                folders[path], below[number] = number, 0
                below[parent] += 1
                rows.append((parent, each, number, None))
                number += 1
        below[folders[path]] += 1
        rows.append((folders[path], last, number, text.encode()))
        number += 1
    for parent, each, own, content in rows:
        if content is None:
            found[parent, each] = _folder(own, below[own])
            found[own, ""] = _thread(FOLDER_THREAD, parent, each)
        else:
            found[parent, each] = _file(own, len(content), DATA_AT + len(contents))
            found[own, ""] = _thread(FILE_THREAD, parent, each)
            contents.append(content)
    ordered = sorted(found, key=lambda key: (key[0], key[1].lower()))
    return [_key(*key) + found[key] for key in ordered], contents


def _key(parent: int, name: str) -> bytes:
    return struct.pack(">HI", 6 + 2 * len(name), parent) + _name(name)


def _name(name: str) -> bytes:
    return struct.pack(">H", len(name)) + name.encode("utf-16-be")


def _rights(mode: int) -> bytes:
    return struct.pack(">IIBBHI", 0, 0, 0, 0, mode, 1)


def _folder(number: int, below: int) -> bytes:
    head = struct.pack(">HHII", FOLDER, 0, below, number) + bytes(20)
    return head + _rights(DIRECTORY_MODE) + bytes(40)


def _file(number: int, size: int, at: int) -> bytes:
    head = struct.pack(">HHII", FILE, 2, 0, number) + bytes(20)
    return head + _rights(FILE_MODE) + bytes(40) + _fork(size, at) + bytes(80)


def _thread(kind: int, parent: int, name: str) -> bytes:
    return struct.pack(">HHI", kind, 0, parent) + _name(name)
