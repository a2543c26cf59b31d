"""The process of the slower engine: libguestfs mounts the file systems in its VM and reads their files."""

import json
import re
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any, Final, TypeVar

import guestfs

from souche.trust.disks import partitions
from souche.trust.disks.files import MOST_ENTRIES, CannotRead, Entry, Kind
from souche.trust.disks.layout import HEAD_BYTES, UNKNOWN, FoundFileSystem, Layout, Place, is_without_files
from souche.trust.disks.sources import Cached, NbdSource, Source
from souche.trust.engine import Facts
from souche.trust.examination import examine

ENGINE: Final = "libguestfs"
CHUNK: Final = 2 << 20
"""libguestfs's messages have at most 4 MiB."""
SECTOR_BYTES: Final = 512
SWAP: Final = "swap"
UNKNOWN_KIND: Final = "unknown"
ONLY_READ: Final = ("ntfs",)
"""Windows is not cleaned."""
ENCRYPTED: Final = ("crypto_LUKS", "BitLocker")
KINDS: Final[Mapping[int, Kind]] = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}

Answer = TypeVar("Answer")


def asked(question: Callable[..., Answer], *arguments: Any, **options: Any) -> Answer:
    """The answer of libguestfs. Its errors are RuntimeErrors; it cannot return names that are not UTF-8."""
    try:
        return question(*arguments, **options)
    except (RuntimeError, UnicodeError) as error:
        raise OSError(str(error)) from error


class GuestFileSystem:
    """A file system that libguestfs has mounted."""

    folds_case = False
    problems: Sequence[str] = ()

    def __init__(self, handle: Any, device: str, kind: str, mount: str) -> None:
        self._handle = handle
        self._mount = mount
        self._paths = [mount]
        self.kind = kind
        self.folds_case = kind in ("ntfs", "vfat")
        plain = re.sub(r"^btrfsvol:(/dev/[^/]+)/.*$", r"\1", device)
        self.uuid: str = asked(handle.vfs_uuid, plain)
        self.label: str = asked(handle.vfs_label, plain)

    def root(self) -> Entry:
        return Entry("", "directory", 0, 0o755, 0, 0)

    def entries(self, directory: Entry) -> Sequence[Entry]:
        path = self._paths[directory.key]
        names = asked(self._handle.ls, path)
        if len(names) > MOST_ENTRIES:
            raise OSError("a directory has too many entries")
        found: list[Entry] = []
        for name, seen in zip(names, asked(self._handle.lstatnslist, path, names), strict=True):
            self._paths.append(f"{path}/{name}")
            found.append(_entry(name, seen, len(self._paths) - 1))
        return found

    def read(self, file: Entry, most: int) -> bytes:
        wanted, parts = min(most, file.size), list[bytes]()
        path = self._paths[file.key]
        while wanted > 0:
            part = bytes(asked(self._handle.pread, path, min(wanted, CHUNK), sum(map(len, parts))))
            if not part:
                break
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)

    def target(self, link: Entry) -> str:
        return str(asked(self._handle.readlink, self._paths[link.key]))

    def path(self, entry: Entry) -> str:
        """A file's path in the VM, through directories only: nothing else has entries."""
        return self._paths[entry.key]


def _entry(name: str, seen: Mapping[str, int], key: int) -> Entry:
    """As lstatnslist returns it; the inode of an unreadable file is -1."""
    if seen["st_ino"] == -1:
        return Entry(name, "damaged", 0, 0, 0, key)
    mode = seen["st_mode"]
    kind = KINDS.get(stat.S_IFMT(mode), "other")
    return Entry(name, kind, seen["st_size"], mode & 0o7777, seen["st_uid"], key)


def _place(layout: Layout, device: str) -> Place:
    """The place of a device of libguestfs's VM: /dev/sda1, /dev/group/volume, btrfsvol:/dev/sda1/name."""
    found = re.match(r"^(?:btrfsvol:)?/dev/[shv]d([a-z])(\d*)(?:/(.*))?$", device)
    if not found:
        return Place(0, None, device.removeprefix("/dev/"))
    disk = ord(found[1]) - ord("a")
    listed = layout.tables[disk].partitions if disk < len(layout.tables) else ()
    partition = next((each for each in listed if str(each.number) == found[2]), None)
    return Place(disk, partition, found[3])


def start(sockets: Sequence[str], *, writable: bool = False) -> Any:
    """Start libguestfs's VM with the disks."""
    handle = guestfs.GuestFS(python_return_dict=True)
    handle.set_backend("direct")
    handle.set_backend_settings(["force_tcg"])  # otherwise QEMU uses KVM even if it is broken
    more = {"discard": "besteffort"} if writable else {}
    if writable:  # QEMU's default is 4096: the kernel would not discard single blocks of smaller size
        handle.config("-global", f"scsi-hd.discard_granularity={SECTOR_BYTES}")
    for socket in sockets:
        server = [f"unix:{socket}"]
        handle.add_drive_opts("", readonly=not writable, format="raw", protocol="nbd", server=server, **more)
    handle.launch()
    return handle


def look(sockets: Sequence[str], handle: Any, *, writable: bool = False) -> Layout:
    """Mount every file system that libguestfs's VM knows."""
    disks = [Cached(NbdSource(socket)) for socket in sockets]
    layout = Layout([partitions.read_table(disk) for disk in disks])
    for number, (device, kind) in enumerate(sorted(handle.list_filesystems().items())):
        place = _place(layout, device)
        if kind in ENCRYPTED:
            layout.unread.append((place, CannotRead(f"it is encrypted ({kind})", other=False)))
        elif kind == UNKNOWN_KIND:
            _note_unknown(layout, place, disks)
        elif kind != SWAP:
            mount = handle.mount if writable and kind not in ONLY_READ else handle.mount_ro
            _mount(layout, handle, place, device, kind, f"/mounted{number}", mount)
    return layout


def _note_unknown(layout: Layout, place: Place, disks: Sequence[Source]) -> None:
    """Note devices that libguestfs cannot read either, unless they have no files."""
    if place.disk >= len(disks) or place.volume is not None:
        return
    start = place.partition.offset if place.partition else 0
    if not is_without_files(place.partition, disks[place.disk].read(start, HEAD_BYTES)):
        layout.unread.append((place, CannotRead(UNKNOWN, other=False)))


def _mount(
    layout: Layout,
    handle: Any,
    place: Place,
    device: str,
    kind: str,
    target: str,
    mount: Callable[[str, str], None],
) -> None:
    try:
        asked(handle.mkmountpoint, target)
        asked(mount, device, target)
        layout.found.append(FoundFileSystem(place, GuestFileSystem(handle, device, kind, target)))
    except OSError:
        layout.unread.append((place, CannotRead(f"its {kind} file system cannot be mounted", other=False)))


def main(request: str) -> None:
    """Examine, and write the answer to standard output."""
    wanted = json.loads(request)
    facts = Facts(tuple(wanted["boot_modes"]), date.fromisoformat(wanted["today"]))
    sockets = wanted["sockets"]
    made = examine(ENGINE, look(sockets, start(sockets)), facts)
    sys.stdout.write("\n" + json.dumps(asdict(made)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
