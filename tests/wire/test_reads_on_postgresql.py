"""Reads on PostgreSQL: on the event loop, in few round trips, and never blocking it."""

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.waiting import Wait

from souche.app import access_keys, accounts, api_access_rules
from souche.app.context.region import Region
from souche.clock import SystemClock
from souche.db import images
from souche.db.engines.postgresql import PostgreSql
from souche.db.engines.postgresql_connections import Connection
from souche.db.store import Store
from souche.http.app import READS, create_app
from souche.model.accounts import Principal
from tests.support.databases import Databases, using
from tests.support.polling import eventually
from tests.support.region import make_region
from tests.support.resources import make_image
from tests.wire.server import Answer, Server, serving

MARK, BEGIN, COUNT, PAGE, COMMIT = 1, 1, 1, 1, 1
"""round trips"""


@pytest.fixture
def region(databases: Databases, tmp_path: Path) -> Iterator[Region]:
    with using(databases):
        region = make_region(tmp_path, clock=SystemClock())
    yield region
    region.store.close()


@dataclass(frozen=True)
class Client:
    server: Server
    who: Principal
    secret: str

    def call(self, action: str, body: bytes = b"{}", secret: str = "") -> Answer:
        return self.server.call(action, body, key_id=self.who.access_key_id, secret=secret or self.secret)

    def images(self, body: bytes = b"{}") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("ReadImages", body).json["Images"]
        return found


@pytest.fixture
def client(region: Region) -> Iterator[Client]:
    account, key, secret = accounts.create(region, "alice")
    keys = partial(access_keys.lookup, region)
    app = create_app(region, keys, may_call=partial(api_access_rules.may_call, region))
    with serving(app) as server:
        yield Client(server, Principal(account.account_id, key.access_key_id), secret)


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of the thread of each round trip to the server."""
    threads: list[str] = []
    wait = Connection.wait

    def counted(generator: Any) -> Any:
        try:
            state = next(generator)
            while True:
                if state & Wait.R:
                    threads.append(threading.current_thread().name)
                state = generator.send((yield state))
        except StopIteration as end:
            return end.value

    def wait_and_count(self: Connection, generator: Any, *arguments: Any, **options: Any) -> Any:
        return wait(self, counted(generator), *arguments, **options)

    monkeypatch.setattr(Connection, "wait", wait_and_count)
    return threads


def url(region: Region) -> str:
    return region.store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def test_a_read_takes_few_round_trips_and_no_thread(region: Region, client: Client, trips: list[str]) -> None:
    make_image(region, client.who)
    shown = client.images()
    client.images(b" {}")
    trips.clear()
    assert client.images() == shown
    assert len(trips) == MARK
    assert client.images(b"{} ") == shown
    assert len(trips) == MARK + (MARK + PAGE)
    trips.clear()
    assert client.images(b'{"Filters": {"States": ["available"]}}') == shown
    assert len(trips) == MARK + BEGIN + COUNT + PAGE + COMMIT
    assert len(set(trips)) == 1


def test_another_process_s_write_is_in_the_next_read(region: Region, client: Client) -> None:
    image = make_image(region, client.who)
    other = Store(PostgreSql(url(region)))
    for number in range(5):
        with other.begin() as connection:
            images.set_description(connection, image.image_id, f"change {number}")
        assert [each["Description"] for each in client.images()] == [f"change {number}"]
    with other.begin() as connection:
        connection.exec_driver_sql("UPDATE access_keys SET active = false")
    assert client.call("ReadImages").status == 401
    other.close()


def test_a_page_and_its_images_are_of_one_state(
    region: Region, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_image(region, client.who)
    read, changes = images.read, itertools.count(1)

    def overtaken(*arguments: Any) -> Any:
        with psycopg.connect(url(region)) as other:
            other.execute("UPDATE images SET description = %s", [f"change {next(changes)}"])
        return read(*arguments)

    monkeypatch.setattr(images, "read", overtaken)
    # On the event loop the page is one statement. The images are not cached, so a thread reads both again.
    assert [each["Description"] for each in client.images()] == ["change 1"]
    # With a filter, both are read on the event loop.
    filtered = b'{"Filters": {"States": ["available"]}}'
    assert [each["Description"] for each in client.images(filtered)] == ["change 2"]
    monkeypatch.undo()
    assert [each["Description"] for each in client.images()] == ["change 3"]


def test_slow_statements_leave_the_event_loop_to_others(region: Region, client: Client) -> None:
    """More of them than the event loop has connections."""
    make_image(region, client.who)
    client.call("ReadKeypairs")
    count = 2 * READS.threads
    with ThreadPoolExecutor(count) as clients, psycopg.connect(url(region)) as other:
        other.execute("LOCK TABLE images IN ACCESS EXCLUSIVE MODE")
        waiting = [clients.submit(client.images, b"{}" + number * b" ") for number in range(count)]
        eventually(lambda: _waiting_without_limit(region) == count)
        assert client.call("ReadKeypairs").status == 200
        assert not any(each.done() for each in waiting)
        other.rollback()
        assert [len(each.result(30)) for each in waiting] == [1] * count


def _waiting_without_limit(region: Region) -> int:
    """The connections that have waited for a lock for longer than the event loop's reads may."""
    query = """SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
        AND query_start < clock_timestamp() - interval '300 ms'"""
    with psycopg.connect(url(region)) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_a_wrong_signature_is_counted_in_a_thread(region: Region, client: Client, trips: list[str]) -> None:
    client.images()
    trips.clear()
    assert client.call("ReadImages", secret="wrong").status == 401
    assert len(set(trips)) == 2
    with region.store.read() as connection:
        failures = connection.exec_driver_sql("SELECT failures FROM failed_signatures").scalar()
    assert failures == 1
    assert client.call("ReadImages").status == 200


def test_a_server_that_ended_its_connections_costs_no_request(
    region: Region, client: Client, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_image(region, client.who)
    monkeypatch.setattr("souche.db.engines.unused.UNUSED_SECONDS", 0)
    shown = client.images()
    mine = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    databases.server.execute(f"{mine} WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
    assert client.images() == shown
    assert client.images(b"{} ") == shown
