"""The NBD client against qemu-nbd, and against servers that do not keep to the protocol."""

import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from souche.nbd_client import STATE_ZERO, Client, NbdError
from souche.run import run
from souche.storage import nbd

MIB = 1024**2
SIZE = 8 * MIB


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[bytes, str]]:
    """What a disk has (2 MiB of data, then a hole, then data), and its URI."""
    content = random.Random(1).randbytes(2 * MIB) + bytes(5 * MIB) + random.Random(2).randbytes(MIB)
    (tmp_path / "raw").write_bytes(content)
    run(["qemu-img", "convert", "-O", "qcow2", tmp_path / "raw", tmp_path / "disk"], timeout_seconds=60)
    (tmp_path / "served").mkdir()
    with nbd.serve(tmp_path / "disk", "qcow2", tmp_path / "served") as uri:
        yield content, uri


def test_bytes_are_those_of_the_disk_whatever_the_order_of_the_questions(disk: tuple[bytes, str]) -> None:
    content, uri = disk
    client = Client.of_uri(uri)
    assert client.size == SIZE
    asked = {client.ask(at, 3 * MIB // 2): at for at in range(0, SIZE - MIB, MIB)}
    for cookie, at in reversed(asked.items()):
        assert client.answer(cookie) == content[at : at + 3 * MIB // 2]
    assert client.read(SIZE - 5, 5) == content[-5:]
    client.close()


def test_holes_are_told(disk: tuple[bytes, str]) -> None:
    client = Client.of_uri(disk[1])
    assert client.tells_allocation
    blocks, at = [], 0
    while at < SIZE:
        for length, flags in client.block_status(at, SIZE - at):
            blocks.append((at, length, flags & STATE_ZERO))
            at += length
    assert [(offset, length) for offset, length, zero in blocks if zero] == [(2 * MIB, 5 * MIB)]
    client.close()


def test_a_reading_beyond_the_end_is_an_error_and_the_connection_goes_on(disk: tuple[bytes, str]) -> None:
    content, uri = disk
    client = Client.of_uri(uri)
    with pytest.raises(NbdError, match="cannot read"):
        client.read(SIZE, MIB)
    assert client.read(0, 10) == content[:10]
    client.close()


def test_an_export_that_is_not_there_is_an_error(disk: tuple[bytes, str]) -> None:
    with pytest.raises(NbdError, match="export"):
        Client.of_uri(disk[1].replace("///", "///another"))


def test_an_address_of_another_kind_is_an_error() -> None:
    with pytest.raises(NbdError, match="URI"):
        Client.of_uri("nbd://127.0.0.1:10809")


def option_reply(option: int, kind: int, data: bytes = b"") -> bytes:
    return struct.pack(">QIII", 0x0003E889045565A9, option, kind, len(data)) + data


GREETING = b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3)
EXPORT = struct.pack(">HQH", 0, SIZE, 1)
SIMPLE = option_reply(8, 2**31 + 1)  # no structured replies
READY = GREETING + SIMPLE + option_reply(7, 3, EXPORT) + option_reply(7, 1)


@contextmanager
def saying(tmp_path: Path, said: bytes) -> Iterator[Callable[[], Client]]:
    """A server that says the same to everybody, and goes when its client does."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "peer"))
        server.listen()

        def serve() -> None:
            peer, _address = server.accept()
            with peer, suppress(ConnectionError):
                peer.sendall(said)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):
                    """What it asks does not matter."""

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield lambda: Client(str(tmp_path / "peer"))
        thread.join(10)


def chunk(cookie: int, kind: int, data: bytes, flags: int = 0) -> bytes:
    return struct.pack(">IHHQI", 0x668E33EF, flags, kind, cookie, len(data)) + data


def test_an_old_server_answers_without_structure(tmp_path: Path) -> None:
    said = READY + struct.pack(">IIQ", 0x67446698, 0, 1) + b"disk"
    with saying(tmp_path, said) as connect:
        client = connect()
        assert (client.size, client.tells_allocation) == (SIZE, False)
        assert client.read(0, 4) == b"disk"
        client.close()


def test_an_answer_in_parts_is_put_together(tmp_path: Path) -> None:
    parts = [
        chunk(1, 1, struct.pack(">Q", 104) + b"end."),
        chunk(1, 2, struct.pack(">QI", 102, 2)),
        chunk(1, 1, struct.pack(">Q", 100) + b"be", flags=1),
    ]
    with saying(tmp_path, READY + b"".join(parts)) as connect:
        client = connect()
        assert client.read(100, 8) == b"be\0\0end."
        client.close()


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request",
        GREETING[:-1] + b"\0",
        GREETING + struct.pack(">QIII", 1, 8, 1, 0),
        GREETING + option_reply(8, 1)[:-4] + struct.pack(">I", 2**31),
        READY[:-10],
        READY + struct.pack(">IIQ", 0x67446698, 0, 9),
        READY + struct.pack(">IIQ", 1, 0, 1),
        READY + struct.pack(">IIQ", 0x67446698, 5, 1),
        READY + chunk(1, 1, struct.pack(">Q", 2**63) + b"disk"),
        READY + chunk(1, 1, struct.pack(">Q", 1) + b"disk"),
        READY + chunk(1, 1, struct.pack(">Q", 0) + b"disks, more than was asked for"),
        READY + chunk(1, 2, struct.pack(">QI", 0, 2**31)),
        READY + chunk(1, 99, b"", flags=1),
        READY + chunk(1, 0x8001, struct.pack(">IH", 5, 0), flags=1),
    ],
    ids=lambda said: said[-24:].hex(),
)
def test_what_the_protocol_does_not_have_is_an_error(tmp_path: Path, said: bytes) -> None:
    with saying(tmp_path, said) as connect, pytest.raises(NbdError), closing(connect()) as client:
        client.read(0, 4)
