"""Named states of a region with simulated guests, from which tests can begin.

A state is a folder, `<home>/states/<name>`, with the contents of the home. Layers are hard links, because they are
immutable. Databases, the object store and the files that volumes write to are copied, as reflinks if the file system
supports them. So the time to save a state depends on the databases, not on the disks.

A state gets its name when it is complete and on the medium, and loses it before any part of it is deleted. Loading
first removes the database: without it no server starts in the home. The database is restored last. Another `souche
state load` repeats an interrupted one.
"""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from souche import run
from souche.errors import Conflict, Invalid, NotFound, WrongState
from souche.home import PRIVATE, PRIVATE_FOLDER, Home
from souche.main import records
from souche.storage.qcow2.directory import Directory
from souche.storage.qcow2.durable import sync_directory
from souche.storage.qcow2.journal import Journal

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
AUDIT: Final = "audit.jsonl"
"""the default name of the audit log. Loading a state does not change the log"""
ROTATED: Final = r"([.-]\d.*)?"
"""suffix of a rotated file of the audit log, by Souche or another program"""
LEFT_OUT: Final = frozenset(("states", "serving.json", "ballast", "staging", "operator"))
"""these belong to the home, not to the region's contents; so do locks"""
FOLDERS: Final = frozenset(("disks", "oos", "guests", "tls"))
"""the folders with the region's contents"""
SYNC_SECONDS: Final = 600.0
GOING: Final = "~"
"""appended to the name of a state that is being deleted; no name has it"""
COPY_SECONDS: Final = 3600.0


class BadStateName(Invalid):
    """{name!r} is no name of a state: letters, digits, '.', '_' and '-' are expected, 64 at most."""


class StateExists(Conflict):
    """There is a state {name} already: delete it first."""


class NoSuchState(NotFound):
    """There is no state {name}."""


class StateDamaged(WrongState):
    """The state {name} is not whole: {missing} is not there. The region stays as it is; delete the state."""


class RegionNotWhole(WrongState):
    """The region in {home} is not whole, as the loading of a state was broken off: load a state again."""


class GuestsAreReal(WrongState):
    """States are of regions with --compute simulated: the guests of {home} are real."""


class DisksElsewhere(WrongState):
    """The disks of {home} are on another file system: its states would be copies of them."""


class States:
    """The states of a region while no server runs."""

    def __init__(self, path: Path) -> None:
        self._home = Home(path.resolve())
        self._root = self._home.path / "states"

    def save(self, name: str) -> float:
        """Save the region's contents. Returns the time of the saving (seconds since the epoch).

        Raises:
            BadStateName, StateExists, HomeInUse, RegionNotWhole, and those of `_check`.
        """
        if not NAME.fullmatch(name):
            raise BadStateName(name=name)
        self._check()
        with self._home.replace():
            if (self._root / name).exists():
                raise StateExists(name=name)
            if _missing(self._home.path):
                raise RegionNotWhole(home=self._home.path)
            self._root.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            partial = self._root / f".{name}"
            _copy(self._home.path, partial, _audit(self._home))
            partial.rename(self._root / name)
            sync_directory(self._root)
            return (self._root / name).stat().st_mtime

    def load(self, name: str) -> float:
        """Restore the region's state. Its current contents are deleted. Returns the time when the state was saved
        (seconds since the epoch).

        Raises:
            NoSuchState, StateDamaged, HomeInUse, and those of `_check`.
        """
        self._check()
        with self._home.replace():
            state = self._folder(name)
            if missing := _missing(state):
                raise StateDamaged(name=name, missing=missing)
            partial = self._root / f".{name}"
            audit = _audit(self._home)
            _copy(state, partial, audit)
            self._home.database.unlink(missing_ok=True)
            sync_directory(self._home.path)
            kept = _contents(partial, audit)
            for gone in {*_contents(self._home.path, audit)} - {*kept, self._home.database.name}:
                _remove(self._home.path / gone)
            for entry in sorted(kept, key=lambda each: each == self._home.database.name):
                _replace(partial / entry, self._home.path / entry)
            sync_directory(self._home.path)
            partial.rmdir()
            return state.stat().st_mtime

    def every(self) -> dict[str, float]:
        """The names of the states, with the time of each (seconds since the epoch), oldest first."""
        found = {each.name: each.stat().st_mtime for each in self._visible()}
        return dict(sorted(found.items(), key=lambda each: each[1]))

    def delete(self, name: str) -> float:
        """Delete a state. The region may be served. Returns the time of the state's saving (seconds since the epoch).

        Raises:
            NoSuchState.
        """
        going = self._root / f".{name}{GOING}"
        if going.exists():  # of a deletion that was broken off
            shutil.rmtree(going)
        try:
            seconds = self._folder(name).stat().st_mtime
            self._folder(name).rename(going)
        except FileNotFoundError as error:
            raise NoSuchState(name=name) from error
        sync_directory(self._root)
        shutil.rmtree(going)
        return seconds

    def _visible(self) -> Iterator[Path]:
        if self._root.is_dir():
            yield from (each for each in self._root.iterdir() if NAME.fullmatch(each.name))

    def _folder(self, name: str) -> Path:
        if not NAME.fullmatch(name) or not (self._root / name).is_dir():
            raise NoSuchState(name=name)
        return self._root / name

    def _check(self) -> None:
        """Refuse a home that cannot have states.

        Raises:
            NotServed, GuestsAreReal, DisksElsewhere, NotOnPostgreSql.
        """
        facts = self._home.read()
        records.refuse_on_postgresql(self._home, "souche state", "its records would stay as they are")
        if facts.get("Compute") != "simulated":
            raise GuestsAreReal(home=self._home.path)
        if self._home.disks.is_symlink():
            raise DisksElsewhere(home=self._home.path)


def _missing(folder: Path) -> str | None:
    """A missing part that a region needs; None: it is whole."""
    needed = (Home(folder).database, Home(folder).disks / "layers")
    for each in needed:
        if not each.exists() or (each.is_file() and not each.stat().st_size):
            return str(each.relative_to(folder))
    return None


def _audit(home: Home) -> re.Pattern[str]:
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


def _contents(folder: Path, audit: re.Pattern[str]) -> list[str]:
    """The region's contents in its folder; a database's log is in its copy."""
    names = (each.name for each in folder.iterdir() if not audit.fullmatch(each.name))
    return [name for name in names if name not in LEFT_OUT and not name.endswith(("-wal", "-shm", ".lock"))]


def _copy(source: Path, target: Path, audit: re.Pattern[str]) -> None:
    """Copy the region's contents into a new folder, durably."""
    shutil.rmtree(target, ignore_errors=True)  # of one that was broken off
    target.mkdir(mode=PRIVATE_FOLDER)
    for name in _contents(source, audit):
        if name.endswith(".sqlite"):
            _copy_database(source / name, target / name)
        elif name != "disks":
            _copy_file(source / name, target / name)
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


def _copy_database(source: Path, target: Path) -> None:
    """Copy a database with its log. Never creates the source, or a log beside it."""
    target.touch(mode=PRIVATE)
    has_log = source.with_name(f"{source.name}-wal").exists()
    how = "mode=rw" if has_log else "mode=ro&immutable=1"
    with (
        closing(sqlite3.connect(f"{source.as_uri()}?{how}", uri=True)) as before,
        closing(sqlite3.connect(target)) as after,
    ):
        before.backup(after)


def _replace(new: Path, old: Path) -> None:
    """Replace a file or folder. A file exists at every moment."""
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    if old.suffix == ".sqlite":
        for log in ("-wal", "-shm"):
            old.with_name(old.name + log).unlink(missing_ok=True)
    new.replace(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
