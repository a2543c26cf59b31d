"""Named states of a region with simulated guests, from which tests can begin.

A state is a folder, `<home>/states/<name>`, with the contents of the home. Layers are hard links, because they are
immutable. Databases, the object store and the files that volumes write to are copied, as reflinks if the file system
supports them. So the time to save a state depends on the databases, not on the disks. The records are always a SQLite
file (`state_records.py`).

A state gets its name when it is complete and on the medium, and loses it before any part of it is deleted.
`state_loading.py` has the steps of a load, and what a kill leaves after each.
"""

import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

from souche.errors import Conflict, Invalid, NotFound, WrongState
from souche.home import PRIVATE_FOLDER, Home
from souche.main import state_files, state_loading, state_records
from souche.main.state_loading import Loading
from souche.main.state_records import Records
from souche.synced import sync_directory

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
GOING: Final = "~"
"""appended to the name of a state that is being deleted; no name has it"""


class BadStateName(Invalid):
    """{name!r} is not a name for a state: up to 64 letters, digits, '.', '_' and '-' are expected."""


class StateExists(Conflict):
    """There is already a state {name}: delete it first."""


class NoSuchState(NotFound):
    """There is no state {name}."""


class StateDamaged(WrongState):
    """The state {name} is incomplete: {missing} is missing. The region is unchanged. Delete the state."""


class RegionNotWhole(WrongState):
    """The region in {home} is incomplete: {missing} is missing. Put it back, or load a state."""


class GuestsAreReal(WrongState):
    """Only regions with --compute simulated have states: the guests of {home} are real."""


class DisksElsewhere(WrongState):
    """The disks of {home} are on another file system, and states need them on the same one as the home."""


class States:
    """The states of a region while no server runs."""

    def __init__(self, path: Path) -> None:
        self._home = Home(path.resolve())
        self._root = self._home.path / "states"

    def save(self, name: str) -> float:
        """Save the region's contents. Returns the time of the saving (seconds since the epoch).

        Raises:
            BadStateName, StateExists, HomeInUse, RegionNotWhole, DatabaseEmpty, and those of `_check` and
            `Records.held`.
        """
        if not NAME.fullmatch(name):
            raise BadStateName(name=name)
        self._check()
        with self._home.replace():
            state_loading.finish(self._home)
            records = state_records.of(self._home)
            if (self._root / name).exists():
                raise StateExists(name=name)
            if missing := state_files.missing(self._home.path, records=records.are_file):
                raise RegionNotWhole(home=self._home.path, missing=missing)
            self._root.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            folder = state_loading.folder_of(self._home, name)
            with records.held():
                audit = state_files.audit_names(self._home)
                state_files.copy(self._home.path, folder, audit, records.save)
            folder.rename(self._root / name)
            sync_directory(self._root)
            return (self._root / name).stat().st_mtime

    def load(self, name: str) -> float:
        """Restore the region's state. Its current contents are deleted. Returns the time when the state was saved
        (seconds since the epoch).

        Raises:
            NoSuchState, StateDamaged, HomeInUse, RowsRefused, and those of `_check`, `Records.held` and
            `Records.prepare`.
        """
        self._check()
        with self._home.replace():
            state_loading.finish(self._home)
            state = self._folder(name)
            if missing := state_files.missing(state):
                raise StateDamaged(name=name, missing=missing)
            records = state_records.of(self._home)
            with records.held():
                self._load(name, state, records)
            return state.stat().st_mtime

    def _load(self, name: str, state: Path, records: Records) -> None:
        folder = state_loading.folder_of(self._home, name)
        file = Home(folder).database
        audit = state_files.audit_names(self._home)
        state_files.copy(state, folder, audit, partial(state_files.copy_database, Home(state).database))
        region_id = records.prepare(file)
        kept = [each for each in state_files.contents(folder, audit) if records.are_file or each != file.name]
        loading = Loading(folder.name, uuid4().hex, region_id, kept)
        state_loading.begin(self._home, loading)
        try:
            records.load(file, loading.token)
        finally:
            state_loading.finish(self._home)

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
            NotServed, GuestsAreReal, DisksElsewhere.
        """
        facts = self._home.read()
        if facts.get("Compute") != "simulated":
            raise GuestsAreReal(home=self._home.path)
        if self._home.disks.is_symlink():
            raise DisksElsewhere(home=self._home.path)
