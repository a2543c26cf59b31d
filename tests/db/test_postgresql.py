"""What PostgreSQL alone has: the meaning of its errors, lost connections, notifications, plans."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from tools import bench_reads_data

from souche.db import images
from souche.db.engines import postgresql, postgresql_connections, unused
from souche.db.engines.postgresql import (
    PostgreSql,
)
from souche.db.engines.postgresql_history import History
from souche.db.engines.postgresql_processes import WRITERS_LOCK
from souche.db.store import Store
from souche.errors import Raced, RecordsFull, RecordsUnavailable, Unavailable, WritersBusy
from souche.model.query import Condition, Query
from tests.support.databases import Databases, using
from tests.support.postgresql import running

SECRET = "Pa55-w0rd"
OWN = "900000000001"
"""one of the accounts of `bench_reads_data`"""


@pytest.fixture(scope="module", autouse=True)
def on_both(databases: Databases) -> Iterator[None]:
    with using(databases):
        yield


@pytest.fixture
def store(databases: Databases, tmp_path: Path) -> Iterator[Store]:
    store = Store(databases.empty(tmp_path / "region"))
    with store.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE facts (fact TEXT)")
    yield store
    store.close()


@pytest.mark.parametrize("limit", ["statement_timeout", "idle_session_timeout"])
def test_time_limits_for_other_programs_do_not_apply(databases: Databases, clerk: str, limit: str) -> None:
    databases.server.execute(f"ALTER ROLE clerk SET {limit} = '50ms'")
    database = PostgreSql(clerk)
    with database.read() as reader:
        assert reader.exec_driver_sql(f"SHOW {limit}").scalar() == "0"
    with database.begin() as writer:
        assert writer.exec_driver_sql(f"SHOW {limit}").scalar() == "0"
    database.close()


def test_older_records_are_recognised(databases: Databases, clerk: str, other: str) -> None:
    """A restored dump is in another database of the same name."""
    store = Store(PostgreSql(clerk))
    history = store.history()
    assert store.history() == history
    end_connections(databases)
    store.close()
    assert store.history() == history
    databases.server.execute(f"DROP DATABASE {other} WITH (FORCE)", f"CREATE DATABASE {other}")
    store.close()
    assert store.history() != history
    store.close()


@pytest.mark.parametrize("row", [(2, "01", 16000, 70), (1, "02", 16000, 70), (1, "01", 16000, 68)])
def test_another_timeline_and_a_shorter_log_are_another_history(row: tuple[int | str, ...]) -> None:
    history = History()
    assert history.seen((1, "01", 16000, 68)) == history.seen((1, "01", 16000, 69)) == 1
    assert history.seen(row) == 2
    assert history.seen(row) == 2


@pytest.mark.parametrize(
    ("state", "failure"),
    [
        ("40001", Raced),
        ("40P01", Raced),
        ("55P03", WritersBusy),
        ("53100", RecordsFull),
        ("53300", RecordsUnavailable),
        ("57P01", RecordsUnavailable),
        ("53200", RecordsUnavailable),
        ("57014", RecordsUnavailable),
        ("57P05", RecordsUnavailable),
        ("58030", RecordsUnavailable),
        ("25P03", RecordsUnavailable),
        ("25006", RecordsUnavailable),
        ("42501", RecordsUnavailable),
        ("08006", RecordsUnavailable),
        ("42601", type(None)),
        ("23505", type(None)),
    ],
)
def test_what_the_server_says_is_told_apart(store: Store, state: str, failure: type) -> None:
    error = psycopg.errors.lookup(state)()
    assert type(store.database.failure(error)) is failure
    wrapped = sa.exc.DBAPIError("SELECT", {}, error)
    assert type(store.database.failure(wrapped)) is failure


def test_a_writer_that_waits_for_too_long_for_another_process_is_told_so(
    store: Store, databases: Databases
) -> None:
    sa.event.listen(store.engine, "connect", lambda made, _record: made.execute("SET lock_timeout = '20ms'"))
    store.engine.dispose()
    url = store.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    with psycopg.connect(url) as another:
        another.execute(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})".encode())
        with pytest.raises(WritersBusy), store.begin():
            pass
    with store.begin():
        pass


def test_a_server_that_ended_its_connections_costs_no_request(
    store: Store, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unused, "UNUSED_SECONDS", 0)
    with store.begin(), store.read():
        mark = store.change_mark()
    end_connections(databases)
    # Not `==`: a server that has crashed gives out again the numbers of transactions that were not committed.
    assert store.change_mark() != mark
    with store.begin() as connection:
        connection.exec_driver_sql("INSERT INTO facts VALUES ('after')")
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT fact FROM facts").scalar() == "after"


def test_a_connection_that_ends_under_a_transaction_is_unavailable(
    store: Store, databases: Databases
) -> None:
    def write() -> None:
        with store.begin() as connection:
            connection.exec_driver_sql("INSERT INTO facts VALUES ('lost')")
            end_connections(databases)
            connection.exec_driver_sql("INSERT INTO facts VALUES ('lost')")

    with pytest.raises(Unavailable):
        write()
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM facts").scalar() == 0


@contextmanager
def by_tcp(path: Path) -> Iterator[int]:
    """A port of this machine that leads to a Unix socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_relay, args=[listener, path])
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)


def _relay(listener: socket.socket, path: Path) -> None:
    with suppress(OSError), ExitStack() as ends:
        while True:
            near = ends.enter_context(listener.accept()[0])
            far = ends.enter_context(socket.socket(socket.AF_UNIX))
            far.connect(str(path))
            for way in ((near, far), (far, near)):
                threading.Thread(target=_copy, args=way, daemon=True).start()


def _copy(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


def test_a_host_that_falls_silent_is_given_up_before_a_writer_would_be(databases: Databases) -> None:
    """The system's own bounds are of hours for an answer, and of a quarter of one for what is sent."""
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
    with by_tcp(databases.server.folder / ".s.PGSQL.5432") as port:
        database = PostgreSql(f"postgresql://postgres@127.0.0.1:{port}/postgres")
        for transaction in (database.begin(), database.read()):
            with transaction as connection:
                own = connection.connection.driver_connection
                assert isinstance(own, psycopg.Connection)
                with socket.socket(fileno=os.dup(own.fileno())) as near:
                    idle, interval, count, unsent_ms = (
                        near.getsockopt(socket.IPPROTO_TCP, option) for option in options
                    )
                    assert near.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert idle + interval * count < postgresql_connections.LOCK_SECONDS
            assert 0 < unsent_ms / 1000 < postgresql_connections.LOCK_SECONDS
        database.close()


def test_a_connection_in_use_is_not_asked_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(store.engine.dialect, "do_ping", asked.append)
    for _ in range(5):
        with store.begin():
            pass
    assert not asked
    monkeypatch.setattr(unused, "UNUSED_SECONDS", 0)
    with store.begin():
        pass
    assert len(asked) == 1


def test_the_server_gives_up_a_host_that_falls_silent_as_soon() -> None:
    """With its locks: by its own settings it notices after two hours."""
    pid = os.getpid()
    address = f"127.{1 + pid // 2**16 % 255}.{pid // 256 % 256}.{pid % 256}"  # the port is the same for all
    names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
    with running(listen_addresses=address):
        database = PostgreSql(f"postgresql://postgres@{address}/postgres")
        with database.read() as connection:
            shown = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names]
        database.close()
    assert shown == ["10", "5", "3", "25000"]


def end_connections(databases: Databases) -> None:
    mine = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    databases.server.execute(f"{mine} WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")


@pytest.mark.parametrize("kept", ["on", "off"])
def test_a_commit_waits_for_the_medium(databases: Databases, other: str, kept: str) -> None:
    """With any setting of the server (docs/durability.md)."""
    databases.server.execute(
        f"CREATE DATABASE {other}", f"ALTER DATABASE {other} SET synchronous_commit = {kept}"
    )
    database = PostgreSql(databases.server.url(other))
    with database.begin() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    database.close()


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(RecordsUnavailable, match="read-only"), store.read() as connection:
        connection.exec_driver_sql("INSERT INTO facts VALUES ('never')")


def test_what_is_announced_is_heard_when_it_is_committed_and_not_before(store: Store) -> None:
    heard = threading.Semaphore(0)
    with store.database.announcements(heard.release):
        assert heard.acquire(timeout=20)  # once at its beginning
        with store.begin() as connection:
            store.database.announce(connection)
            assert not heard.acquire(timeout=0.2)
        assert heard.acquire(timeout=20)
        with store.begin(dry_run=True) as connection:
            store.database.announce(connection)
        assert not heard.acquire(timeout=0.2)


def test_announcements_go_on_after_the_connection_was_lost(store: Store, databases: Databases) -> None:
    heard = threading.Semaphore(0)
    listening = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'"
    with store.database.announcements(heard.release):
        assert heard.acquire(timeout=20)
        databases.server.execute(listening)
        assert heard.acquire(timeout=20), "it listens again, and looks for what it has missed"
        with store.begin() as connection:
            store.database.announce(connection)
        assert heard.acquire(timeout=20)


def test_what_has_a_name_is_done_by_one_process_at_a_time(
    store: Store, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And by another one, when the first has ended or lost its connection."""
    monkeypatch.setattr(unused, "UNUSED_SECONDS", 0)
    other = PostgreSql(store.engine.url.render_as_string(hide_password=False))
    with store.alone("sweep") as first, other.alone("sweep") as second, other.alone("another") as third:
        assert (first, second, third) == (True, False, True)
    with store.alone("sweep") as first:
        assert first
        end_connections(databases)
        with other.alone("sweep") as second:
            assert second
    with store.alone("sweep") as again:
        assert again
    other.close()


def test_a_name_is_free_again_though_its_release_was_cancelled(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection went back to the pool with the lock, and the sweep was nobody's from then on."""
    other = PostgreSql(store.engine.url.render_as_string(hide_password=False))
    cancelled = sa.text("SELECT 1/0 FROM (SELECT :kind AS kind, :name AS name) AS lock")
    with monkeypatch.context() as patched, store.alone("sweep") as first:
        patched.setattr(postgresql, "_UNLOCK", cancelled)
        assert first
    with other.alone("sweep") as second:
        assert second
    other.close()


def test_a_host_that_answers_nothing_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first connection that failed was taken for one that had been lost, and tried again, for 10 s more."""
    monkeypatch.setattr(postgresql_connections, "CONNECT_SECONDS", 2)  # the least that libpq takes
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = Store(PostgreSql(f"postgresql://postgres@127.0.0.1:{silent.getsockname()[1]}/postgres"))
        with pytest.raises(RecordsUnavailable):
            store.change_mark()
        silent.settimeout(0)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):  # there was one connection
            silent.accept()
    store.close()


RARE = (Condition("product_code", ["0002"]),)


@pytest.mark.parametrize("conditions", [(), RARE, (Condition("product_code", ["0001"]),)])
def test_a_page_reads_few_rows_of_all_that_one_may_see(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conditions: tuple[Condition, ...]
) -> None:
    """Of some 800 own and 60 public images, each scope is read along its index, for as long as the page needs. Few
    images have the code 0002: they are looked up, and no others are read in the order of pages until enough are found.
    """
    with closing(Store(databases.migrated(tmp_path / "region"))) as store:
        with store.begin() as connection:
            for tables in bench_reads_data.batches(OWN, 4000):
                for table, rows in tables.items():
                    if rows:
                        connection.execute(table.insert(), rows)
            connection.exec_driver_sql("ANALYZE")
        with store.reader() as reader:
            finder = images._FINDER._all
            if conditions:
                monkeypatch.setattr(finder, "_rare_rows", 100)
                monkeypatch.setattr(finder, "_prepared", {})
            query = Query(conditions, 20)
            statement, parameters = finder._chosen(query, {"caller": OWN}, finder._rare(reader, query))
            compiled = statement.on(store.engine.dialect)
        with store.read() as connection:
            explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled.text}"
            cursor = connection.connection.cursor()
            if conditions == RARE:  # of many more images, the planner avoids the sort
                cursor.execute("SET LOCAL enable_sort = off")
            ((told,),) = cursor.execute(explain, compiled.arguments(parameters)).fetchall()
    most = max(_rows_of(told[0]["Plan"]))
    assert 0 < most < 100, told


def _rows_of(plan: dict[str, Any]) -> Iterator[int]:
    yield plan["Actual Rows"] * plan["Actual Loops"] + plan.get("Rows Removed by Filter", 0)
    for part in plan.get("Plans", ()):
        yield from _rows_of(part)
