"""Values of a registry, read from its hive files."""

import io
from typing import Final

import pyregf

from souche.trust.disks.tree import Tree

FOLDER: Final = "/Windows/System32/config"
MOST_BYTES: Final = 192 << 20
DWORD: Final = 4


class Hive:
    """A hive. A missing or unreadable one has no values."""

    def __init__(self, tree: Tree, name: str) -> None:
        self._file = pyregf.file()
        self.is_read = False
        content = tree.read(f"{FOLDER}/{name}", MOST_BYTES)
        try:
            self._content = io.BytesIO(content or b"")
            self._file.open_file_object(self._content)
            self.is_read = True
        except OSError:
            self.is_read = False

    def text(self, key: str, name: str) -> str:
        """A value as text; empty: there is none. Keys are below the hive's root, with backslashes between."""
        value = self._value(key, name)
        try:
            if value is None:
                return ""
            if value.type == DWORD:
                return str(value.data_as_integer)
            return str(value.data_as_string or "")
        except (OSError, ValueError):
            return ""

    def _value(self, key: str, name: str) -> "pyregf.value | None":
        if not self.is_read:
            return None
        try:
            found = self._file.get_key_by_path(f"\\{key}")
            return found.get_value_by_name(name) if found else None
        except (OSError, ValueError):
            return None
