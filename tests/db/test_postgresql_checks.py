"""Which PostgreSQL servers are refused at the start, and why."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from souche.db.engines import postgresql
from souche.db.engines.postgresql import (
    ClockDiffers,
    PostgreSql,
    ServerReadOnly,
    ServerTooOld,
    ServerUnreachable,
    WrongCollation,
    WrongEncoding,
)
from souche.db.store import Store
from souche.errors import RecordsUnavailable, SystemFailure
from tests.support.databases import Databases, using

SECRET = "Pa55-w0rd"


@pytest.fixture(scope="module", autouse=True)
def on_both(databases: Databases) -> Iterator[None]:
    with using(databases):
        yield


def refusal(url: str, **options: Any) -> str:
    """Why a server is refused."""
    database = PostgreSql(url)
    try:
        with pytest.raises(SystemFailure) as refused:
            database.check(**options)
    finally:
        database.close()
    return f"{type(refused.value).__name__}: {refused.value}"


def test_a_good_server_passes(databases: Databases) -> None:
    database = PostgreSql(databases.server.url())
    database.check()
    database.close()


def test_a_server_that_is_too_old_is_refused(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "OLDEST_VERSION", 99)
    assert refusal(databases.server.url()).startswith(ServerTooOld.__name__)


def test_the_collation_of_a_language_is_refused(databases: Databases, other: str) -> None:
    icu = "LOCALE_PROVIDER icu ICU_LOCALE 'en' TEMPLATE template0"
    databases.server.execute(f"CREATE DATABASE {other} {icu}")
    told = refusal(databases.server.url(other))
    assert told.startswith(WrongCollation.__name__)
    assert "LOCALE 'C'" in told


def test_another_encoding_is_refused(databases: Databases, other: str) -> None:
    databases.server.execute(f"CREATE DATABASE {other} ENCODING 'LATIN1' TEMPLATE template0")
    assert refusal(databases.server.url(other)).startswith(WrongEncoding.__name__)


@pytest.mark.parametrize("ahead_seconds", [-2.5, 2.5])
def test_a_clock_that_differs_is_refused(databases: Databases, ahead_seconds: float) -> None:
    told = refusal(databases.server.url(), now=lambda: time.time() + ahead_seconds)
    assert told.startswith(ClockDiffers.__name__)


def test_a_role_without_rights_is_refused(databases: Databases, clerk: str, other: str) -> None:
    assert "no right to create tables" in refusal(clerk)
    databases.server.execute(
        "CREATE TABLE facts (fact TEXT)", "GRANT SELECT, INSERT ON facts TO clerk", database=other
    )
    assert "no right to read and write the table public.facts" in refusal(clerk)
    databases.server.execute("GRANT UPDATE, DELETE ON facts TO clerk", database=other)
    database = PostgreSql(clerk)
    database.check()
    database.close()


def test_a_database_that_takes_no_writes_is_refused(databases: Databases, clerk: str) -> None:
    databases.server.execute("ALTER ROLE clerk SET default_transaction_read_only = on")
    assert refusal(clerk).startswith(ServerReadOnly.__name__)


def test_what_the_role_may_no_longer_do_is_explained(databases: Databases, clerk: str, other: str) -> None:
    store = Store(PostgreSql(clerk))
    with pytest.raises(RecordsUnavailable, match="permission denied for schema public"):
        store.migrate()
    databases.server.execute("CREATE TABLE facts (fact TEXT)", database=other)
    with pytest.raises(RecordsUnavailable, match="permission denied for table facts"), store.begin() as it:
        it.exec_driver_sql("INSERT INTO facts VALUES ('refused')")
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://someone:{SECRET}@/absent?host=/nonexistent",
        f"postgresql://someone@127.0.0.1:1/absent?password={SECRET}",
        "the database that is not there",
    ],
)
def test_a_server_that_does_not_answer_is_told_without_the_password(databases: Databases, url: str) -> None:
    told = refusal(url if "//" in url else databases.server.url("absent"))
    assert told.startswith(ServerUnreachable.__name__)
    assert SECRET not in told
