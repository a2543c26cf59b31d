"""The head of an answer goes with its body, and is never lost."""

import socket
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from souche.http import joined_answer
from souche.http.connections import API
from souche.http.joined_answer import JoinedAnswer
from tests.wire.server import serving
from tests.wire.test_connections import read_to_end


@dataclass
class Sent:
    """A transport that keeps what it was given."""

    pieces: list[bytes] = field(default_factory=list)
    closed: bool = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.pieces.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def cycle(sent: Sent, method: str = "POST") -> Any:
    return SimpleNamespace(scope={"method": method}, transport=sent, response_started=False)


def test_the_head_and_the_first_part_are_one_piece() -> None:
    sent = Sent()
    joined = JoinedAnswer(answering := cycle(sent))
    joined.write(b"100 Continue ")  # before the answer
    answering.response_started = True
    for piece in (b"head ", b"first ", b"second"):
        joined.write(piece)
    assert sent.pieces == [b"100 Continue ", b"head first ", b"second"]


@pytest.mark.parametrize("pieces", [[], [b"head "], [b"head ", b"body"]])
def test_closing_sends_what_is_kept(pieces: list[bytes]) -> None:
    sent = Sent()
    joined = JoinedAnswer(answering := cycle(sent))
    answering.response_started = True
    for piece in pieces:
        joined.write(piece)
    joined.close()
    assert b"".join(sent.pieces) == b"".join(pieces)
    assert joined.is_closing()


def test_the_answer_to_head_has_no_body_to_wait_for() -> None:
    answering = cycle(sent := Sent(), "HEAD")
    joined_answer.join(answering)
    assert answering.transport is sent


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with an empty body by status 204 to /empty, with two parts to /parts, with half of its body to /half."""
    await receive()
    path = scope["path"]
    if path == "/empty":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    if path != "/head-only":
        await send({"type": "http.response.body", "body": b"ab", "more_body": True})
    if path == "/parts":
        await send({"type": "http.response.body", "body": b"cd"})


@pytest.mark.parametrize(
    ("request_line", "end"),
    [
        (b"GET /empty", b"\r\n\r\n"),
        (b"GET /parts", b"\r\n\r\nabcd"),
        (b"HEAD /parts", b"content-length: 4\r\nconnection: close\r\n\r\n"),
        (b"GET /half", b"\r\n\r\nab"),
        (b"GET /head-only", b"content-length: 4\r\nconnection: close\r\n\r\n"),
    ],
)
def test_a_client_gets_the_whole_answer(request_line: bytes, end: bytes) -> None:
    with serving(_app, API) as server, socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(request_line + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answered = read_to_end(client)
    assert answered.startswith(b"HTTP/1.1 20")
    assert answered.endswith(end)


def test_a_client_that_waits_is_told_to_continue() -> None:
    with serving(_app, API) as server, socket.create_connection(("127.0.0.1", server.port), 10) as client:
        head = b"POST /parts HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
        client.sendall(head + b"Content-Length: 2\r\n\r\n")
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"{}")
        assert read_to_end(client).endswith(b"\r\n\r\nabcd")
