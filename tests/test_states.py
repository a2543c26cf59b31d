"""Named states on both databases: their content, kills after each step, and refusals."""

import shutil
import sqlite3
import subprocess
import tarfile
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import psycopg
import pytest

from souche.db import row_copies
from souche.db.engines import postgresql_load
from souche.db.engines.postgresql import PostgreSql
from souche.db.engines.postgresql_load import RowsRefused
from souche.db.engines.postgresql_processes import WRITERS_LOCK, ApiRuns, RecordsBeingReplaced, RecordsInUse
from souche.db.examination import DatabaseNewer
from souche.errors import SoucheError
from souche.home import Home
from souche.main import records, state_files, state_loading, state_records
from souche.main.identity import DatabaseTaken, LoadingBroken
from souche.main.records import Place
from souche.main.states import States
from tests.support import homes
from tests.support.homes import change, contents
from tests.support.killing import is_killed
from tests.support.polling import eventually
from tests.test_api_processes import answering
from tests.test_main import GRACE_SECONDS, SOUCHE, serving, souche, told

FORMER = Path(__file__).parent / "upgrades" / "before-typed-params.tar.xz"
SECRET = "Pa55-w0rd"
STEPS = (
    (state_files, "copy"),
    (state_records.InHome, "prepare"),
    (state_records.OnServer, "prepare"),
    (state_loading, "begin"),
    (postgresql_load, "empty"),
    (row_copies, "load"),
    (postgresql_load, "write_note"),
    (state_records.OnServer, "load"),
    (state_files, "remove"),
    (state_files, "replace"),
    (records, "keep"),
    (shutil, "rmtree"),
)


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    url = request.getfixturevalue("url") if request.param == "postgresql" else ""
    return homes.make(tmp_path / "home", url)


@pytest.fixture
def there(tmp_path: Path, url: str) -> Home:
    """A region whose records are in PostgreSQL."""
    return homes.make(tmp_path / "there", url)


def test_a_region_is_as_it_was(home: Home) -> None:
    before = contents(home)
    States(home.path).save("one")
    change(home)
    assert contents(home) != before
    States(home.path).load("one")
    assert contents(home) == before
    assert not [each for each in (home.path / "states").iterdir() if each.name != "one"]


def test_a_load_that_is_killed_after_any_step_leaves_one_of_both_states(home: Home) -> None:
    wanted = {"one": contents(home)}
    States(home.path).save("one")
    change(home)
    wanted["two"] = contents(home)
    States(home.path).save("two")
    seen, former, new = [], "two", "one"
    for number in count(1):
        killed = is_killed(number, STEPS, partial(States(home.path).load, new))
        found = contents(home)
        assert found in (wanted[former], wanted[new]), number
        assert not home.loading.exists()
        seen.append(found == wanted[new])
        if not killed:
            break
        if seen[-1]:
            former, new = new, former
    assert seen == sorted(seen)
    assert {*seen} == {False, True}


def test_a_save_that_is_killed_leaves_no_state(home: Home) -> None:
    before = contents(home)
    steps = ((state_files, "copy_database"), (row_copies, "to_file"), (state_files, "copy"))
    for number in count(1):
        if not is_killed(number, steps, lambda: States(home.path).save("one")):
            break
        assert States(home.path).every() == {}
        assert contents(home) == before
    assert [*States(home.path).every()] == ["one"]


def test_a_home_is_not_opened_while_a_state_is_loaded(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a process that did not complete the load first."""
    States(home.path).save("one")
    place = records.known(home)
    assert is_killed(1, [(state_loading, "begin")], lambda: States(home.path).load("one"))
    monkeypatch.setattr(state_loading, "settle", lambda _home: None)
    with pytest.raises(LoadingBroken), homes.opened(home, place.url if place else ""):
        pass


@pytest.mark.parametrize("saved", ["sqlite", "postgresql"])
def test_a_state_of_one_database_is_loaded_into_the_other(saved: str, tmp_path: Path, url: str) -> None:
    """And the home then has the region of the state."""
    urls = {"sqlite": "", "postgresql": url}
    (loaded,) = urls.keys() - {saved}
    source = homes.make(tmp_path / "source", urls[saved])
    before = contents(source)
    States(source.path).save("one")
    target = homes.make(tmp_path / "target", urls[loaded])
    states = target.path / "states"
    shutil.copytree(source.path / "states", states, copy_function=shutil.copy2, symlinks=True)
    assert contents(target)[2] != before[2]
    for _ in range(2):
        States(target.path).load("one")
        assert contents(target) == before
        with homes.opened(target, urls[loaded]):
            pass


def test_a_state_of_an_earlier_release_is_upgraded(there: Home, tmp_path: Path) -> None:
    with tarfile.open(FORMER) as archive:
        archive.extractall(tmp_path)  # noqa: S202  (made by this repository)
    (there.path / "states").mkdir()
    (tmp_path / "home").rename(there.path / "states" / "old")
    States(there.path).load("old")
    found, disks, ids = contents(there)
    assert len(found["vms"]) > 2
    assert disks.volume_ids
    assert ids[0] == ids[1]


def test_a_state_of_a_newer_release_changes_nothing(home: Home) -> None:
    States(home.path).save("one")
    change(home)
    before = contents(home)
    with closing(sqlite3.connect(home.path / "states" / "one" / "region.sqlite")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseNewer, match="newer Souche"):
        States(home.path).load("one")
    assert contents(home) == before


def test_rows_that_the_database_refuses_change_nothing(there: Home) -> None:
    States(there.path).save("one")
    change(there)
    before = contents(there)
    with closing(sqlite3.connect(there.path / "states" / "one" / "region.sqlite")) as connection, connection:
        connection.execute("UPDATE accounts SET alias = ?", ["x" * 10_000])
    with pytest.raises(RowsRefused, match="accounts"):
        States(there.path).load("one")
    assert not there.loading.exists()
    assert contents(there) == before


def test_a_load_whose_process_was_killed_is_waited_for(there: Home, url: str) -> None:
    """Its transaction is still under way in the server: only its end tells which state the region has."""
    States(there.path).save("one")
    change(there)
    before = contents(there)
    found = []
    with psycopg.connect(url) as blocking:
        blocking.execute("LOCK TABLE tags IN SHARE MODE")
        words: list[str | Path] = [SOUCHE, "state", "load", "one", "--home", there.path]
        with subprocess.Popen(words) as process:
            eventually(lambda: waiting(url, "relation") == 1, GRACE_SECONDS)
            process.kill()
        looking = threading.Thread(target=lambda: found.append(contents(there)))
        looking.start()
        eventually(lambda: waiting(url, "advisory") == 1, GRACE_SECONDS)
        assert there.loading.exists()
    looking.join()
    assert found == [before]


def waiting(url: str, kind: str) -> int:
    """How many sessions wait for a lock."""
    query = (
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = %s AND (objid = %s OR objid IS NULL)"
    )
    with psycopg.connect(url) as connection:
        row = connection.execute(query, [kind, WRITERS_LOCK & 0xFFFFFFFF]).fetchone()
    assert row is not None
    return int(row[0])


def assert_refused(home: Home, why: type[SoucheError], said: str) -> None:
    """By saving and by loading, without a change."""
    for work in (States(home.path).load, lambda _one: States(home.path).save("two")):
        with pytest.raises(why, match=said):
            work("one")
    assert [*States(home.path).every()] == ["one"]
    assert not home.loading.exists()


def test_a_process_that_answers_the_api_is_told_to_be_stopped_first(there: Home, url: str) -> None:
    before = contents(there)
    States(there.path).save("one")
    with closing(PostgreSql(url)) as database:
        with database.answered(pytest.fail):
            assert_refused(there, ApiRuns, "souche api")
        with database.served(pytest.fail):
            assert_refused(there, RecordsInUse, "Another process serves")
        with database.replaced(), pytest.raises(RecordsBeingReplaced), database.answered(pytest.fail):
            pass
    assert contents(there) == before
    States(there.path).load("one")


def test_states_are_changed_when_every_process_has_ended(tmp_path: Path, url: str) -> None:
    """With `souche serve` and `souche api` as their users run them."""
    home = tmp_path / "home"
    options = ("--database", url)
    with serving(home, *options) as served:
        account = told("account", "create", "alice", "--home", home)
        volume = served.call(account, "CreateVolume", SubregionName="souche-1a", Size=1)["Volume"]["VolumeId"]
        eventually(lambda: served.volume_state(account, volume) == "available", GRACE_SECONDS)
        assert "Another process serves" in souche("state", "save", "one", "--home", home).stderr
        with answering(home, *options) as (_port, process):
            served.process.terminate()
            served.process.wait(GRACE_SECONDS)
            for command in (("state", "save", "one"), ("destroy", "--yes")):
                assert "souche api" in souche(*command, "--home", home).stderr
            process.terminate()
            process.wait(GRACE_SECONDS)
    told("state", "save", "one", "--home", home)
    told("account", "create", "bob", "--home", home)
    told("state", "load", "one", "--home", home)
    with serving(home, *options) as served, answering(home, *options) as (port, _process):
        assert served.volume_state(account, volume) == "available"
        api = replace(served, facts={**served.facts, "Api": f"http://127.0.0.1:{port}/api/v1"})
        assert api.volume_state(account, volume) == "available"
        assert "bob" not in souche("account", "list", "--home", home).stdout
        checked = souche("fsck", "--home", home)
        assert checked.returncode == 0, checked.stdout


def test_the_records_of_another_region_are_left_alone(
    there: Home, tmp_path: Path, urls: Callable[[str], str]
) -> None:
    """Whose database the home names by a mistake of the operator."""
    States(there.path).save("one")
    url = urls("other")
    other = homes.make(tmp_path / "other", url)
    before = contents(other)
    known = records.known(there)
    assert known is not None
    records.keep(there, Place(url, "", known.region_id))
    assert_refused(there, DatabaseTaken, "not its home")
    assert contents(other) == before


def test_a_state_replaces_records_that_are_lost(there: Home, url: str) -> None:
    """As it does a file."""
    before = contents(there)
    States(there.path).save("one")
    with psycopg.connect(url) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    with pytest.raises(SoucheError, match="no records"):
        States(there.path).save("two")
    States(there.path).load("one")
    assert contents(there) == before


def test_a_table_of_another_program_that_refers_to_the_records_prevents_a_load(there: Home, url: str) -> None:
    States(there.path).save("one")
    before = contents(there)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE bills (account varchar REFERENCES accounts)")
    with pytest.raises(RowsRefused, match="bills"):
        States(there.path).load("one")
    assert contents(there) == before


def test_no_password_is_told_or_kept(tmp_path: Path, url: str) -> None:
    """The tests' server does not ask for one."""
    file = tmp_path / "database"
    file.touch(0o600)
    file.write_text(url.replace("postgres@", f"postgres:{SECRET}@"))
    home = homes.make(tmp_path / "home", url)
    known = records.known(home)
    assert known is not None
    records.keep(home, Place("", str(file), known.region_id))
    done = [souche("state", word, "one", "--home", home.path) for word in ("save", "load")]
    assert [each.returncode for each in done] == [0, 0], done
    with closing(PostgreSql(url)) as database, database.answered(pytest.fail):
        done.append(souche("state", "load", "one", "--home", home.path))
    kept = [each.read_bytes() for each in home.path.rglob("*") if each.is_file()]
    assert not [text for each in done if SECRET in (text := each.stdout + each.stderr)]
    assert not [each for each in kept if SECRET.encode() in each]
