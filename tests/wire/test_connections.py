"""Connections: how many there may be, and how long each may take over a request."""

import contextlib
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import anyio.to_thread
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from souche.http import connections
from souche.http.connections import Bounds, Connections
from souche.http.exchange import BODY_LIMIT
from tests.support.polling import eventually
from tests.wire.server import Server, new_app, serving
from tests.wire.signing import OSC_SDK_PYTHON, sign

QUICK = Bounds(most_from_address=100, head_seconds=0.4, unread_seconds=0.4)
HEAD = b"POST /api/v1/ReadRegions HTTP/1.1\r\nHost: x\r\n"
WHOLE = HEAD + b"Content-Length: 2\r\n\r\n{}"
LARGE = 64 * 1024 * 1024


@pytest.fixture(scope="module")
def quick() -> Iterator[Server]:
    """A server that soon loses patience."""
    with serving(new_app(), QUICK) as server:
        yield server


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def read_to_end(client: socket.socket) -> bytes:
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(
    "half",
    [b"", b"POST /api/v1/Read", HEAD, HEAD + b"Content-Length: 10\r\n\r\n{"],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
def test_a_request_that_does_not_come_is_given_up(quick: Server, half: bytes) -> None:
    with connect(quick) as client:
        client.sendall(half)
        refused = read_to_end(client)
    assert refused.startswith(b"HTTP/1.1 408 ")
    assert b'"Code":"4106"' in refused


@pytest.mark.parametrize("half", [b"\r\n", HEAD], ids=["a line break", "half a head"])
def test_half_a_request_after_a_whole_one_is_given_up(quick: Server, half: bytes) -> None:
    with connect(quick) as client:
        client.sendall(WHOLE)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        client.sendall(half)
        assert read_to_end(client).startswith(b"HTTP/1.1 408 ")


def test_half_a_request_in_one_piece_with_a_whole_one_is_given_up(quick: Server) -> None:
    with connect(quick) as client:
        client.sendall(WHOLE + HEAD)
        answered = read_to_end(client)
    assert (answered.count(b"HTTP/1.1 200 "), answered.count(b"HTTP/1.1 408 ")) == (1, 1)


@pytest.mark.parametrize("start", [HEAD + b"X: ", HEAD + b"Content-Length: 99\r\n\r\n"], ids=["head", "body"])
def test_bytes_now_and_then_do_not_keep_a_connection_open(start: bytes) -> None:
    bounds = Bounds(most_from_address=100, head_seconds=0.4, bytes_per_second=1024)
    with serving(new_app(), bounds) as server, connect(server) as client:
        client.sendall(start)
        client.settimeout(0.05)
        begun = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < begun + 10:
                client.sendall(b"a")
                with contextlib.suppress(TimeoutError):
                    if not client.recv(65536):
                        break
        assert time.monotonic() < begun + 5


def test_a_body_may_take_as_long_as_its_bytes_need() -> None:
    bounds = Bounds(most_from_address=100, head_seconds=0.2, bytes_per_second=2)
    with serving(new_app(), bounds) as server, connect(server) as client:
        client.sendall(HEAD + b"Content-Length: 6\r\n\r\n{")
        for piece in (b" ", b" ", b" ", b" ", b"}"):
            threading.Event().wait(0.15)
            client.sendall(piece)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


def answering(body: bytes, gate: threading.Event) -> ASGIApp:
    """An application that answers when the gate is open."""

    async def application(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await anyio.to_thread.run_sync(gate.wait, 10)
        length = b"%d" % len(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": body})

    return application


@pytest.mark.parametrize("more", [b"", HEAD, WHOLE], ids=["one", "half the next", "the next"])
def test_an_answer_that_takes_long_is_waited_for(more: bytes) -> None:
    gate = threading.Event()
    with serving(answering(b"answer", gate), QUICK) as server, connect(server) as client:
        client.sendall(WHOLE + more)
        client.settimeout(3 * QUICK.head_seconds)
        with pytest.raises(TimeoutError):
            client.recv(1)
        gate.set()
        client.settimeout(10)
        assert b"answer" in client.recv(65536)


def test_an_answer_that_is_not_read_is_given_up() -> None:
    gate = threading.Event()
    gate.set()
    with serving(answering(bytes(LARGE), gate), QUICK) as server, connect(server) as client:
        client.sendall(WHOLE)
        threading.Event().wait(QUICK.unread_seconds * 4)
        assert len(read_to_end(client)) < LARGE


def test_an_address_has_so_many_connections_at_once() -> None:
    with serving(new_app(), Bounds(most_from_address=3)) as server:
        held = [connect(server) for _ in range(3)]
        with connect(server) as surplus:
            refused = read_to_end(surplus)
        assert refused.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: 5\r\n" in refused
        held.pop().close()
        eventually(lambda: server.send("POST", "/api/v1/ReadRegions", b"{}").status == 200)
        for each in held:
            each.close()


def test_addresses_are_counted_apart_and_leave_files_to_the_databases() -> None:
    few = Connections(Bounds(most_from_address=1000), most_files=100)
    admitted = [few.admit(f"192.0.2.{number}") for number in range(4) for _ in range(25)]
    assert (admitted.count(True), few.admit("192.0.2.9")) == (75, False)
    few.leave("192.0.2.0")
    assert few.admit("192.0.2.9")


def test_the_addresses_of_a_network_of_ipv6_are_counted_as_one() -> None:
    one = Connections(Bounds(most_from_address=1), most_files=100)
    assert [one.admit(host) for host in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")] == [
        True,
        False,
        True,
    ]


def test_large_bodies_have_so_much_memory_and_one_address_a_quarter_of_it() -> None:
    bodies = Connections(Bounds(most_from_address=1, most_body_bytes=100), most_files=100)
    assert [bodies.hold("192.0.2.1", count) for count in (20, 5, 1)] == [True, True, False]
    assert [bodies.hold(f"192.0.2.{number}", 25) for number in range(2, 6)] == [True, True, True, False]
    bodies.let_go("192.0.2.1", 25)
    assert bodies.hold("192.0.2.5", 25)


def test_half_bodies_do_not_fill_the_memory_and_keep_no_ordinary_request_out() -> None:
    """They are unsigned, and each may have 1 MiB."""
    head = HEAD + b"Content-Length: %d\r\n\r\n" % BODY_LIMIT
    half = head + bytes(BODY_LIMIT - 1)
    bounds = Bounds(most_from_address=100, most_body_bytes=4 * 2 * BODY_LIMIT)
    with serving(new_app(), bounds) as server, contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(server)) for _ in range(2)]
        for client in held:
            client.sendall(half)
        eventually(lambda: _is_refused(server, half))
        assert server.send("POST", "/api/v1/ReadRegions", b"{}" + b" " * 60_000).status == 200
        for client in held:
            client.close()
        eventually(lambda: not _is_refused(server, head + bytes(BODY_LIMIT)))


def _is_refused(server: Server, request: bytes) -> bool:
    """Whether there is no room for the body of a request."""
    with connect(server) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(request)
        client.settimeout(0.5)
        with contextlib.suppress(TimeoutError, ConnectionError):
            return client.recv(65536).startswith(b"HTTP/1.1 429 ")
    return False


def test_as_many_files_as_the_system_allows_may_be_open() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}));"
        "from souche.http import connections; connections.raise_most_files();"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], connections.most_files())"
    )
    soft, most = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert int(soft) == min(hard, connections.MOST_FILES) == int(most)


def test_a_thousand_half_requests_do_not_keep_others_out(server: Server) -> None:
    connections.raise_most_files()
    with contextlib.ExitStack() as stack:
        for _ in range(1100):
            stack.enter_context(connect(server)).sendall(b"POST /api/v1/Read")
        assert server.call("ReadSubregions").status == 200


def test_a_body_that_is_cut_off_is_no_wrong_secret() -> None:
    """Four wrong ones would lock the key."""
    with serving(new_app()) as server:
        headers = sign(OSC_SDK_PYTHON, server.netloc, "/api/v1/ReadSubregions", b"{}")
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST /api/v1/ReadSubregions HTTP/1.1\r\nHost: {server.netloc}\r\n{lines}Content-Length: 2\r\n\r\n"
        for _ in range(8):
            with connect(server) as client:
                client.sendall(head.encode() + b"{")
                client.shutdown(socket.SHUT_WR)
                read_to_end(client)
        assert server.call("ReadSubregions").status == 200
