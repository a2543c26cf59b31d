"""The files of a named state: which belong to a region's contents, how they are copied, and how one takes the place of
another."""

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from souche import run
from souche.backup.restore import RESTORING
from souche.home import PRIVATE, PRIVATE_FOLDER, Home
from souche.storage.qcow2.directory import Directory
from souche.storage.qcow2.journal import Journal

AUDIT: Final = "audit.jsonl"
"""the default name of the audit log. Loading a state does not change the log"""
ROTATED: Final = r"([.-]\d.*)?"
"""suffix of a rotated file of the audit log, by Souche or another program"""
LEFT_OUT: Final = frozenset(
    (
        "states",
        "serving.json",
        "ballast",
        "staging",
        "operator",
        Home(Path()).loading.name,
        Home(Path()).database_place.name,
        RESTORING,
    )
)
"""these belong to the home, not to the region's contents; so do locks"""
FOLDERS: Final = frozenset(("disks", "oos", "guests", "tls"))
"""the folders with the region's contents"""
SYNC_SECONDS: Final = 600.0
COPY_SECONDS: Final = 3600.0


def missing(folder: Path, *, records: bool = True) -> str | None:
    """A missing part that a region needs; None: it is whole. `records`: its records are in a file."""
    file = Home(folder).database
    if records and (not file.exists() or not file.stat().st_size):
        return file.name
    layers = Home(folder).disks / "layers"
    return None if layers.exists() else str(layers.relative_to(folder))


def audit_names(home: Home) -> re.Pattern[str]:
    """The names in the home that belong to the audit log, or to its folder in the home."""
    names = [re.escape(AUDIT) + ".*"]
    log = home.path / str(home.server_facts().get("AuditLog") or AUDIT)
    place = log.parent.resolve() / log.name
    if place.is_relative_to(home.path):
        top, *below = place.relative_to(home.path).parts
        if not below:
            names.append(re.escape(top) + ROTATED)
        elif top not in FOLDERS:
            names.append(re.escape(top))
    return re.compile("|".join(names))


def contents(folder: Path, audit: re.Pattern[str]) -> list[str]:
    """The region's contents in its folder; a database's log is in its copy."""
    names = (each.name for each in folder.iterdir() if not audit.fullmatch(each.name))
    return [name for name in names if name not in LEFT_OUT and not name.endswith(("-wal", "-shm", ".lock"))]


def copy(source: Path, target: Path, audit: re.Pattern[str], save_records: Callable[[Path], object]) -> None:
    """Copy the region's contents into a new folder, durably. `save_records` writes the file with the records."""
    shutil.rmtree(target, ignore_errors=True)  # an interrupted copy
    target.mkdir(mode=PRIVATE_FOLDER)
    records = Home(target).database
    for name in contents(source, audit):
        if name.endswith(".sqlite") and name != records.name:
            copy_database(source / name, target / name)
        elif name not in ("disks", records.name):
            _copy_file(source / name, target / name)
    save_records(records)
    directory = Directory(source / "disks", making=False)
    with directory.locked():
        _copy_disks(directory, source / "disks", target / "disks")
    run.run(["sync", "--file-system", "--", target], timeout_seconds=SYNC_SECONDS)


def _copy_disks(directory: Directory, source: Path, target: Path) -> None:
    """Link the layers, except those that volumes write to; copy the rest."""
    (target / "layers").mkdir(parents=True)
    shutil.copystat(source, target)
    shutil.copystat(source / "layers", target / "layers")
    written = _written(directory)
    for file in source.iterdir():
        if file.name != "layers":
            _copy_file(file, target / file.name)
    for layer in (source / "layers").iterdir():
        if written is None or layer.name in written:
            _copy_file(layer, target / "layers" / layer.name)
        else:
            (target / "layers" / layer.name).hardlink_to(layer)


def _written(directory: Directory) -> set[str] | None:
    """The layers that volumes write to, or will after interrupted captures are settled; None: it may be any."""
    journal = Journal(directory)
    if not journal.is_readable():
        return None
    moving = {layer for move in journal.open_moves() for layer in (move.layer, move.overlay, move.current)}
    return directory.current_layers() | moving


def _copy_file(source: Path, target: Path) -> None:
    """Copy a file or a folder with its dates: those of links to layers are the snapshots' own."""
    command = ["cp", "--archive", "--reflink=auto", "--sparse=always", "--no-target-directory", "--"]
    run.run([*command, source, target], timeout_seconds=COPY_SECONDS)


def copy_database(source: Path, target: Path) -> None:
    """Copy a database with its log. Never creates the source, or a log beside it."""
    target.touch(mode=PRIVATE)
    has_log = source.with_name(f"{source.name}-wal").exists()
    how = "mode=rw" if has_log else "mode=ro&immutable=1"
    with (
        closing(sqlite3.connect(f"{source.as_uri()}?{how}", uri=True)) as before,
        closing(sqlite3.connect(target)) as after,
    ):
        before.backup(after)


def replace(new: Path, old: Path) -> None:
    """Replace a file or folder. A file exists at every moment."""
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    if old.suffix == ".sqlite":
        for log in ("-wal", "-shm"):
            old.with_name(old.name + log).unlink(missing_ok=True)
    new.replace(old)


def remove(path: Path) -> None:
    """Remove a file or folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
