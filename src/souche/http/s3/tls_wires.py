"""A TLS connection as a plain wire: the door reads and writes one end of a socket pair, and two tasks carry bytes
between the other end and the client."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Final

from souche.http.s3.wires import Wire

PIECE_BYTES: Final = 256 * 1024
HANDSHAKE_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 120.0
"""time limit for a client to read the end of an answer"""


@contextlib.asynccontextmanager
async def without_tls(sock: socket.socket, context: ssl.SSLContext) -> AsyncIterator[Wire]:
    """The wire of a client's connection after its handshake. The caller closes it.

    Raises:
        OSError: the handshake failed.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(PIECE_BYTES, loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, sock, ssl=context, ssl_handshake_timeout=HANDSHAKE_SECONDS
    )
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    near, far = socket.socketpair()
    far.setblocking(False)  # noqa: FBT003 (socket's own)
    coming = loop.create_task(_coming(reader, far))
    going = loop.create_task(_going(far, writer))
    try:
        yield Wire(near)
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await going
                writer.close()
                await writer.wait_closed()
    finally:
        for task in (coming, going):
            task.cancel()
        await asyncio.gather(coming, going, return_exceptions=True)
        near.close()
        far.close()
        transport.abort()


async def _coming(reader: asyncio.StreamReader, far: socket.socket) -> None:
    """Transfers the client's data, until their end."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE_BYTES):
            await loop.sock_sendall(far, piece)
    with contextlib.suppress(OSError):  # the other end is closed: the door's read shows it
        far.shutdown(socket.SHUT_WR)


async def _going(far: socket.socket, writer: asyncio.StreamWriter) -> None:
    """Transfers the data for the client, until their end. While the client still sends, its connection stays open: the
    door continues to read, so that the client can read an answer."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while piece := await loop.sock_recv(far, PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
