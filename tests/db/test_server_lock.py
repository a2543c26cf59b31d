"""The lock of the one server of a database is taken again when its connection is lost, or it is another's."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from souche.db.engines.server_lock import ServerLock
from tests.support.databases import Databases
from tests.support.polling import eventually

NUMBER = 7 << 32 | 9


@pytest.fixture(scope="module", autouse=True)
def on_both() -> None:
    """PostgreSQL's alone."""


class Server:
    """One that holds the lock by `connections[-1]`, and counts how often another had it."""

    def __init__(self, databases: Databases, *, shared: bool = False) -> None:
        self.databases = databases
        self.shared = shared
        self.connections: list[psycopg.Connection] = []
        self.lost = 0
        self.may_connect = threading.Event()
        self.may_connect.set()

    def connect(self) -> psycopg.Connection:
        assert self.may_connect.wait(20)
        self.connections.append(self.databases.server.connect("postgres"))
        return self.connections[-1]

    def taken(self) -> None:
        self.lost += 1

    @contextmanager
    def serving(self) -> Iterator[bool]:
        with ServerLock(self.connect, NUMBER, self.taken, shared=self.shared).held() as is_held:
            yield is_held

    def holder(self) -> int | None:
        query = (
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 7 AND objid = 9"
        )
        with closing(self.databases.server.connect("postgres")) as connection:
            row = connection.execute(query).fetchone()
        return None if row is None else row[0]


@pytest.fixture
def server(databases: Databases) -> Server:
    return Server(databases)


def test_one_has_it_at_a_time(server: Server, databases: Databases) -> None:
    with server.serving() as first:
        with Server(databases).serving() as second:
            assert (first, second) == (True, False)
        assert server.holder() is not None
    assert server.holder() is None
    with Server(databases).serving() as third:
        assert third


def test_it_is_taken_again_when_the_database_ended_the_connection(server: Server) -> None:
    with server.serving():
        before = server.holder()
        server.databases.server.execute(f"SELECT pg_terminate_backend({before})")
        eventually(lambda: server.holder() not in (None, before))
    assert server.lost == 0


def test_its_own_session_that_the_database_still_has_is_no_other_server(server: Server) -> None:
    """As of a network that broke: the database's process, suspended here, learns of it late."""
    with server.serving():
        before = server.holder()
        assert before is not None
        os.kill(before, signal.SIGSTOP)
        try:
            with socket.socket(fileno=os.dup(server.connections[0].fileno())) as lost:
                lost.shutdown(socket.SHUT_RDWR)
            eventually(lambda: len(server.connections) > 1 and server.connections[1].closed)
        finally:
            os.kill(before, signal.SIGCONT)
        eventually(lambda: server.holder() not in (None, before))
    assert server.lost == 0


def test_another_that_got_it_meanwhile_keeps_it(server: Server, databases: Databases) -> None:
    other = Server(databases)
    with server.serving():
        before = server.holder()
        server.may_connect.clear()
        databases.server.execute(f"SELECT pg_terminate_backend({before})")
        eventually(lambda: server.holder() is None)
        with other.serving() as is_held:
            assert is_held
            server.may_connect.set()
            eventually(lambda: server.lost == 1)
            assert server.holder() not in (None, before)
    assert server.lost == 1


def test_those_that_share_it_keep_one_out_that_wants_it_alone(databases: Databases) -> None:
    with (
        Server(databases, shared=True).serving() as first,
        Server(databases, shared=True).serving() as second,
        Server(databases).serving() as alone,
    ):
        assert (first, second, alone) == (True, True, False)
    with Server(databases).serving() as alone, Server(databases, shared=True).serving() as first:
        assert (alone, first) == (True, False)


def test_one_that_shared_it_ends_if_another_has_it_alone_meanwhile(databases: Databases) -> None:
    sharing = Server(databases, shared=True)
    with sharing.serving():
        sharing.may_connect.clear()
        databases.server.execute(f"SELECT pg_terminate_backend({sharing.holder()})")
        eventually(lambda: sharing.holder() is None)
        with Server(databases).serving() as is_held:
            assert is_held
            sharing.may_connect.set()
            eventually(lambda: sharing.lost == 1)


@pytest.mark.parametrize("is_watched", [True, False])
def test_it_is_free_before_its_session_ends(
    server: Server, monkeypatch: pytest.MonkeyPatch, *, is_watched: bool
) -> None:
    """The database may notice late that the connection was closed."""
    with monkeypatch.context() as late:
        late.setattr(psycopg.Connection, "close", lambda _connection: None)
        with ServerLock(server.connect, NUMBER, server.taken if is_watched else None).held() as is_held:
            assert is_held
    assert server.holder() is None
    server.connections[0].close()
