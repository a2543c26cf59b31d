"""How much may still be written, and what says that nothing can be."""

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from souche.db.engines.sqlite import Sqlite
from souche.db.store import Store
from souche.errors import OutOfSpace, ProgramFailed, StorageFailed
from souche.room import GIB, LEAST_BYTES, MIB, Room, Usage, full, room_of, usage_of


def room(free_bytes: int, reserve_bytes: int = GIB) -> Room:
    return Room(lambda: Usage(0, free_bytes), reserve_bytes)


def test_what_is_free_is_free_above_the_reserve() -> None:
    assert room(3 * GIB).free_bytes() == 2 * GIB
    assert room(MIB).free_bytes() < 0


def test_more_than_that_is_refused_with_both_sizes() -> None:
    room(3 * GIB).ask(2 * GIB)
    with pytest.raises(OutOfSpace) as refused:
        room(3 * GIB).ask(2 * GIB + 1)
    assert str(refused.value) == (
        "The region is out of space: this may need 2.0 GiB, and only 2.0 GiB are free beside the reserve for the"
        " region's records."
    )


def test_a_little_must_be_free_for_anything() -> None:
    room(GIB + LEAST_BYTES).ask(1)
    with pytest.raises(OutOfSpace, match="this may need 16 MiB, and only 15 MiB are free beside the reserve"):
        room(GIB + LEAST_BYTES - 1).ask(1)


def test_a_writer_goes_on_until_the_reserve() -> None:
    room(GIB + 1).check()
    with pytest.raises(OutOfSpace):
        room(GIB).check()


def test_the_fullest_medium_counts(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    least = min(usage_of(each).free_bytes for each in (tmp_path, shared))
    assert room_of([tmp_path, shared], 0).free_bytes() == pytest.approx(least, rel=0.05)


def test_how_full_it_is_is_counted_as_df_does() -> None:
    assert Usage(used_bytes=30, free_bytes=10).percent == 75


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        ProgramFailed(program="qemu-img", status=1, stderr="error while writing: No space left on device"),
        OutOfSpace(reason="so it is"),
    ],
)
def test_a_full_medium_is_known_by_what_it_says(error: Exception) -> None:
    assert isinstance(full(error), OutOfSpace)


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EIO, "no"), ProgramFailed(program="p", status=1, stderr="no"), StorageFailed(reason="no")],
)
def test_other_failures_are_others(error: Exception) -> None:
    assert full(error) is None


def test_what_the_user_is_told_has_no_path() -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "/var/lib/souche/disks")
    assert "/" not in str(full(error))


def test_a_database_that_is_full_says_so_in_every_kind_of_transaction(tmp_path: Path) -> None:
    """SQLite's own bound on a file gives the very error of a full medium."""
    store = Store(Sqlite(tmp_path / "region.sqlite"))
    store.migrate()
    with pytest.raises(OutOfSpace) as refused:
        overfill(store)
    assert isinstance(refused.value.__cause__, sa.exc.OperationalError)
    store.close()


def overfill(store: Store) -> None:
    with store.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1")
        connection.exec_driver_sql("CREATE TABLE more AS SELECT zeroblob(100000) AS content")


def test_so_does_the_driver_itself(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.sqlite")) as connection:
        connection.execute("PRAGMA max_page_count=2")
        with pytest.raises(sqlite3.OperationalError) as refused:
            connection.execute("CREATE TABLE more AS SELECT zeroblob(100000) AS content")
    assert isinstance(full(refused.value), OutOfSpace)
