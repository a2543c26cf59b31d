"""Names that point to layers: one symbolic link per id, replaced atomically."""

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from souche.storage.qcow2.setting_aside import remove, set_aside
from souche.synced import sync_directory


class Pointers:
    """A directory of links `<id>` -> `../layers/<layer>`. Writers hold the store's lock; readers need none. A leading
    dot marks a link under construction or its leftover."""

    def __init__(self, root: Path, layers: str = "../layers") -> None:
        """`layers` is the path of the layers, relative to `root`."""
        self._root = root
        self._layers = layers

    def get(self, resource_id: str) -> str | None:
        """The name of the layer, or None if there is no such id. A file that is not a link is not an id.

        Raises:
            OSError: the medium failed. It must not count as a missing id: a collection would remove the layer.
        """
        try:
            target = os.readlink(f"{self._root}/{resource_id}")  # noqa: PTH115  a collection asks for every id
            return target.rpartition("/")[2] or Path(target).name
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            set_aside(resource_id, f"is not a link: {error.strerror}")
            return None

    def has(self, resource_id: str) -> bool:
        """Whether `get` would find a layer. Raises as it does."""
        try:
            return stat.S_ISLNK(
                os.lstat(f"{self._root}/{resource_id}").st_mode
            )  # pathlib takes twice as long
        except FileNotFoundError:
            return False

    def ids(self) -> Iterator[str]:
        """Every id, read on demand. Files that are not links are skipped, those that come or go meanwhile perhaps."""
        with os.scandir(self._root) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.is_symlink():
                    yield entry.name

    def all(self) -> Mapping[str, str]:
        """Every id with the name of its layer."""
        names = os.listdir(self._root)  # noqa: PTH208  a Path of each takes longer than the rest
        found = {name: self.get(name) for name in names if not name.startswith(".")}
        return {resource_id: layer for resource_id, layer in found.items() if layer is not None}

    def foreign(self) -> list[str]:
        """The names of entries that are not links."""
        return [path.name for path in self._root.iterdir() if not path.is_symlink()]

    def date(self, resource_id: str) -> datetime | None:
        """The date of an id's link: the one given to `set`, or the time of that call; None if there is no such id."""
        try:
            seconds = (self._root / resource_id).lstat().st_mtime
        except FileNotFoundError:
            return None
        return datetime.fromtimestamp(seconds, UTC)

    def set(self, resource_id: str, layer: str, date: datetime | None = None) -> None:
        """Point an id, new or known, to a layer. Durable on return."""
        link = self._root / f".{resource_id}"
        link.unlink(missing_ok=True)
        link.symlink_to(f"{self._layers}/{layer}")
        if date is not None:
            os.utime(link, (date.timestamp(), date.timestamp()), follow_symlinks=False)
        link.replace(self._root / resource_id)
        sync_directory(self._root)

    def remove(self, resource_id: str) -> None:
        """Remove an id; an unknown id is success. Durable on return."""
        (self._root / resource_id).unlink(missing_ok=True)
        sync_directory(self._root)

    def sweep(self) -> None:
        """Remove unfinished links left by a crash. Under the store's lock."""
        for path in self._root.iterdir():
            if path.name.startswith("."):
                remove(path)
