"""The record of each immutable layer: its length, its backing file, and later its hash.

A truncated qcow2 file opens without an error, and the missing part reads as zeros (docs/interop/qcow2 allows a file to
end anywhere). So the length is kept in `records/<layer>` and compared before every use.

A merge replaces a layer's file. From before the rename until after it, the record describes both the current file and
its `successor`, so that either is recognised after a crash.
"""

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from souche.storage.qcow2.setting_aside import remove, set_aside
from souche.synced import sync_directory, sync_file

DRAFT: Final = "."
MODE: Final = 0o600
OTHER_BYTES: Final = "has changed since it was made"


@dataclass(frozen=True)
class Record:
    """One layer. `sha256` is the hash of its file, as hex (None: not computed yet). `spoiled` identifies the file (see
    `identity`) whose bytes have another hash; a file that replaces it is checked again."""

    length_bytes: int
    backing: str | None
    sha256: str | None = None
    spoiled: str | None = None
    successor: "Record | None" = None

    def fits(self, length_bytes: int) -> bool:
        """Whether a file of this length is the layer or its successor."""
        successor = self.successor
        return length_bytes == self.length_bytes or (successor is not None and successor.fits(length_bytes))

    def settled(self, length_bytes: int) -> "Record":
        """The record of the one file that exists after a crash during a merge. If both files have the same length, the
        hash is unknown."""
        if self.successor is None:
            return self
        if length_bytes != self.length_bytes:
            return self.successor
        alone = length_bytes != self.successor.length_bytes
        return replace(self, successor=None, sha256=self.sha256 if alone else None)


def identity(status: os.stat_result) -> str:
    """Distinguishes a file from its replacement, and from itself after a write."""
    return f"{status.st_ino}:{status.st_mtime_ns}"


class Records:
    """A directory of records. Writers hold the store's lock."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def get(self, layer: str) -> Record | None:
        """The record of a layer; None if it is missing or unreadable. An unreadable one stays, and is logged for the
        operator."""
        try:
            return self._read(layer)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            set_aside(layer, f"its record cannot be read: {type(error).__name__}")
            return None

    def is_damaged(self, layer: str) -> bool:
        """Whether a layer has a record that cannot be read."""
        try:
            self._read(layer)
        except FileNotFoundError:
            return False
        except (OSError, ValueError, TypeError, KeyError):
            return True
        return False

    def _read(self, layer: str) -> Record:
        return _parse(json.loads((self._root / layer).read_bytes()))

    def names(self) -> set[str]:
        """The layers that have a record."""
        return {path.name for path in self._root.iterdir() if not path.name.startswith(DRAFT)}

    def knows(self, layer: str) -> bool:
        """Whether a layer has a record, even if the layer is missing."""
        return (self._root / layer).exists()

    def put(self, records: Mapping[str, Record]) -> None:
        """Write records, replacing former ones. Each is written atomically; durable on return."""
        for layer, record in records.items():
            draft = self._root / f"{DRAFT}{layer}"
            draft.unlink(missing_ok=True)
            draft.touch(MODE)
            draft.write_text(json.dumps(asdict(record)))
            sync_file(draft)
            draft.replace(self._root / layer)
        if records:
            sync_directory(self._root)

    def oldest(self, layers: Collection[str]) -> str | None:
        """The layer that was written or compared the longest ago."""
        times = {layer: self._touched(layer) for layer in layers}
        return min(times, key=lambda layer: times[layer], default=None)

    def touch(self, layer: str) -> None:
        """Record that the layer was compared now."""
        path = self._root / layer
        if path.exists():
            os.utime(path)

    def sweep(self, named: Collection[str]) -> None:
        """Remove drafts left by a crash, and records of missing layers without a name."""
        for path in self._root.iterdir():
            if path.name.startswith(DRAFT) or path.name not in named:
                remove(path)

    def _touched(self, layer: str) -> float:
        try:
            return (self._root / layer).stat().st_mtime
        except FileNotFoundError:
            return 0.0


def _parse(fields: object) -> Record:
    if not isinstance(fields, dict) or type(fields["length_bytes"]) is not int:
        raise ValueError("no record")
    successor = fields.get("successor")
    return Record(**fields | {"successor": _parse(successor) if successor is not None else None})
