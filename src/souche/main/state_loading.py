"""The step that replaces a region's contents by a named state.

1. `states` copies the state into a folder beside it, and checks it. The region is as before.
2. `begin` writes `loading.json` into the home, with a token. With records in a file, the state is decided from now on.
3. With records in PostgreSQL, one transaction replaces them and writes the token into the database, which decides.
4. `finish` moves the files, and removes `loading.json` last.

After a kill, `settle` asks whether the state was decided. If so it moves the files that are left; otherwise the region
is as before. Each process that opens the region calls it first, so none sees a mix; `identity` refuses a home with a
`loading.json`.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from souche.home import PRIVATE, Home, HomeBeingReplaced, HomeInUse, write_whole
from souche.main import state_files
from souche.synced import sync_directory

if TYPE_CHECKING:
    from souche.main.state_records import Records


@dataclass(frozen=True)
class Loading:
    """The contents of `loading.json`. `folder` is the copy of the state, by its name in `states/`; `contents` are the
    names in it that go into the home."""

    folder: str
    token: str
    region_id: str
    contents: Sequence[str]


def folder_of(home: Home, name: str) -> Path:
    """Where a state is made or loaded from, beside the states."""
    return home.path / "states" / f".{name}"


def begin(home: Home, loading: Loading) -> None:
    """Decide the state, or announce the transaction that will."""
    write_whole(home.loading, json.dumps(asdict(loading), indent=2) + "\n", PRIVATE)


def settle(home: Home) -> None:
    """Complete or undo an interrupted load.

    Raises:
        HomeBeingReplaced: a load is under way. What `PostgreSql.check` raises.
    """
    if not home.loading.exists():
        return
    try:
        with home.replace():
            finish(home)
    except HomeInUse as error:
        raise HomeBeingReplaced(home=home.path) from error


def finish(home: Home) -> None:
    """As `settle`, for a process that holds the home (`Home.replace`)."""
    try:
        loading = Loading(**json.loads(home.loading.read_text()))
    except FileNotFoundError:
        return
    from souche.main import (
        state_records,
    )  # imported here: it imports both databases, and most commands return above

    records = state_records.of(home)
    folder = home.path / "states" / loading.folder
    if records.has(loading.token):
        _switch(home, folder, loading, records)
    shutil.rmtree(folder, ignore_errors=True)
    home.loading.unlink()
    sync_directory(home.path)


def _switch(home: Home, folder: Path, loading: Loading, records: "Records") -> None:
    """Move what has not been moved yet. The file of the records is last: without it no server starts."""
    file = home.database
    if (folder / file.name).exists():
        file.unlink(missing_ok=True)
        sync_directory(home.path)
    for gone in {*state_files.contents(home.path, state_files.audit_names(home))} - {*loading.contents}:
        state_files.remove(home.path / gone)
    for entry in sorted(loading.contents, key=lambda each: each == file.name):
        if (folder / entry).exists() or (folder / entry).is_symlink():
            state_files.replace(folder / entry, home.path / entry)
    records.keep(loading.region_id)
    sync_directory(home.path)
