"""How files are changed in libguestfs's VM; tests/cli/test_image_clean.py has it done in a real one."""

from pathlib import Path

from souche.trust.appliance_inside import GuestFileSystem
from souche.trust.cleaning.changes import Change
from souche.trust.cleaning_inside import Changer
from souche.trust.disks.layout import FoundFileSystem, Place
from souche.trust.disks.tree import Node


class FolderHandle:
    """Calls of libguestfs, done in a folder. `locked` are kept from being changed (chattr +i)."""

    def __init__(self, folder: Path, locked: set[str]) -> None:
        self.folder = folder
        self.locked = locked
        self.asked_for_attributes: list[str] = []

    def vfs_uuid(self, device: str) -> str:
        return device

    vfs_label = vfs_uuid

    def ls(self, path: str) -> list[str]:
        return sorted(each.name for each in self._at(path).iterdir())

    def lstatns(self, path: str) -> dict[str, int]:
        found = self._at(path).lstat()
        return {name: getattr(found, name) for name in ("st_ino", "st_mode", "st_nlink", "st_size", "st_uid")}

    def lstatnslist(self, path: str, names: list[str]) -> list[dict[str, int]]:
        return [self.lstatns(f"{path}/{name}") for name in names]

    def pwrite(self, path: str, content: bytes, offset: int) -> None:
        self._check(path)
        with self._at(path).open("r+b") as file:
            file.seek(offset)
            file.write(content)

    def rm(self, path: str) -> None:
        self._check(path)
        self._at(path).unlink()

    def sync(self) -> None:
        """All is in the folder."""

    def get_e2attrs(self, path: str) -> str:
        self.asked_for_attributes.append(path)
        return "i" if path in self.locked else ""

    def set_e2attrs(self, path: str, attributes: str, *, clear: bool) -> None:
        assert (set(attributes) >= {"i"}, clear) == (True, True)
        self.locked.discard(path)

    def _at(self, path: str) -> Path:
        return self.folder / path.removeprefix("/mounted").lstrip("/")

    def _check(self, path: str) -> None:
        if path in self.locked:
            raise RuntimeError("Operation not permitted")


def test_attributes_are_looked_at_only_where_a_change_is_refused(tmp_path: Path) -> None:
    """Each look starts a program in the VM: before every change, 18,000 files took more than half an hour."""
    for number in range(50):
        (tmp_path / f"{number:02d}").write_text("secret")
    handle = FolderHandle(tmp_path, {"/mounted/07"})
    files = GuestFileSystem(handle, "/dev/sda1", "ext4", "/mounted")
    found = FoundFileSystem(Place(0, None), files)
    changes = [Change("remove", Node(f"/{each.name}", each, found)) for each in files.entries(files.root())]
    changer = Changer(handle)
    changer.wipe(changes)
    assert {each.read_text() for each in tmp_path.iterdir()} == {"\0" * len("secret")}
    assert all(changer.change(each) for each in changes)
    assert (list(tmp_path.iterdir()), handle.asked_for_attributes) == ([], ["/mounted/07"])
