"""Homes of stopped regions with rows in every table and a disk, on either kind of database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import SQLAlchemyError

from souche import config
from souche.db import schema
from souche.db.store import Store
from souche.home import Home
from souche.main import records
from souche.main.administration import administer
from souche.main.databases import open_records
from souche.storage.qcow2 import Qcow2Store
from souche.vault import Vault
from tests.support.all_records import fill, rows
from tests.support.inventories import inventory_of

MIB = 1 << 20
VOLUME = "vol-00000001"


@contextmanager
def opened(home: Home, url: str = "") -> Iterator[Store]:
    """The region, started as far as its records. Without a URL they are in the home."""
    home.make()
    settings = config.read_settings({"home": home.path, "database": url}, {})
    with open_records(home, records.chosen(home, settings), pytest.fail) as store:
        Vault.open(home.vault_key)
        yield store


def make(path: Path, url: str = "") -> Home:
    """A region of simulated guests."""
    home = Home(path)
    with opened(home, url) as store:
        fill(store, but=schema.region)
    home.record_facts({"Compute": "simulated", "GuestNetwork": "10.77.0.0/24"})
    Qcow2Store(home.path).create_volume(VOLUME, MIB)
    return home


def change(home: Home) -> None:
    """Change rows of the first table and of the last, and the disks."""
    with administer(home.path) as at, at.region.store.begin() as connection:
        connection.execute(schema.accounts.update().values(alias="changed"))
        connection.execute(schema.tags.delete())
    Qcow2Store(home.path).create_volume("vol-00000002", MIB)
    Qcow2Store(home.path).delete_volume(VOLUME)


def contents(home: Home) -> tuple[Any, ...]:
    """The rows, the disks, and the region's id in the home and beside the disks, as any command sees them."""
    with administer(home.path) as at:
        found = rows(at.region.store)
    ids = (home.region_id.read_text(), home.disks_region_id.read_text())
    return found, inventory_of(Qcow2Store(home.path)), ids


def is_whole(look: Callable[[], object]) -> bool:
    """Whether the inspected files exist."""
    try:
        look()
    except (SQLAlchemyError, OSError):
        return False
    return True
