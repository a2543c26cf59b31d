"""Clients that come slowly, say too much, or go; and a store that goes. The store here is a listening socket."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from souche.app import access_keys, buckets
from souche.app.context.region import Region
from souche.clock import SystemClock
from souche.db import buckets as records
from souche.http import server
from souche.http.s3 import connection, door, held
from souche.http.s3.desk import Desk
from souche.http.s3.door import Door, opened
from souche.http.s3.heads import MOST_BYTES
from souche.objects.base import ObjectsUnavailable
from tests.door.served import configuration, refusal
from tests.support.polling import eventually
from tests.support.region import make_account, make_region

HEAD = b"GET /hers/key HTTP/1.1\r\nHost: h\r\n\r\n"
PUT = b"PUT /hers/key HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"


class OneBucket:
    """An `AccountOos` with one bucket."""

    away = False
    slow: threading.Event | None = None
    """until it is set, what is asked about the bucket `slow` is not answered"""

    def owner(self, bucket: str) -> str | None:
        if self.away:
            raise ObjectsUnavailable(endpoint="the store", reason="it is away")
        if self.slow and bucket == "slow":
            self.slow.wait(30)
        return "000000000001" if bucket in ("hers", "slow") else None

    def wait_for_keys(self) -> None:
        """It has them."""

    def buckets(self) -> dict[str, str]:
        return {"hers": "000000000001"}

    def ensure_bucket(self, bucket: str, account_id: str) -> None: ...

    def set_policy(self, bucket: str, policy: bytes | None) -> None: ...


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    region = make_region(tmp_path, clock=SystemClock())
    yield region
    region.store.close()


@contextmanager
def before(region: Region, store: tuple[str, int], oos: OneBucket | None = None) -> Iterator[tuple[str, int]]:
    """A door before a store; where clients connect."""
    listening = server.listen("127.0.0.1", 0)
    desk = Desk(region, oos or OneBucket(), lambda key: access_keys.lookup(region, key))
    address: tuple[str, int] = listening.getsockname()
    with opened(Door(listening, store, desk)):
        yield address


@contextmanager
def store_that(answer: Callable[[socket.socket], None]) -> Iterator[tuple[str, int]]:
    """A store that does this with each connection."""
    with closing(server.listen("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    accepted, _ = listening.accept()
                except OSError:
                    return
                with accepted:
                    answer(accepted)

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()
        listening.shutdown(socket.SHUT_RDWR)


def answered(address: tuple[str, int], *pieces: bytes, end: bool = False) -> bytes:
    """All that comes back until the connection ends. `end`: nothing else is to come from here."""
    with socket.create_connection(address, timeout=20) as client:
        for piece in pieces:
            client.sendall(piece)
        if end:
            client.shutdown(socket.SHUT_WR)
        said = b""
        while data := client.recv(65_536):
            said += data
    return said


NOWHERE = ("127.0.0.1", 1)


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"x" * (MOST_BYTES + 65_536),
        b"PUT /hers/k HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_a_head_that_is_none_is_refused_and_ends_the_connection(region: Region, raw: bytes) -> None:
    with before(region, NOWHERE) as address:
        assert answered(address, raw).startswith(b"HTTP/1.1 400 ")


def test_a_store_that_is_away_is_said_to_be(region: Region) -> None:
    oos = OneBucket()
    with before(region, NOWHERE, oos) as address:
        with socket.create_connection(address, timeout=20) as client:
            for _ in range(2):
                client.sendall(HEAD)
                assert client.recv(65_536).startswith(b"HTTP/1.1 503 ")
        oos.away = True
        said = answered(
            address, HEAD.replace(b"hers", b"other").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"<Code>ServiceUnavailable</Code>" in said


def test_a_head_that_does_not_come_is_given_up(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.2)
    with before(region, NOWHERE) as address:
        assert answered(address, b"GET /hers") == b""


def test_a_body_that_does_not_come_is_given_up(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    """And an answer that does not."""
    monkeypatch.setattr(connection, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(connection, "STILL_SECONDS", 0.2)
    ended = threading.Event()

    def wait(accepted: socket.socket) -> None:
        while accepted.recv(65_536):
            pass
        ended.set()

    with store_that(wait) as store, before(region, store) as address:
        assert answered(address, PUT % 100, b"half") == b""
        assert ended.wait(10)
        assert answered(address, HEAD) == b""


def test_an_answer_before_the_end_of_the_body_comes_through(region: Region) -> None:
    """A store that refuses at the head, and reads no more."""

    def refuse(accepted: socket.socket) -> None:
        accepted.recv(65_536)
        accepted.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")

    with store_that(refuse) as store, before(region, store) as address:
        assert answered(address, PUT % 1_000_000, b"x" * 10_000).endswith(b"\r\n\r\nno")


def test_a_chunk_that_two_readers_take_apart_in_two_ways_goes_no_further(region: Region) -> None:
    """A bare line feed ends a line for some."""
    got = bytearray()
    ended = threading.Event()

    def swallow(accepted: socket.socket) -> None:
        while data := accepted.recv(65_536):
            got.extend(data)
        ended.set()

    head = b"PUT /hers/key HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    with (
        store_that(swallow) as store,
        before(region, store) as address,
        socket.create_connection(address, timeout=20) as client,
    ):
        client.sendall(head + b"1;a\nx\r\n0\r\n\r\nPUT /other\r\n")
        assert ended.wait(10)
    assert bytes(got) == head


def test_large_bodies_have_so_much_room_from_one_address(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read before a signature is checked. Small ones are not counted."""
    monkeypatch.setattr(held, "MOST_OF_ADDRESS", 500_000)
    delete = b"POST /hers?delete HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n"
    with before(region, NOWHERE) as address:
        with socket.create_connection(address, timeout=20) as first:
            first.sendall(delete + b"half")
            eventually(lambda: b"SlowDown" in answered(address, delete), 10)
            assert b"MalformedXML" in answered(address, delete.replace(b"300000", b"1") + b"x", end=True)
        eventually(lambda: b"SlowDown" not in answered(address, delete, end=True), 10)


def test_a_body_that_the_door_reads_is_bounded(region: Region) -> None:
    with before(region, NOWHERE) as address:
        for line in (b"PUT /hers?policy", b"PUT /mine", b"PUT /hers?acl"):
            said = answered(address, line + b" HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\n")
            assert b"EntityTooLarge" in said


def test_a_body_that_the_door_reads_has_a_time(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a byte of it comes."""
    monkeypatch.setattr(connection, "BODY_SECONDS", 0.2)
    with before(region, NOWHERE) as address:
        assert answered(address, b"PUT /mine HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx") == b""


def test_a_client_that_goes_ends_the_stores_side(region: Region) -> None:
    got = bytearray()
    ended = threading.Event()

    def swallow(accepted: socket.socket) -> None:
        while data := accepted.recv(65_536):
            got.extend(data)
        ended.set()

    with store_that(swallow) as store, before(region, store) as address:
        with socket.create_connection(address, timeout=20) as client:
            client.sendall(PUT % 1_000_000 + b"x" * 100_000)
            eventually(lambda: len(got) > 50_000, 10)
        assert ended.wait(10)


def test_an_address_has_so_many_connections(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    """New connections are told to retry later; existing ones continue."""
    monkeypatch.setattr(door, "MOST_FROM_ADDRESS", 3)
    with before(region, NOWHERE) as address:
        clients = [socket.create_connection(address, timeout=20) for _ in range(3)]
        for client in clients:
            client.sendall(HEAD)
            assert client.recv(65_536).startswith(b"HTTP/1.1 503 ")
        assert b"SlowDown" in answered(address)
        for client in clients:
            client.close()
        eventually(lambda: b"SlowDown" not in _first(address), 10)


def _first(address: tuple[str, int]) -> bytes:
    with socket.create_connection(address, timeout=20) as client:
        client.sendall(HEAD)
        return client.recv(65_536)


def test_what_stands_still_holds_up_nobody(region: Region) -> None:
    """Half requests, and one that is answered."""
    with before(region, NOWHERE) as address:
        halves = [socket.create_connection(address, timeout=20) for _ in range(30)]
        for half in halves:
            half.sendall(b"GET /hers")
        began = time.monotonic()
        assert _first(address).startswith(b"HTTP/1.1 503 ")
        assert time.monotonic() - began < 10
        for half in halves:
            half.close()


def test_an_account_whose_requests_all_wait_leaves_the_desk_to_others(region: Region) -> None:
    oos = OneBucket()
    with before(region, NOWHERE, oos) as (host, port):
        keys = [access_keys.create(region, make_account(region, name)) for name in ("alice", "bob")]
        alice, bob = (
            boto3.client(
                "s3",
                endpoint_url=f"http://{host}:{port}",
                aws_access_key_id=key.access_key_id,
                aws_secret_access_key=secret,
                region_name="us-east-1",
                config=configuration(signed=True),
            )
            for key, secret in keys
        )

        def ask(client: Any, bucket: str) -> str:
            with pytest.raises(ClientError) as caught:
                client.get_bucket_policy(Bucket=bucket)
            return refusal(caught.value)[1]

        assert ask(bob, "slow") == "AccessDenied"
        oos.slow = threading.Event()
        with ThreadPoolExecutor(8) as threads:
            waiting = [threads.submit(ask, bob, "slow") for _ in range(8)]
            assert ask(alice, "hers") in ("AccessDenied", "NoSuchBucketPolicy")
            assert not any(each.done() for each in waiting)
            oos.slow.set()
            assert {each.result() for each in waiting} == {"AccessDenied"}


def test_a_deletion_that_is_noted_late_takes_no_later_bucket_with_it(region: Region) -> None:
    """The name was taken again between the store's answer and the note."""
    owner = make_account(region, "alice")
    buckets.note(region, "hers", owner.account_id)
    desk = Desk(region, OneBucket(), lambda key: access_keys.lookup(region, key))
    desk.deleted("hers")
    with region.store.read() as reading:
        assert records.owner(reading, "hers") == owner.account_id
