"""The journal of captures, which makes a capture of several volumes atomic, across any crash.

A capture of volume V into snapshot S turns V's current file L into an immutable layer, below a new overlay O. Its entry
is one file in `captures/`, which lists every (V, S, L, O). The file's name shows its state:

    <id>.prepared   the overlays exist; QEMU writes to L or to O, it is unknown which
    <id>.frozen     nobody writes to any L any more: the snapshots exist, with or without their links

A rename changes the state: this is the instant of the capture. The process that makes the capture holds a lock on the
file. An unlocked entry was interrupted. It is settled before any other work:

- frozen: the links are made, V -> O and S -> L.
- prepared: V -> O, and no snapshot. This is correct in both cases. If QEMU had switched, O contains the guest's writes
  since then. If not, O is still empty and reads like L, now and after the guest has stopped. The guest's next start
  opens O, and the next capture of the running guest detects that it writes to L. Until then L is not treated as
  immutable: QEMU's image lock on it keeps qemu-img from merging it.

So recovery from a crash needs no hypervisor, an undo has nothing to repair, and a retry is a fresh capture.

An interrupted entry that cannot be read is kept as `<id>.<state>.damaged`, and settled from the contents of the folder
(see `_salvaged`): V -> O, and no snapshot. This is correct for any contents of the entry: its caller was never told
that the snapshots exist, and tries again.
"""

import fcntl
import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Final

from souche.storage.qcow2.directory import Directory
from souche.storage.qcow2.locks import try_lock, wait_for
from souche.storage.qcow2.setting_aside import remove, set_aside
from souche.synced import sync_directory

PREPARED: Final = ".prepared"
FROZEN: Final = ".frozen"
DAMAGED: Final = ".damaged"


@dataclass(frozen=True)
class Move:
    """One volume of a capture. `current` is the former target of its link, `layer` the frozen layer. They differ only
    if an earlier capture was interrupted before the switch. All three are names in `layers/`."""

    volume_id: str
    snapshot_id: str
    current: str
    layer: str
    overlay: str


class Entry:
    """A capture that is being made. All its methods but `close` are called under the store's lock."""

    def __init__(self, journal: "Journal", path: Path, moves: Sequence[Move], descriptor: int) -> None:
        self._journal = journal
        self._path = path
        self._moves = moves
        self._descriptor = descriptor

    def close(self) -> None:
        """Close the entry, finished or not."""
        os.close(self._descriptor)

    def freeze(self) -> None:
        """Commit the capture: the snapshots exist. Durable on return."""
        frozen = self._path.with_suffix(FROZEN)
        self._path.rename(frozen)
        self._path = frozen
        sync_directory(frozen.parent)

    def finish(self) -> None:
        """Make the links, and remove the entry."""
        self._journal.roll_forward(self._path, self._moves)

    def abandon(self) -> None:
        """Give up before the switch: the volumes keep their files, and no id names the overlays."""
        _strike_out(self._path)


class Journal:
    """The captures under way in one store."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    @contextmanager
    def settled(self, *resource_ids: str) -> Iterator[None]:
        """Hold the store's lock, with every interrupted capture settled, and none under way that touches any
        of these volumes and snapshots."""
        while True:
            with self._directory.locked():
                busy = self._settle(resource_ids)
                if busy is None:
                    yield
                    return
            wait_for(busy)

    def begin(self, moves: Sequence[Move]) -> Entry:
        """Write a prepared capture, under the store's lock. It is under way until the caller closes the entry or
        ends."""
        draft = self._directory.captures / f".{moves[0].snapshot_id}"
        path = draft.with_name(moves[0].snapshot_id + PREPARED)
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _write(descriptor, json.dumps([asdict(move) for move in moves]).encode())
            os.fsync(descriptor)
            draft.rename(path)
            sync_directory(path.parent)
        except BaseException:
            os.close(descriptor)
            raise
        return Entry(self, path, moves, descriptor)

    def open_moves(self) -> list[Move]:
        """The volumes of every capture that is in the journal. Under the store's lock."""
        return [move for path in self._entries() for move in _read(path) or ()]

    def is_readable(self) -> bool:
        """Whether `open_moves` is complete. Under the store's lock."""
        return all(_read(path) is not None for path in self._entries())

    def damaged(self) -> list[str]:
        """The names of the unreadable entries that were kept."""
        return sorted(path.name for path in self._directory.captures.glob(f"*{DAMAGED}"))

    def sweep(self) -> None:
        """Remove drafts left by a crash. Under the store's lock."""
        for path in self._directory.captures.glob(".*"):
            remove(path)

    def roll_forward(self, path: Path, moves: Sequence[Move]) -> None:
        """Make the links of a capture's state. Idempotent until the entry is removed."""
        for move in moves:
            self._move_on(move)
            if path.suffix == FROZEN:
                self._directory.snapshots.set(move.snapshot_id, move.layer)
        _strike_out(path)

    def _move_on(self, move: Move) -> None:
        """Make the volume write to its overlay. A link of the volume in the trash belongs to an interrupted restore. If
        that restore used it later, the volume would write to the layer that is now frozen."""
        if self._directory.volumes.get(move.volume_id) == move.current:
            if self._directory.trash["volume"].get(move.volume_id) is not None:
                self._directory.trash["volume"].remove(move.volume_id)
            self._directory.volumes.set(move.volume_id, move.overlay)

    def _settle(self, resource_ids: Collection[str]) -> Path | None:
        """Settle interrupted captures. Returns an entry under way that touches one of the ids, if there is one."""
        busy = None
        for path in self._entries():
            moves = _read(path)
            descriptor = try_lock(path)
            if descriptor is not None:
                try:
                    self._settle_one(path, moves)
                finally:
                    os.close(descriptor)
            elif moves is not None and any(
                move.volume_id in resource_ids or move.snapshot_id in resource_ids for move in moves
            ):
                busy = path
        return busy

    def _settle_one(self, path: Path, moves: Sequence[Move] | None) -> None:
        if moves is None:
            self._set_aside(path)
        else:
            self.roll_forward(path, moves)

    def _set_aside(self, path: Path) -> None:
        """Keep an unreadable entry. Its volumes move to the overlays that QEMU may write to."""
        for move in self._salvaged():
            self._move_on(move)
            set_aside(move.volume_id, f"continues with {move.overlay}, as {path.name} cannot be read")
        set_aside(path.name, f"cannot be read, is kept as {path.name}{DAMAGED}")
        path.rename(path.with_name(path.name + DAMAGED))
        sync_directory(path.parent)

    def _salvaged(self) -> list[Move]:
        """What an unreadable entry may have contained: unnamed overlays of a volume's current file, made for that
        volume. The newest of each volume counts; the others are of abandoned captures."""
        currents = self._directory.volumes.all()
        named = {move.overlay for move in self.open_moves()} | set(currents.values())
        found: dict[str, Move] = {}
        for overlay in self._directory.newest_first():
            volume_id = overlay.partition(".")[0]
            current = currents.get(volume_id)
            if current is None or overlay in named or volume_id in found:
                continue
            if self._directory.backing(overlay) == current:
                found[volume_id] = Move(volume_id, "", current, current, overlay)
        return list(found.values())

    def _entries(self) -> list[Path]:
        return [path for path in self._directory.captures.iterdir() if path.suffix in (PREPARED, FROZEN)]


def _write(descriptor: int, data: bytes) -> None:
    """Write all of the data. On a nearly full medium write(2) writes what fits, and only the next call fails."""
    while data:
        data = data[os.write(descriptor, data) :]


def _read(path: Path) -> list[Move] | None:
    """The contents of an entry; None if it cannot be read."""
    try:
        moves = [Move(**fields) for fields in json.loads(path.read_bytes())]
    except (OSError, ValueError, TypeError):
        return None
    return moves if all(type(name) is str for move in moves for name in astuple(move)) else None


def _strike_out(path: Path) -> None:
    path.unlink()
    sync_directory(path.parent)
