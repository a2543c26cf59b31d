"""What connects to a relay reaches its target, byte by byte."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from souche.http import relay
from souche.http.connections import Bounds
from souche.http.relay import Relay

MUCH = bytes(range(256)) * 8192
SECONDS = 10.0


def loopback() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[socket.socket]:
    """A server that answers one connection."""

    def serve() -> None:
        with listening.accept()[0] as client:
            answer(client)

    with closing(loopback()) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening
        thread.join(SECONDS)


def relayed(target: socket.socket, bounds: Bounds = relay.BOUNDS) -> socket.socket:
    """A connection through a relay."""
    listening = loopback()
    Relay(listening, target.getsockname(), bounds).start()
    return socket.create_connection(listening.getsockname(), SECONDS)


def read_all(channel: socket.socket) -> bytes:
    return b"".join(iter(lambda: channel.recv(65536), b""))


def echo(client: socket.socket) -> None:
    client.sendall(read_all(client))


def test_everything_is_passed_on_in_both_directions_and_its_end_too() -> None:
    with serving(echo) as target, closing(relayed(target)) as channel:
        channel.sendall(MUCH)
        channel.shutdown(socket.SHUT_WR)
        assert read_all(channel) == MUCH


def test_whoever_connects_when_the_target_is_away_is_hung_up_on() -> None:
    with closing(loopback()) as free:
        gone = free.getsockname()
    listening = loopback()
    Relay(listening, gone).start()
    with closing(socket.create_connection(listening.getsockname(), SECONDS)) as channel:
        assert _ended(channel)


def test_an_idle_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "IDLE_SECONDS", 0.2)
    with serving(echo) as target, closing(relayed(target)) as channel:
        assert _ended(channel)


def test_an_address_has_so_many_connections_and_no_more() -> None:
    with serving(echo) as target, closing(relayed(target, Bounds(most_from_address=0))) as channel:
        assert _ended(channel)
        with closing(socket.create_connection(target.getsockname(), SECONDS)):
            pass  # lets the server end


def _ended(channel: socket.socket) -> bool:
    try:
        return channel.recv(1) == b""
    except ConnectionError:
        return True
