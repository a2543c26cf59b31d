"""`souche destroy` on both databases: what it asks, what it removes and what it leaves, and kills after each step."""

from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import psycopg
import pytest

from souche.db.engines import postgresql_removal
from souche.db.engines.postgresql import PostgreSql
from souche.db.engines.postgresql_processes import ApiRuns, RecordsInUse
from souche.db.engines.postgresql_removal import RemovalRefused
from souche.errors import SoucheError
from souche.home import Home, HomeInUse, NotServed
from souche.main import destroying, records, state_files, state_loading
from souche.main.administration import administer
from souche.main.destroying import destroy
from souche.main.identity import DatabaseTaken
from souche.main.records import Place
from souche.main.states import States
from souche.storage.qcow2 import Qcow2Store
from tests.cli.conftest import Souche
from tests.support import homes
from tests.support.homes import contents
from tests.support.inventories import inventory_of
from tests.support.killing import is_killed

SECRET = "Pa55-w0rd"
STEPS = (
    (postgresql_removal, "remove"),
    (destroying, "_remove_records"),
    (destroying, "_remove_guests"),
    (state_files, "remove"),
)
OBJECTS = """
    SELECT 'table ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION SELECT 'type ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('d', 'e')
"""


@pytest.fixture
def home(tmp_path: Path, url: str) -> Home:
    """Of a region whose records are in PostgreSQL."""
    return homes.make(tmp_path / "home", url)


def objects(url: str) -> set[str]:
    """What the database has."""
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute(OBJECTS)}


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_it_asks_and_names_the_database(home: Home, url: str) -> None:
    """With a password, which the tests' server does not ask for."""
    file = home.path.with_name("database")
    file.touch(0o600)
    file.write_text(url.replace("postgres@", f"postgres:{SECRET}@"))
    known = records.known(home)
    assert known is not None
    records.keep(home, Place("", str(file), known.region_id))
    before = contents(home)
    souche = Souche(home.path)
    asked = souche.invoke("destroy")
    assert (asked.exit_code, asked.stdout.strip()) == (1, "")
    name = PostgreSql(url).shown.rpartition("/")[2]
    assert f"/{name}, permanently?" in asked.stderr
    assert contents(home) == before
    done = souche.invoke("destroy", "--yes", "--json")
    assert (done.exit_code, home.path.exists(), objects(url)) == (0, False, set())
    assert f'/{name}"' in done.stdout
    assert not [text for each in (asked, done) if SECRET in (text := each.stdout + each.stderr)]


def test_a_region_on_sqlite_is_destroyed_when_that_is_confirmed(tmp_path: Path) -> None:
    home = homes.make(tmp_path / "home")
    souche = Souche(home.path)
    asked = souche.invoke("destroy")
    assert (asked.exit_code, asked.stdout.strip(), home.path.exists()) == (1, "", True)
    assert "records" not in asked.stderr
    assert souche("destroy", "--yes") == [{"Home": str(home.path), "Database": None}]
    assert not home.path.exists()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_one_that_is_killed_after_any_step_goes_on(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Until then no server accepts the rest as a region or a part of one."""
    url = request.getfixturevalue("url") if kind == "postgresql" else ""
    home = homes.make(tmp_path / "home", url)
    whole = objects(url) if url else set()
    disks = inventory_of(Qcow2Store(home.path))
    for number in count(1):
        if not is_killed(number, STEPS, lambda: destroy(home.path)):
            break
        if url:
            assert objects(url) in (whole, set())
        if objects(url) if url else home.database.exists():
            assert inventory_of(Qcow2Store(home.path)) == disks
        elif home.has_disks():
            with pytest.raises(SoucheError), homes.opened(home, url):
                pass
    assert number > len(STEPS)
    assert not home.path.exists()
    if url:
        assert objects(url) == set()


def test_what_is_not_the_regions_stays(home: Home, url: str, tmp_path: Path) -> None:
    """Also of a region in another schema of the same database."""
    execute(url, "CREATE SCHEMA other")
    separator = "&" if "?" in url else "?"
    there = f"{url}{separator}options=-csearch_path%3Dother"
    other = homes.make(tmp_path / "other", there)
    before = contents(other)
    execute(
        url,
        "CREATE TABLE public.bills (amount integer)",
        "CREATE FUNCTION public.bill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER billing AFTER INSERT ON public.accounts EXECUTE FUNCTION public.bill()",
    )
    destroy(home.path)
    assert objects(url) == {"table bills", "function bill"}
    assert contents(other) == before
    destroy(other.path)
    assert not other.path.exists()


def test_a_new_region_takes_the_database(home: Home, url: str, tmp_path: Path) -> None:
    destroy(home.path)
    contents(homes.make(tmp_path / "new", url))


def assert_refused(home: Home, why: type[SoucheError], said: str) -> None:
    before = {path for path in home.path.rglob("*") if path.suffix != ".lock"}
    with pytest.raises(why, match=said):
        destroy(home.path)
    assert {path for path in home.path.rglob("*") if path.suffix != ".lock"} == before


def test_it_is_refused_while_a_process_works_on_the_records(home: Home, url: str) -> None:
    before = contents(home)
    with closing(PostgreSql(url)) as database:
        with database.answered(pytest.fail):
            assert_refused(home, ApiRuns, "souche api")
        with database.served(pytest.fail):
            assert_refused(home, RecordsInUse, "Another process serves")
    with administer(home.path):
        assert_refused(home, HomeInUse, "Another process")
    assert contents(home) == before


def test_the_records_of_another_region_are_left_alone(
    home: Home, tmp_path: Path, urls: Callable[[str], str]
) -> None:
    """Whose database the home names by a mistake of the operator."""
    there = urls("other")
    other = homes.make(tmp_path / "other", there)
    before = contents(other)
    known = records.known(home)
    assert known is not None
    records.keep(home, Place(there, "", known.region_id))
    assert_refused(home, DatabaseTaken, "not its home")
    assert contents(other) == before


def test_what_depends_on_a_table_is_named(home: Home, url: str) -> None:
    before = contents(home)
    execute(url, "CREATE VIEW names AS SELECT name FROM accounts")
    assert_refused(home, RemovalRefused, "view names depends on table accounts")
    assert contents(home) == before


def test_a_role_that_does_not_own_the_tables_removes_nothing(home: Home, url: str) -> None:
    before = contents(home)
    known = records.known(home)
    assert known is not None
    execute(
        url,
        "CREATE ROLE writer LOGIN",
        "GRANT USAGE ON SCHEMA public TO writer",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO writer",
    )
    try:
        records.keep(home, Place(url.replace("postgres@", "writer@"), "", known.region_id))
        assert_refused(home, RemovalRefused, "must be owner")
        records.keep(home, known)
        assert contents(home) == before
    finally:
        execute(url, "DROP OWNED BY writer", "DROP ROLE writer")


def test_a_database_that_does_not_answer_is_not_left_behind(home: Home, url: str) -> None:
    known = records.known(home)
    assert known is not None
    file = home.path.with_name("database")
    file.touch(0o600)
    file.write_text(f"postgresql://someone:{SECRET}@/absent?host=/nonexistent")
    records.keep(home, Place("", str(file), known.region_id))
    done = Souche(home.path).refusal("destroy", "--yes")
    assert "cannot be reached" in done
    assert SECRET not in done
    assert home.path.exists()


def test_records_of_an_earlier_schema_are_removed(tmp_path: Path, url: str) -> None:
    home = homes.make(tmp_path / "home", url)
    execute(url, "UPDATE alembic_version SET version_num = '0036'")
    destroy(home.path)
    assert objects(url) == set()


def test_a_region_into_which_a_state_is_being_loaded_is_destroyed(home: Home, url: str) -> None:
    States(home.path).save("one")
    assert is_killed(1, [(state_loading, "begin")], lambda: States(home.path).load("one"))
    destroy(home.path)
    assert (home.path.exists(), objects(url)) == (False, set())


def test_a_restored_region_that_was_never_served_has_its_records_removed(home: Home, url: str) -> None:
    home.serving.unlink()
    destroy(home.path)
    assert (home.path.exists(), objects(url)) == (False, set())


def test_a_folder_that_is_no_region_stays(tmp_path: Path) -> None:
    with pytest.raises(NotServed):
        destroy(tmp_path)
    assert tmp_path.exists()
