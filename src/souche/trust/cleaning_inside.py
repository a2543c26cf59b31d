"""The process that cleans disks: libguestfs mounts their file systems in its VM, and changes their files.

Files are changed by paths of directories only, which the VM's kernel resolves within one file system. So no link of the
guest leads out of it, and the VM has none of this machine's files.
"""

import json
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import date
from functools import partial
from typing import Any, Final

from souche.model.image_cleanings import Cleaned, CleaningResult
from souche.refusals import CannotClean
from souche.trust.appliance_inside import CHUNK, ENGINE, GuestFileSystem, asked, look, start
from souche.trust.cleaning import plan
from souche.trust.cleaning.changes import Change, CleaningRule, deed
from souche.trust.disks.tree import Node
from souche.trust.engine import Facts
from souche.trust.examination import printable, shown

MOST_WIPED: Final = 8 << 20
"""bytes of a file to overwrite; the rest is discarded with the free space"""
MOST_DONE: Final = 1000
FAILED: Final = " This failed: it is as it was."
MODES: Final = "/sys/class/scsi_disk/*/provisioning_mode"
ZEROING: Final = "writesame_16"
"""The way of discarding (sysfs, scsi_disk) that SCSI defines to read as zeros, to the block."""
LEFT_FREE: Final = "ia"
"""The attributes of files that protect them from changes (chattr(1))."""


def _path(node: Node) -> str:
    files = node.found.files
    assert isinstance(files, GuestFileSystem)
    return files.path(node.entry)


class Changer:
    """Makes changes, each once."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._done: dict[str, bool] = {}

    def wipe(self, changes: Iterable[Change]) -> None:
        """Overwrite the files before their removal. A file with several hard links is left, because they may be any
        files."""
        for path in dict.fromkeys(_path(each.node) for each in changes if each.node.is_file):
            try:
                self._wipe(path)
            except OSError:
                continue  # wiping failed; it is removed anyway
        asked(self._handle.sync)

    def _wipe(self, path: str) -> None:
        found = asked(self._handle.lstatns, path)
        if not stat.S_ISREG(found["st_mode"]) or found["st_nlink"] != 1:
            return
        self._unlocked(path, partial(self._overwrite, path, found["st_size"]))

    def _overwrite(self, path: str, size: int) -> None:
        for at in range(0, min(size, MOST_WIPED), CHUNK):
            asked(self._handle.pwrite, path, bytes(min(CHUNK, size - at)), at)

    def change(self, each: Change) -> bool:
        """Make one change. Returns whether it succeeded.

        Raises:
            CannotClean: a file that is needed could not be written.
        """
        path = _path(each.node)
        if path not in self._done:
            try:
                self._unlocked(path, partial(self._change, path, each))
                self._done[path] = True
            except OSError as error:
                if each.how == "write":  # its old content is overwritten
                    raise CannotClean(reason=f"{printable(each.node.path)} could not be written") from error
                self._done[path] = False
        return self._done[path]

    def _change(self, path: str, each: Change) -> None:
        match each.how:
            case "remove":
                asked(self._handle.rm, path)
            case "remove tree":
                asked(self._handle.rm_rf, path)
            case "write":
                asked(self._handle.write, path, each.content)
            case "empty" if asked(self._handle.lstatns, path)["st_nlink"] > 1:
                asked(self._handle.rm, path)
            case "empty":
                asked(self._handle.truncate, path)

    def _unlocked(self, path: str, work: Callable[[], None]) -> None:
        """Work on a file, even if it is protected from changes. Checking the attributes of every file first would take
        longer than the rest of the work: each check runs a program in the VM."""
        try:
            work()
        except OSError:
            if not self._unlock(path):
                raise
            work()

    def _unlock(self, path: str) -> bool:
        """Unprotect a file. Returns whether it was protected. Not every file system supports this."""
        try:
            if not set(asked(self._handle.get_e2attrs, path)) & set(LEFT_FREE):
                return False
            asked(self._handle.set_e2attrs, path, LEFT_FREE, clear=True)
        except OSError:
            return False
        return True


def clean(handle: Any, sockets: Sequence[str], facts: Facts, on_progress: Callable[[int], None]) -> Cleaned:
    """Clean disks.

    Raises:
        CannotClean.
    """
    layout = look(sockets, handle, writable=True)
    systems = plan.systems(layout, facts)
    on_progress(55)
    planned = [each for system in (*systems, *plan.data(layout, facts)) for each in plan.deeds(system)]
    on_progress(65)
    changer = Changer(handle)
    changer.wipe(change for each in planned for change in each.changes)
    on_progress(75)
    done = [_did(changer, each) for each in planned] + [each.done for each in plan.unread(layout)]
    on_progress(85)
    done += [each.done for each in _swap(handle)]
    _give_back(handle)
    on_progress(95)
    name = printable(plan.name_of(systems[0]))
    return Cleaned(ENGINE, name, tuple(map(_shown, done[:MOST_DONE])))


def _did(changer: Changer, each: CleaningRule) -> CleaningResult:
    results = [changer.change(change) for change in each.changes]
    return each.done if all(results) else replace(each.done, text=each.done.text + FAILED)


def _swap(handle: Any) -> Iterator[CleaningRule]:
    """Discard the contents of swap, which are memory of the author's VM. The swap space keeps its names."""
    for device, kind in sorted(handle.list_filesystems().items()):
        if kind != "swap":
            continue
        names = {"uuid": asked(handle.vfs_uuid, device), "label": asked(handle.vfs_label, device)}
        options = {name: value for name, value in names.items() if value}
        try:
            _zero_at_discard(handle)
            asked(handle.blkdiscard, device)
            handle.mkswap(device, **options)
        except (OSError, RuntimeError):
            yield deed("swap", device, "The swap space was to be emptied." + FAILED)
        else:
            yield deed("swap", device, "The swap space was emptied.")


def _zero_at_discard(handle: Any) -> None:
    """Make the VM's kernel write zeros where it discards. A plain discard has no effect on a part of a qcow2 cluster
    (64 KiB): free blocks beside used ones would keep their data. libguestfs has no call for this. The kernel resets it
    when it reads a partition table again, so it is set before each use."""
    asked(handle.debug, "sh", [f"for mode in {MODES}; do echo {ZEROING} >$mode || exit 1; done"])


def _give_back(handle: Any) -> None:
    """Make free space read as zeros, if the file system can report it."""
    for target in handle.mountpoints().values():
        try:
            _zero_at_discard(handle)
            asked(handle.fstrim, target)
        except OSError:
            continue
    handle.umount_all()
    handle.sync()


def _shown(done: CleaningResult) -> CleaningResult:
    return CleaningResult(done.code, *shown(done.path, done.text, done.user))


def _tell(percent: int) -> None:
    sys.stdout.write(f"progress {percent}\n")
    sys.stdout.flush()


def main(request: str) -> None:
    """Clean, and write the answer to standard output."""
    wanted = json.loads(request)
    facts = Facts(tuple(wanted["boot_modes"]), date.fromisoformat(wanted["today"]))
    _tell(5)
    handle = start(wanted["sockets"], writable=True)
    _tell(45)
    try:
        made = clean(handle, wanted["sockets"], facts, _tell)
        handle.shutdown()
    except CannotClean as error:
        made = Cleaned(ENGINE, "", (), str(error.fields["reason"]))
    sys.stdout.write("\n" + json.dumps(asdict(made)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
