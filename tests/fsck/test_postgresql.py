"""fsck of a region whose records are in PostgreSQL: it finds and repairs the same as on SQLite, and the faults of the
database."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from souche.db.engines.postgresql_processes import RecordsInUse
from souche.home import Home
from souche.main import checking, records
from souche.main.records import Place
from souche.main.restored_records import RestoredRecords
from tests.fsck.homes import Damage, codes, look, mend
from tests.fsck.test_records import DAMAGES, FOR_A_BACKUP
from tests.support.databases import Databases
from tests.test_main import souche
from tests.workflows.world import Cast, World

SECRET = "Pa55-w0rd"
PAGE = 8192
CHOSEN = (
    "ImageStuck",
    "ImageRootMissing",
    "LeaseMissing",
    "PublicIpOfTerminatedVm",
    "VmStuck",
    "ExportDisksLeft",
)
"""a statement of each form; the others differ in tables only"""


def moved(world: World, url: str) -> Path:
    """The home, after its records have moved to the database."""
    home = Home(world.home)
    region_id = home.region_id.read_text().strip()
    world.close()
    place = Place(url, "", region_id)
    RestoredRecords(home, place).load("token", home.database)
    for file in home.path.glob("region.sqlite*"):
        file.unlink()
    records.keep(home, place)
    return home.path


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_a_healthy_region_shows_nothing(home: tuple[World, Cast], url: str) -> None:
    report = look(moved(home[0], url))
    assert (codes(report), report.is_well) == ([], True)


@pytest.mark.parametrize("code", CHOSEN)
def test_contradicting_records_are_found_and_repaired(code: str, home: tuple[World, Cast], url: str) -> None:
    damage: Damage = DAMAGES[code]
    resource_id = damage(*home)
    there = moved(home[0], url)
    assert codes(look(there)) == [(code, resource_id)]
    mend(there)
    kept = [(code, resource_id)] if code in FOR_A_BACKUP else []
    assert [key for key in codes(look(there)) if key[0] == code] == kept


def test_the_command_finds_and_repairs(home: tuple[World, Cast], url: str) -> None:
    resource_id = DAMAGES["ImageStuck"](*home)
    there = moved(home[0], url)
    found = souche("fsck", "--home", there)
    assert (found.returncode, f"ImageStuck {resource_id}" in found.stdout) == (1, True)
    repaired = souche("fsck", "--home", there, "--repair")
    assert (repaired.returncode, repaired.stdout) == (0, "no findings\n"), repaired.stderr


def test_nothing_is_repaired_while_another_server_works_on_the_records(
    home: tuple[World, Cast], url: str
) -> None:
    there = moved(home[0], url)
    found = records.known(Home(there))
    assert found is not None
    server = found.open()
    with server.served(pytest.fail), pytest.raises(RecordsInUse), checking.mending(Home(there)):
        pass
    server.close()


FAULTS = {
    "ReferenceBroken": "SET session_replication_role = replica; DELETE FROM accounts",
    "DatabaseMissing": "DELETE FROM alembic_version",
    "DatabaseNewer": "UPDATE alembic_version SET version_num = '9999'",
    "DatabaseOlder": "UPDATE alembic_version SET version_num = '0001'",
    "IdentityDiffers": "UPDATE region SET region_id = 'another'",
}


@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_of_the_database_is_found(code: str, home: tuple[World, Cast], url: str) -> None:
    there = moved(home[0], url)
    execute(url, FAULTS[code])
    assert {each for each, _ in codes(look(there))} == {code}


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE images DISABLE TRIGGER USER", "triggers of the table images are disabled"),
        (
            "ALTER TABLE tags ADD CONSTRAINT small CHECK (false) NOT VALID",
            "the constraint small is not valid",
        ),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_images_name'::regclass",
            "ix_images_name",
        ),
    ],
)
def test_damage_is_told(statement: str, said: str, home: tuple[World, Cast], url: str) -> None:
    there = moved(home[0], url)
    execute(url, statement)
    (finding,) = look(there).findings
    assert (finding.code, said in finding.text) == ("DatabaseDamaged", True)


def test_a_damaged_page_is_found(
    home: tuple[World, Cast], urls: Callable[[str], str], databases: Databases
) -> None:
    """Of a table that no other check reads. The server has the page only in the file, as the database is a copy."""
    url = urls("records")
    there = moved(home[0], url)
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO workers VALUES ('worker', 'node', '2026-11-29T08:00:00.000Z')")
        name = connection.info.dbname
    copy = databases.server.url("damaged")
    databases.server.execute("CHECKPOINT", f"CREATE DATABASE damaged TEMPLATE {name} STRATEGY file_copy")
    try:
        with psycopg.connect(copy) as connection:
            path = connection.execute("SELECT pg_relation_filepath('workers')").fetchone()
        assert path is not None
        with (databases.server.folder / "data" / path[0]).open("r+b") as file:
            file.write(b"\xa5" * PAGE)
        home_id = Home(there).region_id.read_text().strip()
        records.keep(Home(there), Place(copy, "", home_id))
        (finding,) = look(there).findings
        assert finding.code == "DatabaseDamaged"
        assert "invalid page" in finding.text
    finally:
        databases.server.execute("DROP DATABASE damaged WITH (FORCE)")


def test_a_server_that_does_not_answer_is_told_without_the_password(
    home: tuple[World, Cast], url: str, tmp_path: Path
) -> None:
    there = moved(home[0], url)
    file = tmp_path / "file"
    file.touch(0o600)
    file.write_text(f"postgresql://someone:{SECRET}@/absent?host=/nonexistent")
    records.keep(Home(there), Place("", str(file), Home(there).region_id.read_text().strip()))
    found = souche("fsck", "--home", there)
    assert (found.returncode, "DatabaseUnreadable" in found.stdout) == (1, True)
    assert SECRET not in found.stdout + found.stderr
