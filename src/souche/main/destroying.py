"""Removes a region: its records, its guests, its network, and its folder with every disk.

The records are removed first, so no later step leaves a region that a server would serve. `serving.json`, by which a
command knows the region, is removed last: after a kill, the same command continues.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from souche.db import examination, schema
from souche.db.engines import postgresql_removal
from souche.db.engines.postgresql import PostgreSql
from souche.db.store import Store
from souche.db.transactions import Transaction
from souche.home import Facts, Home, NotServed
from souche.main import machine, records, state_files, state_loading
from souche.main.identity import DatabaseTaken
from souche.main.records import Place

VERSION_TABLE = "alembic_version"


def database_of(path: Path) -> str | None:
    """The name, for people, of the PostgreSQL database with the records of the region in a home folder. None: they are
    in the folder.

    Raises:
        PlaceDamaged, BadSetting.
    """
    place = records.known(Home(path.resolve()))
    if place is None:
        return None
    with closing(place.open()) as database:
        return database.shown


def destroy(path: Path) -> None:
    """Remove a region that is not served.

    Raises:
        NotServed: there is no region. HomeInUse: it is served, or a command works with it. RecordsInUse, ApiRuns,
        DatabaseTaken, DatabaseNewer, RemovalRefused, and what `PostgreSql.check` raises: nothing was removed.
    """
    home = Home(path.resolve())
    facts = _facts(home)
    with home.replace():
        state_loading.finish(home)  # its database may have the records of another region's state
        remove_records(home)
        for file in home.path.glob(f"{home.database.name}*"):
            file.unlink()
        _remove_guests(home, facts)
        _remove_folder(home)


def remove_records(home: Home) -> None:
    """Remove the region's records from a database server, if they are there.

    Raises:
        RecordsInUse, ApiRuns, DatabaseTaken, DatabaseNewer, RemovalRefused, and what `PostgreSql.check` raises.
    """
    place = records.known(home)
    if place is not None:
        with _held(place) as (store, database):
            _remove_records(store, database, home, place)


@contextmanager
def _held(place: Place) -> Iterator[tuple[Store, PostgreSql]]:
    """The records on a server, on which no process works."""
    database = place.open()
    with closing(Store(database)) as store:
        database.check()
        with database.replaced():
            yield store, database


def _remove_records(store: Store, database: PostgreSql, home: Home, place: Place) -> None:
    with store.begin() as connection:
        if _has_records(connection, database, home, place):
            tables = (*schema.metadata.tables, VERSION_TABLE)
            postgresql_removal.remove(connection, tables, database.shown)


def _has_records(connection: Transaction, database: PostgreSql, home: Home, place: Place) -> bool:
    """Whether the database has the region's records. False: an interrupted removal has removed them."""
    region_id = examination.examine_records(connection, database.shown).region_id
    if region_id not in (None, place.region_id):
        raise DatabaseTaken(home=home.path, database=database.shown, region_id=region_id)
    return region_id is not None


def _facts(home: Home) -> Facts:
    try:
        return home.read()
    except NotServed:
        was_restored = home.database_place.exists() and not (home.path / "guests").exists()
        if not was_restored:
            raise
        return {}  # it has no guests yet, but records on a server


def _remove_guests(home: Home, facts: Facts) -> None:
    if facts.get("Compute") != "libvirt":
        return
    driver = machine.hypervisor()(
        home.path, str(facts["GuestNetwork"]), str(facts.get("PublicIps") or ""), accelerator="tcg"
    )
    for vm_id in driver.power_states():
        driver.remove(vm_id)
    driver.remove_network()
    driver.close()


def _remove_folder(home: Home) -> None:
    last = (home.database_place.name, home.serving.name)
    for name in sorted(each.name for each in home.path.iterdir() if each.name not in last):
        state_files.remove(home.path / name)
    for name in last:
        state_files.remove(home.path / name)
    home.path.rmdir()
