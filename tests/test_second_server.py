"""Two `souche serve` on one PostgreSQL database, as two processes: one serves, the other refuses in a line."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from souche.db.engines.postgresql_processes import SERVER_LOCK
from tests.support.polling import eventually
from tests.test_main import GRACE_SECONDS, SOUCHE, blocked_disks, serving, souche, told

REFUSED = "Another process serves the region whose records are in postgresql://"
HOLDERS = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = %s"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return _folder(tmp_path / "first") / "home"


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def assert_refused(home: Path, url: str) -> None:
    done = souche(
        "serve", "--home", home, "--listen", "127.0.0.1:0", "--compute", "simulated", "--database", url
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert REFUSED in done.stderr


@contextmanager
def starting(home: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    argv: list[str | Path] = [
        SOUCHE,
        "serve",
        "--home",
        home,
        "--listen",
        "127.0.0.1:0",
        "--compute",
        "simulated",
    ]
    with subprocess.Popen([*argv, "--database", url], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_of_two_new_regions_that_start_at_once_one_gets_the_database(tmp_path: Path, url: str) -> None:
    """The other's home stays a new one: it takes another database later."""
    homes = [tmp_path / "one", tmp_path / "two"]
    with starting(homes[0], url) as one, starting(homes[1], url) as two:
        processes = dict(zip(homes, (one, two), strict=True))
        eventually(lambda: any((home / "serving.json").exists() for home in homes), GRACE_SECONDS)
        eventually(lambda: any(each.poll() is not None for each in processes.values()), GRACE_SECONDS)
        (loser,) = (home for home in homes if processes[home].poll() is not None)
        said = processes[loser].communicate(timeout=GRACE_SECONDS)[1]
        assert (processes[loser].returncode, said.count("\n")) == (1, 1), said
        assert REFUSED in said
        assert not (loser / "serving.json").exists()
        assert not (loser / "database.json").exists()
        assert not (loser / "region-id").exists()


def test_a_copy_of_a_home_waits_for_the_end_of_its_server_and_finishes_its_work(
    tmp_path: Path, home: Path, url: str
) -> None:
    copy = _folder(tmp_path / "second") / "home"
    with serving(home, "--database", url) as served, blocked_disks(home):
        account = told("account", "create", "alice", "--home", home)
        before = served.call(account, "CreateVolume", SubregionName="souche-1a", Size=1)["Volume"]["VolumeId"]
        shutil.copytree(home, copy, ignore=shutil.ignore_patterns("operator", "serving.json"))
        assert_refused(copy, url)
        assert served.volume_state(account, before) == "creating"
    with serving(copy, "--database", url) as served:
        eventually(lambda: served.volume_state(account, before) == "available", GRACE_SECONDS)


def test_a_server_whose_connection_was_ended_stays_the_one_server(
    tmp_path: Path, home: Path, url: str
) -> None:
    """As by an administrator of the database, or a restart of it."""
    with serving(home, "--database", url) as served, psycopg.connect(url, autocommit=True) as database:
        before = holders(database)
        database.execute("SELECT pg_terminate_backend(%s)", before)
        eventually(lambda: holders(database) not in ([], before), GRACE_SECONDS)
        copy = tmp_path / "copy"
        shutil.copytree(home, copy, ignore=shutil.ignore_patterns("operator", "serving.json"))
        assert_refused(copy, url)
        assert served.process.poll() is None


def test_a_server_ends_when_another_got_the_database_meanwhile(home: Path, url: str) -> None:
    with serving(home, "--database", url) as served, psycopg.connect(url, autocommit=True) as database:
        served.process.send_signal(signal.SIGSTOP)
        database.execute("SELECT pg_terminate_backend(%s)", holders(database))
        eventually(lambda: taken(database), GRACE_SECONDS)
        served.process.send_signal(signal.SIGCONT)
        assert served.process.wait(GRACE_SECONDS) == 1
        last = json.loads(served.errors.read_text().splitlines()[-1])
    assert (
        last["event"]
        == "another process took these records over while the database was unreachable, so this one ends"
    )


def holders(database: psycopg.Connection) -> list[int]:
    """The processes of the database that have the lock of the server."""
    return [row[0] for row in database.execute(HOLDERS, [SERVER_LOCK % 2**32])]


def taken(database: psycopg.Connection) -> bool:
    """Whether this connection has got the lock."""
    row = database.execute("SELECT pg_try_advisory_lock(%s)", [SERVER_LOCK]).fetchone()
    return row == (True,)
