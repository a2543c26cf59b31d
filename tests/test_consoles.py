"""Sessions at the consoles of guests, and the terminals that are connected to them."""

import os
import pty
import socket
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from souche.admin import console_bridge, wire
from souche.admin.console_bridge import Offer, bridge
from souche.cli import terminal
from tests.support.polling import eventually

SECONDS = 20
MEBIBYTE = 1024 * 1024


@pytest.fixture
def guest() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a serial line: the guest's, and the server's."""
    with ExitStack() as stack:
        ends = socket.socketpair()
        for each in ends:
            stack.enter_context(each)
        ends[0].settimeout(SECONDS)
        yield ends


@pytest.fixture
def client(guest: tuple[socket.socket, socket.socket]) -> Iterator[socket.socket]:
    """The client's end of a bridge to the guest's line. The bridge must end when both ends have."""
    near, far = socket.socketpair()
    bridging = threading.Thread(target=bridge, args=(guest[1], far), daemon=True)
    bridging.start()
    near.settimeout(SECONDS)
    with far:  # the bridge's own, until it has ended
        with near:
            yield near
        bridging.join(SECONDS)
        assert not bridging.is_alive()


def received(source: socket.socket, size: int) -> bytes:
    came = b""
    while len(came) < size and (part := source.recv(size - len(came))):
        came += part
    return came


def test_both_sides_hear_each_other_and_the_client_ends_the_session(
    guest: tuple[socket.socket, socket.socket], client: socket.socket
) -> None:
    client.sendall(b"root\n")
    assert received(guest[0], 5) == b"root\n"
    guest[0].sendall(b"Password:")
    assert received(client, 9) == b"Password:"
    client.close()
    assert guest[0].recv(1) == b""


def test_a_client_that_types_no_more_still_reads(
    guest: tuple[socket.socket, socket.socket], client: socket.socket
) -> None:
    client.sendall(b"last")
    client.shutdown(socket.SHUT_WR)
    assert received(guest[0], 4) == b"last"
    guest[0].sendall(b"answer")
    assert received(client, 6) == b"answer"


def test_a_guest_that_ends_ends_the_session(
    guest: tuple[socket.socket, socket.socket], client: socket.socket
) -> None:
    guest[0].sendall(b"bye")
    guest[0].close()
    assert received(client, 100) == b"bye"


def test_a_client_that_does_not_read_is_left_and_the_guest_writes_on(
    guest: tuple[socket.socket, socket.socket], client: socket.socket
) -> None:
    """The client types nothing and reads nothing, but stays."""
    with pytest.raises(
        OSError, match="Broken pipe"
    ):  # and not a timeout: the server has ended the connection
        guest[0].sendall(bytes(MEBIBYTE))


def test_an_offer_takes_one_connection(tmp_path: Path, guest: tuple[socket.socket, socket.socket]) -> None:
    opened, offer = ExitStack(), Offer(tmp_path)
    ended = threading.Event()
    opened.callback(ended.set)
    offer.hold(guest[1], opened)
    connected = wire.connect(tmp_path, offer.name)
    assert connected is not None
    with connected:
        guest[0].sendall(b"x")
        connected.settimeout(SECONDS)
        assert connected.recv(1) == b"x"
        assert wire.connect(tmp_path, offer.name) is None
    assert ended.wait(SECONDS)


def test_an_offer_that_nobody_takes_ends(
    tmp_path: Path, guest: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_bridge, "CONNECT_SECONDS", 0.05)
    opened, offer = ExitStack(), Offer(tmp_path)
    ended = threading.Event()
    opened.callback(ended.set)
    offer.hold(guest[1], opened)
    assert ended.wait(SECONDS)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_server_has_offered_is_removed(tmp_path: Path) -> None:
    with wire.bind(tmp_path, "console-1.sock"), wire.bind(tmp_path):
        wire.remove_consoles(tmp_path)
        assert [each.name for each in tmp_path.iterdir()] == [wire.SOCKET]


@pytest.fixture
def attached() -> Iterator[Callable[[int, int], tuple[socket.socket, Callable[[], bool]]]]:
    """Attaches a keyboard and a screen. Gives the other end, and what waits for the end: whether it was left."""
    with ExitStack() as stack:

        def attach(keyboard: int, screen: int) -> tuple[socket.socket, Callable[[], bool]]:
            near, far = (stack.enter_context(each) for each in socket.socketpair())
            near.settimeout(SECONDS)
            left: list[bool] = []
            thread = threading.Thread(
                target=lambda: left.append(terminal.attach(far, keyboard, screen)), daemon=True
            )
            thread.start()

            def wait() -> bool:
                thread.join(SECONDS)
                return left[0]

            return near, wait

        yield attach


Attach = Callable[[int, int], tuple[socket.socket, Callable[[], bool]]]


def test_a_terminal_passes_every_key_until_the_escape(attached: Attach) -> None:
    person, keyboard = pty.openpty()
    before = termios.tcgetattr(keyboard)
    other, left = attached(keyboard, keyboard)
    eventually(lambda: termios.tcgetattr(keyboard) != before, SECONDS)
    os.write(person, b"\x03\x04\x1a\r")
    assert received(other, 4) == b"\x03\x04\x1a\r"
    other.sendall(b"login: ")
    assert os.read(person, 100) == b"login: "
    os.write(person, b"last\x1dnot sent")
    assert left()
    assert received(other, 4) == b"last"
    assert termios.tcgetattr(keyboard) == before
    for each in (person, keyboard):
        os.close(each)


def test_a_pipe_passes_all_that_comes_and_shows_what_comes_after_its_end(attached: Attach) -> None:
    (keyboard, typing), (shown, screen) = os.pipe(), os.pipe()
    other, left = attached(keyboard, screen)
    os.write(typing, b"a\x1db")
    os.close(typing)
    assert received(other, 100) == b"a\x1db"
    other.sendall(b"answer")
    other.close()
    assert not left()
    assert os.read(shown, 100) == b"answer"
    for each in (keyboard, shown, screen):
        os.close(each)


def test_what_a_guest_does_not_read_yet_does_not_keep_it_from_being_shown(attached: Attach) -> None:
    (keyboard, typing), (shown, screen) = os.pipe(), os.pipe()
    other, left = attached(keyboard, screen)

    def paste() -> None:
        with os.fdopen(typing, "wb") as pasted:
            pasted.write(bytes(MEBIBYTE))

    threading.Thread(target=paste, daemon=True).start()
    other.sendall(b"busy")
    assert os.read(shown, 4) == b"busy"
    assert received(other, 2 * MEBIBYTE) == bytes(MEBIBYTE)
    other.close()
    assert not left()
    for each in (keyboard, shown, screen):
        os.close(each)
