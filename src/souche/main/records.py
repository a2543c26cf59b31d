"""Where a region's records are: in `region.sqlite` of its home, or in a database of a PostgreSQL server.

The home of the latter has a file, `database.json`, that names the database, for the operator's commands. It has no
password: a URL with one is read from the file of `--database-file` each time. The file also has the region's id, which
is written there first: a new home takes only a database without records, and after a crash knows it again.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from souche.config import Settings
from souche.errors import SystemFailure
from souche.home import PRIVATE, Home, write_whole
from souche.main.database_url import database_url, read_database_file

if TYPE_CHECKING:
    from souche.db.engines.postgresql import PostgreSql


class RecordsElsewhere(SystemFailure):
    """The records of {home} are in {place}: {remedy}. Nothing was changed."""


class PlaceDamaged(SystemFailure):
    """{file} is damaged: start the region with --database or --database-file, which write it again, or put it back."""


@dataclass(frozen=True)
class Place:
    """A database of a PostgreSQL server: its URL, or the file with it."""

    url: str
    file: str
    region_id: str

    @property
    def shown(self) -> str:
        """Its name for people."""
        return self.file or self.url

    def open(self) -> "PostgreSql":
        """The database. Does not connect yet.

        Raises:
            BadSetting: the file cannot be read, or has no URL.
        """
        from souche.db.engines.postgresql import PostgreSql

        return PostgreSql(read_database_file(self.file) if self.file else self.url)


def known(home: Home) -> Place | None:
    """The database of a home's records; None: they are in the home's own file.

    Raises:
        PlaceDamaged.
    """
    try:
        return Place(**json.loads(home.database_place.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise PlaceDamaged(file=home.database_place) from error


def chosen(home: Home, settings: Settings) -> Place | None:
    """The database in the settings, if the records are there.

    Raises:
        RecordsElsewhere, BadSetting.
    """
    wanted = database_url(settings.database, settings.database_file) is not None
    if wanted and home.database.exists() and home.database.stat().st_size:
        remedy = "serve it without --database and --database-file, or choose another home"
        raise RecordsElsewhere(home=home.path, place=home.database.name, remedy=remedy)
    if not wanted:
        _refuse_forgotten(home)
        return None
    named = Place(settings.database, settings.database_file, "")
    try:
        before = known(home)
    except PlaceDamaged:
        before = None
    region_id = before.region_id if before else _id_in_files(home) or str(uuid4())
    return replace(named, region_id=region_id)


def _refuse_forgotten(home: Home) -> None:
    before = known(home)
    if before is not None:
        flag = f"--database-file {before.file}" if before.file else f"--database '{before.url}'"
        raise RecordsElsewhere(home=home.path, place="PostgreSQL", remedy=f"serve it with {flag}")


def _id_in_files(home: Home) -> str | None:
    return home.region_id.read_text(errors="replace").strip() if home.region_id.exists() else None


def keep(home: Home, place: Place) -> None:
    """Record the database in the home."""
    text = json.dumps(asdict(place), indent=2) + "\n"
    if not home.database_place.exists() or home.database_place.read_text(errors="replace") != text:
        write_whole(home.database_place, text, PRIVATE)
