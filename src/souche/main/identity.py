"""The identity of a home's region: its id is in `region.sqlite`, in `disks/region-id` and in `region-id`.

The sweeps remove disks without a record. So they must never run with a database that is not this region's (an empty
one, one that lost its write-ahead log, one of another home), with the disks of another region, or on the empty folder
where the disks' file system should be mounted.

The id is written to the database first, then to `disks/`, then to the home. So an interrupted first start can be told
from exchanged files. A home of an earlier Souche has none of the three, and gets them at its first start.
"""

from pathlib import Path
from uuid import uuid4

from souche.backup.restore import RESTORING
from souche.db import buckets, region
from souche.db.examination import Contents, examine
from souche.db.store import Store
from souche.errors import SystemFailure
from souche.home import Home, write_whole
from souche.main.volume_stores import lost_volume_folders


class RecordsMissing(SystemFailure):
    """{home} is the home of a region, but region.sqlite is missing or has no records: put it back, with the
    region.sqlite-wal that belongs to it. (For a new region, choose another home.) Nothing was changed."""


class RestoreBroken(SystemFailure):
    """{home} holds the beginning of a restore: run the same `souche restore` again, or remove the folder."""


class LoadingBroken(SystemFailure):
    """A named state is being loaded into {home}, or its load was interrupted: start the region with `souche serve`, or
    run `souche status`, which completes or undoes an interrupted load."""


class RegionDiffers(SystemFailure):
    """{file} is of the region {file_id}, but the records are of {database_id}: put back files of the same region. If
    the records are of these disks (a database of an earlier Souche), remove region-id and disks/region-id. Nothing was
    changed."""


class DisksMissing(SystemFailure):
    """There is no region-id in {home}/disks: mount the file system that the region's disks are on, or put disks/ back.
    Nothing was changed."""


class FolderMissing(SystemFailure):
    """{folder} is missing: put it back. If what was in it is lost, make an empty folder in its place. Nothing was
    changed."""


class ObjectsMissing(SystemFailure):
    """{folder} is missing, and buckets are on record: mount the object store's file system, or put the folder back. If
    what was in it is lost, or was in another object store, make an empty folder in its place. Nothing was changed."""


class VaultKeyMissing(SystemFailure):
    """{file} is missing: put it back. Without it no secret in the database can be read. Nothing was changed."""


class DatabaseEmpty(SystemFailure):
    """{home} is the home of a region, and the database {database} has no records: name the one that has them, or put
    them back. (For a new region, choose another home.) Nothing was changed."""


class DatabaseTaken(SystemFailure):
    """The database {database} has the records of the region {region_id}, and {home} is not its home: give each region a
    database of its own. Nothing was changed."""


def check(home: Home) -> None:
    """Refuse a home whose parts do not belong together, or that lost its key or a folder. Changes nothing.

    Raises:
        VaultKeyMissing, FolderMissing, and those of `check_parts`.
    """
    _check_files(home, check_parts(home))


def check_with_server(home: Home, contents: Contents, database: str, region_id: str) -> None:
    """As `check`, for a home whose records are on a database server. `region_id` is the id in the home.

    Raises:
        RestoreBroken, LoadingBroken, DatabaseEmpty, DatabaseTaken, DisksMissing, RegionDiffers, VaultKeyMissing,
        FolderMissing.
    """
    if (home.path / RESTORING).exists():
        raise RestoreBroken(home=home.path)
    if home.loading.exists():
        raise LoadingBroken(home=home.path)
    in_disks, in_home = _read(home.disks_region_id), _read(home.region_id)
    if contents.region_id is None and (in_disks or in_home or home.has_disks()):
        raise DatabaseEmpty(home=home.path, database=database)
    if contents.region_id not in (None, region_id):
        raise DatabaseTaken(home=home.path, database=database, region_id=contents.region_id)
    for file, file_id in ((home.disks_region_id, in_disks), (home.region_id, in_home)):
        if file_id is not None and file_id != contents.region_id:
            raise RegionDiffers(
                file=file, file_id=file_id or "none (the file is empty)", database_id=region_id
            )
    if in_home is not None and in_disks is None:
        raise DisksMissing(home=home.path)
    _check_files(home, contents)


def _check_files(home: Home, contents: Contents) -> None:
    if contents.has_secrets and not home.vault_key.exists():
        raise VaultKeyMissing(file=home.vault_key)
    for name in lost_volume_folders(home):
        if contents.region_id is not None:  # an earlier Souche had no trash
            raise FolderMissing(folder=home.disks / name)


def check_parts(home: Home) -> Contents:
    """Refuse a home whose parts do not belong together. Changes nothing. Returns the contents of the database.

    Raises:
        RecordsMissing, RestoreBroken, LoadingBroken, RegionDiffers, DisksMissing, DatabaseDamaged, DatabaseNewer,
    DatabaseUnwritable.
    """
    if home.loading.exists():
        raise LoadingBroken(home=home.path)
    in_files = {file: _read(file) for file in (home.disks_region_id, home.region_id)}  # before the database
    contents = examine(home.database)
    if contents.revision is None:
        if (home.path / RESTORING).exists():
            raise RestoreBroken(home=home.path)
        if any(in_files.values()) or home.has_disks() or home.has_write_ahead_log():
            raise RecordsMissing(home=home.path)
        return contents
    for file, file_id in in_files.items():
        if file_id is not None and file_id != contents.region_id:
            database_id = contents.region_id or "none"
            raise RegionDiffers(
                file=file, file_id=file_id or "none (the file is empty)", database_id=database_id
            )
    if in_files[home.region_id] is not None and in_files[home.disks_region_id] is None:
        raise DisksMissing(home=home.path)
    return contents


def check_objects(home: Home, store: Store) -> None:
    """Refuse an empty object store where buckets are on record: the records of its buckets would be removed.

    Raises:
        ObjectsMissing.
    """
    with store.read() as connection:
        if not home.oos_data.is_dir() and buckets.every(connection):
            raise ObjectsMissing(folder=home.oos_data)


def settle(home: Home, store: Store, new_id: str | None = None) -> None:
    """Write the missing ids of a region that passed `check`. `new_id`: the id of a new region."""
    with store.begin() as connection:
        region_id = region.adopt_id(connection, new_id or str(uuid4()))
    home.make_disks()
    for file in (home.disks_region_id, home.region_id):
        if not file.exists():
            write_whole(file, f"{region_id}\n")


def _read(file: Path) -> str | None:
    try:
        return file.read_text(errors="replace").strip()
    except FileNotFoundError:
        return None
