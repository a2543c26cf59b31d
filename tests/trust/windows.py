"""Windows disks for tests: NTFS by mkntfs and ntfs-3g, and hives of a registry that are written here."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

from tests.trust import corpus
from tests.trust.corpus import made_by

Values: TypeAlias = Mapping[str, Mapping[str, str | int]]
"""Of each key, with backslashes between, its values."""

SOFTWARE: Final[Values] = {
    r"Microsoft\Windows NT\CurrentVersion": {
        "CurrentBuild": "20348",
        "ProductName": "Windows Server 2022 Standard",
        "EditionID": "ServerStandard",
    },
    r"Microsoft\Windows\CurrentVersion\Setup\State": {"ImageState": "IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE"},
}
SYSTEM: Final[Values] = {r"Setup\Status\SysprepStatus": {"GeneralizationState": 7}}
GOOD: Final[Mapping[str, str | bytes]] = {
    "Windows/System32/drivers/viostor.sys": "driver",
    "Windows/System32/drivers/netkvm.sys": "driver",
    "Windows/System32/winevt/Logs/System.evtx": bytes(69_632),
    "Program Files/Amazon/EC2Launch/EC2Launch.exe": "agent",
    "Users/Public/desktop.ini": "",
}
NONE: Final = 0xFFFFFFFF
HBIN_BYTES: Final = 32


def disk(folder: Path, files: Mapping[str, str | bytes | None], software: Values, system: Values) -> Path:
    """A disk with a Windows system in its first partition."""
    volume, mount = folder / "c.img", folder / "c"
    with volume.open("wb") as image:
        image.truncate(16 << 20)
    made_by("mkntfs", "-Q", "-q", "-F", "-s", "512", "-p", "2048", "-H", "255", "-S", "63", str(volume))
    mount.mkdir()
    config = "Windows/System32/config"
    hives = {f"{config}/SOFTWARE": hive(software), f"{config}/SYSTEM": hive(system)}
    made_by("ntfs-3g", str(volume), str(mount))
    try:
        corpus.lay(corpus.Files({**GOOD, **hives, **files}, base={}), mount)
    finally:
        made_by("umount", str(mount))
    return corpus.disk(folder / "disk.raw", volume, kind=7)


class _Cells:
    """The cells of a hive: each has its size before it, negative as it is in use."""

    def __init__(self) -> None:
        self.content = bytearray()

    def add(self, data: bytes) -> int:
        """Where a new cell is, as others refer to it."""
        size = -(-(len(data) + 4) // 8) * 8
        at = HBIN_BYTES + len(self.content)
        self.content += struct.pack("<i", -size) + data.ljust(size - 4, b"\0")
        return at


def hive(values: Values) -> bytes:
    """A hive with these values (the format: https://github.com/libyal/libregf, documentation)."""
    tree: dict[str, object] = {}
    for path in values:
        place = tree
        for part in path.split("\\"):
            place = place.setdefault(part, {})  # type: ignore[assignment]
    cells = _Cells()
    root = _key(cells, "ROOT", "", tree, values, 0x2C)
    size = -(-(HBIN_BYTES + len(cells.content)) // 4096) * 4096
    left = size - HBIN_BYTES - len(cells.content)
    free = struct.pack("<i", left).ljust(left, b"\0") if left else b""
    hbin = struct.pack("<4sII8xQI", b"hbin", 0, size, 0, 0) + bytes(cells.content) + free
    head = struct.pack("<4sIIQIIIIIII", b"regf", 1, 1, 0, 1, 5, 0, 1, root, size, 1).ljust(508, b"\0")
    checksum = 0
    for (word,) in struct.iter_unpack("<I", head):
        checksum ^= word
    return (head + struct.pack("<I", checksum)).ljust(4096, b"\0") + hbin


def _key(
    cells: _Cells, name: str, path: str, tree: dict[str, object], values: Values, flags: int = 0x20
) -> int:
    below = {
        each: _key(cells, each, f"{path}\\{each}".lstrip("\\"), inner, values)  # type: ignore[arg-type]
        for each, inner in sorted(tree.items())
    }
    keys = NONE
    if below:
        entries = b"".join(struct.pack("<I4s", at, each[:4].encode()) for each, at in below.items())
        keys = cells.add(struct.pack("<2sH", b"lf", len(below)) + entries)
    own = [_value(cells, each, value) for each, value in values.get(path, {}).items()]
    listed = cells.add(struct.pack(f"<{len(own)}I", *own)) if own else NONE
    fields = (flags, 0, 0, NONE, len(below), 0, keys, NONE, len(own), listed, NONE, NONE)
    data = struct.pack("<2sHQIIIIIIIIII", b"nk", *fields)
    return cells.add(data + struct.pack("<IIIIIHH", 64, 0, 64, 1024, 0, len(name), 0) + name.encode())


def _value(cells: _Cells, name: str, value: str | int) -> int:
    if isinstance(value, int):
        size, at, kind = 0x80000004, value, 4
    else:
        text = (value + "\0").encode("utf-16-le")
        size, at, kind = len(text), cells.add(text), 1
    return cells.add(struct.pack("<2sHIIIHH", b"vk", len(name), size, at, kind, 1, 0) + name.encode())
