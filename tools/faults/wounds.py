"""Faults of a home between two lives, and their repair: a full medium, a read-only one, truncated, missing or damaged
files, guests that end."""

import ctypes
import json
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

Kind = Literal[
    "none", "full", "read-only", "layer gone", "layer cut", "capture damaged", "guests end", "clock"
]

CLONE_NEWNS: Final = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
MEDIUM_BYTES: Final = 8 * 1024**3
"""maximum size: it uses memory only for its contents"""
RESERVE_BYTES: Final = 64 * 1024**2

LENIENT: Final[frozenset[Kind]] = frozenset({"full", "read-only", "layer gone", "layer cut", "guests end"})
"""While one of these lasts, requests may fail."""


class Medium:
    """A small separate file system for the home, which ends with this process; without root, a plain folder."""

    def __init__(self, place: Path) -> None:
        self._place = place
        place.mkdir(parents=True, exist_ok=True)
        self.is_small = os.geteuid() == 0
        if self.is_small:
            libc = ctypes.CDLL(None, use_errno=True)
            _checked(libc.unshare(CLONE_NEWNS))
            _checked(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
            options = f"size={MEDIUM_BYTES},mode=711".encode()
            _checked(libc.mount(b"souche-faults", bytes(place), b"tmpfs", 0, options))

    def kinds(self) -> list[Kind]:
        """The faults that are possible here."""
        anywhere: list[Kind] = ["layer gone", "layer cut", "capture damaged", "guests end", "clock"]
        return [*anywhere, "full", "full", "read-only"] if self.is_small else anywhere

    @contextmanager
    def full(self, source: random.Random) -> Iterator[None]:
        """Leave little space, or none; often about the region's reserve."""
        status = os.statvfs(self._place)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        left = source.choice((0, 4096, 65_536, 300_000, 1_000_000))
        self._remount(f"size={used + left + source.choice((0, 0, RESERVE_BYTES))}")
        try:
            yield
        finally:
            self._remount(f"size={MEDIUM_BYTES}")

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Make the medium read-only."""
        self._remount("ro")
        try:
            yield
        finally:
            self._remount("rw")

    def _remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self._place)], check=True)


def _checked(status: int) -> None:
    if status != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def layer_gone(home: Path, source: random.Random) -> Iterator[None]:
    """Remove a layer that others depend on; it comes back."""
    layer = _some_layer(home, source)
    hidden = home.parent / "hidden"
    layer.rename(hidden)
    try:
        yield
    finally:
        hidden.rename(layer)


@contextmanager
def layer_cut(home: Path, source: random.Random) -> Iterator[None]:
    """Truncate a layer; the complete one comes back."""
    layer = _some_layer(home, source)
    hidden = home.parent / "hidden"
    layer.rename(hidden)
    data = hidden.read_bytes()
    layer.write_bytes(data[: source.randrange(len(data))])
    try:
        yield
    finally:
        hidden.rename(layer)


def _some_layer(home: Path, source: random.Random) -> Path:
    links = sorted((home / "disks" / "snapshots").iterdir())
    return source.choice(links).resolve()


def damage_capture(home: Path, source: random.Random) -> None:
    """Add an invalid entry to the journal of captures: the region sets it aside."""
    data = source.choice((b"", b"[", b"{}", b"null", b'[{"volume_id": 1}]', b"\xff"))
    suffix = source.choice((".prepared", ".frozen"))
    (home / "disks" / "captures" / f"snap-{source.getrandbits(32):08x}{suffix}").write_bytes(data)


def remove_damaged_captures(home: Path) -> None:
    """Remove them, like an operator."""
    for path in (home / "disks" / "captures").iterdir():
        try:
            json.loads(path.read_bytes())[0]["overlay"]
        except (ValueError, LookupError, TypeError):
            path.unlink()


def end_guests(home: Path, source: random.Random) -> None:
    """End some guests' processes."""
    for record in sorted((home / "simulated-guests").glob("*.json")):
        if source.random() < 0.5:
            record.write_text(json.dumps(json.loads(record.read_bytes()) | {"open": None}))
