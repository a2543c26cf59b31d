"""A client of the NBD protocol that reads: "newstyle" negotiation, structured replies, block status.

`doc/proto.md` of NetworkBlockDevice/nbd is the specification. Several requests may be in flight; a server may answer
them in any order, and a read in several parts. Servers are qemu-nbd on Unix sockets, started by Souche itself.
"""

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

ALLOCATION: Final = "base:allocation"
STATE_ZERO: Final = 2
"""flag of a block that reads as zeros"""
MOST_SECONDS: Final = 60
"""longest silence of a server"""
MOST_OPTION_BYTES: Final = 64 * 1024
MOST_STATUS_BYTES: Final = 64 * 1024 * 1024
DEFAULT_READ_BYTES: Final = 32 * 1024 * 1024
"""every server accepts requests of this length (section "Block size constraints")"""

_GREETING: Final = struct.Struct(">8s8sH")
_OPTION: Final = struct.Struct(">8sII")
_OPTION_REPLY: Final = struct.Struct(">QIII")
_REQUEST: Final = struct.Struct(">IHHQQI")
_SIMPLE: Final = struct.Struct(">IIQ")
_STRUCTURED_REST: Final = struct.Struct(">I")
_SIMPLE_MAGIC: Final = 0x67446698
_STRUCTURED_MAGIC: Final = 0x668E33EF
_REQUEST_MAGIC: Final = 0x25609513
_OPTION_MAGIC: Final = b"IHAVEOPT"
_OPTION_REPLY_MAGIC: Final = 0x0003E889045565A9
_FIXED, _NO_ZEROES = 1, 2
_GO, _STRUCTURED_REPLY, _SET_META_CONTEXT = 7, 8, 10
_ACK, _INFO, _META_CONTEXT = 1, 3, 4
_INFO_EXPORT, _INFO_BLOCK_SIZE = 0, 3
_READ, _DISCONNECT, _BLOCK_STATUS = 0, 2, 7
_DONE: Final = 1
_NONE, _DATA, _HOLE, _STATUS = 0, 1, 2, 5
_ERROR_BIT: Final = 1 << 15


class NbdError(OSError):
    """The server failed, refused, or broke the protocol."""


@dataclass
class _Answer:
    """The answer to a request, as far as it has arrived."""

    length: int
    offset: int
    data: bytearray | None = None
    blocks: list[tuple[int, int]] = field(default_factory=list)
    error: int = 0
    done: bool = False


class Client:
    """A connection. `size` is the disk's; `most_bytes` the limit of one read; `tells_allocation`: whether the server
    supports `block_status`.

    Raises:
        NbdError, OSError: there is no server, or it violates the protocol.
    """

    def __init__(self, path: str, export: str = "") -> None:
        self.size = 0
        self.most_bytes = DEFAULT_READ_BYTES
        self.tells_allocation = False
        self._context = -1
        self._cookie = 0
        self._answers: dict[int, _Answer] = {}
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            # The kernel enforces the time limit: Python's timeout would add a poll to every read.
            limit = struct.pack("ll", MOST_SECONDS, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
            self._socket.connect(path)
            self._negotiate(export.encode())
        except BaseException:
            self._socket.close()
            raise

    @classmethod
    def of_uri(cls, uri: str) -> "Client":
        """The server of an NBD URI of the form nbd+unix:///EXPORT?socket=PATH."""
        parts = urlsplit(uri)
        try:
            (path,) = parse_qs(parts.query, strict_parsing=True)["socket"]
        except (ValueError, KeyError) as error:
            raise NbdError("this is not a URI of an NBD server on a Unix socket") from error
        return cls(path, unquote(parts.path.removeprefix("/")))

    def ask(self, offset: int, length: int) -> int:
        """Request bytes. Returns a cookie for `answer`."""
        return self._send(_READ, offset, length)

    def answer(self, cookie: int) -> bytearray:
        """The requested bytes."""
        found = self._wait(cookie)
        return bytearray(found.length) if found.data is None else found.data

    def read(self, offset: int, length: int) -> bytearray:
        """The bytes from `offset` on."""
        return self.answer(self.ask(offset, length))

    def block_status(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Lengths and flags of the blocks from `offset` on. The server may report fewer bytes than requested,
        and its last block may reach beyond."""
        return self._wait(self._send(_BLOCK_STATUS, offset, length)).blocks

    def close(self) -> None:
        """Close the connection, even with requests in flight."""
        with suppress(OSError):
            self._send(_DISCONNECT, 0, 0)
        self._socket.close()

    def _negotiate(self, export: bytes) -> None:
        magic, second, flags = _GREETING.unpack(self._take(_GREETING.size))
        if (magic, second) != (b"NBDMAGIC", _OPTION_MAGIC) or not flags & _FIXED:
            raise NbdError("the server does not support the fixed newstyle of NBD")
        self._socket.sendall(struct.pack(">I", _FIXED | flags & _NO_ZEROES))
        name = struct.pack(">I", len(export)) + export
        if self._option(_STRUCTURED_REPLY, b"") is not None:
            query = ALLOCATION.encode()
            contexts = self._option(_SET_META_CONTEXT, name + struct.pack(">II", 1, len(query)) + query)
            for _kind, data in contexts or []:
                self._context, self.tells_allocation = struct.unpack_from(">I", data)[0], True
        facts = self._option(_GO, name + struct.pack(">HH", 1, _INFO_BLOCK_SIZE))
        if facts is None:
            raise NbdError("the server does not have this export")
        for _kind, data in facts:
            self._learn(data)

    def _learn(self, data: bytearray) -> None:
        (kind,) = struct.unpack_from(">H", data)
        if kind == _INFO_EXPORT:
            (self.size,) = struct.unpack_from(">Q", data, 2)
        elif kind == _INFO_BLOCK_SIZE:
            (self.most_bytes,) = struct.unpack_from(">I", data, 10)

    def _option(self, option: int, data: bytes) -> list[tuple[int, bytearray]] | None:
        """The server's answer to an option; None: it refuses."""
        self._socket.sendall(_OPTION.pack(_OPTION_MAGIC, option, len(data)) + data)
        answers: list[tuple[int, bytearray]] = []
        while True:
            magic, about, kind, length = _OPTION_REPLY.unpack(self._take(_OPTION_REPLY.size))
            if (magic, about) != (_OPTION_REPLY_MAGIC, option) or length > MOST_OPTION_BYTES:
                raise NbdError("the server's answer to an option violates the protocol")
            said = self._take(length)
            if kind == _ACK:
                return answers
            if kind not in (_INFO, _META_CONTEXT):
                return None
            answers.append((kind, said))

    def _send(self, command: int, offset: int, length: int) -> int:
        self._cookie += 1
        self._socket.sendall(_REQUEST.pack(_REQUEST_MAGIC, 0, command, self._cookie, offset, length))
        if command != _DISCONNECT:
            self._answers[self._cookie] = _Answer(length, offset)
        return self._cookie

    def _wait(self, cookie: int) -> _Answer:
        while not self._answers[cookie].done:
            self._receive()
        found = self._answers.pop(cookie)
        if found.error:
            raise NbdError(found.error, "the server cannot read the disk")
        return found

    def _receive(self) -> None:
        """Receive the next reply, or part of one, of any request."""
        magic, second, cookie = _SIMPLE.unpack(self._take(_SIMPLE.size))
        answer = self._answers.get(cookie)
        if answer is None:
            raise NbdError("the server answered another request")
        if magic == _SIMPLE_MAGIC:
            answer.error, answer.done = second, True
            if not second:
                answer.data = self._take(answer.length)
        elif magic == _STRUCTURED_MAGIC:
            (length,) = _STRUCTURED_REST.unpack(self._take(_STRUCTURED_REST.size))
            answer.done = bool(second >> 16 & _DONE)
            self._part(answer, second & 0xFFFF, length)
        else:
            raise NbdError("the server's answer violates the protocol")

    def _part(self, answer: _Answer, kind: int, length: int) -> None:
        if kind == _DATA and 8 < length <= answer.length + 8:
            (offset,) = struct.unpack(">Q", self._take(8))
            self._put(answer, offset - answer.offset, length - 8)
        elif kind == _STATUS and 4 < length <= MOST_STATUS_BYTES:
            content = self._take(length)
            if struct.unpack_from(">I", content)[0] == self._context:
                answer.blocks.extend(struct.iter_unpack(">II", memoryview(content)[4:]))
        elif kind == _HOLE and length == 12:
            self._put_zeros(answer, *struct.unpack(">QI", self._take(length)))
        elif kind & _ERROR_BIT and 4 <= length <= MOST_OPTION_BYTES:
            (answer.error,) = struct.unpack_from(">I", self._take(length))
        elif kind != _NONE or length:
            raise NbdError("the server sent data that was not requested")

    def _put(self, answer: _Answer, at: int, length: int) -> None:
        if at == 0 and length == answer.length:
            answer.data = self._take(length)
            return
        self._check(answer, at, length)
        self._fill(memoryview(self._whole(answer))[at : at + length])

    def _put_zeros(self, answer: _Answer, offset: int, length: int) -> None:
        at = offset - answer.offset
        self._check(answer, at, length)
        self._whole(answer)[at : at + length] = bytes(length)

    def _whole(self, answer: _Answer) -> bytearray:
        """The complete answer; parts that have not arrived are zeros."""
        if answer.data is None:
            answer.data = bytearray(answer.length)
        return answer.data

    def _check(self, answer: _Answer, at: int, length: int) -> None:
        if not 0 <= at <= at + length <= answer.length:
            raise NbdError("the server sent bytes beyond the requested ones")

    def _take(self, length: int) -> bytearray:
        content = bytearray(length)
        self._fill(memoryview(content))
        return content

    def _fill(self, room: memoryview) -> None:
        at = 0
        while at < len(room):
            try:
                got = self._socket.recv_into(room[at:], 0, socket.MSG_WAITALL)
            except BlockingIOError as error:
                raise NbdError("the server does not answer") from error
            if not got:
                raise NbdError("the server has gone")
            at += got
