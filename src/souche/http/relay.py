"""Forwards connections to another address: guests reach services on loopback through it."""

import asyncio
import socket
import threading
import time
from contextlib import suppress
from typing import Final

import structlog

from souche.http.connections import Bounds, Connections, most_files

PIECE_BYTES: Final = 256 * 1024
IDLE_SECONDS: Final = 300.0
BOUNDS: Final = Bounds(most_from_address=64)
"""each guest has one address"""

log = structlog.get_logger()


class Relay:
    """Forwards connections from `listening` to `target` (host and port), until the process ends. If the target does not
    answer, the client's connection is closed."""

    def __init__(self, listening: socket.socket, target: tuple[str, int], bounds: Bounds = BOUNDS) -> None:
        self._listening = listening
        self._target = target
        self._open = Connections(bounds, most_files())

    def start(self) -> None:
        """Start in a separate thread, so that traffic does not wait for requests of the API."""
        threading.Thread(target=self._run, name="relay", daemon=True).start()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._pass, sock=self._listening, limit=PIECE_BYTES)
        async with server:
            await server.serve_forever()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = writer.get_extra_info("peername")[0]
        if not self._open.admit(host):
            writer.transport.abort()
            return
        try:
            await self._join(reader, writer)
        except OSError as error:
            log.info("a connection was not passed on", host=host, reason=str(error))
        finally:
            self._open.leave(host)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target, limit=PIECE_BYTES)
        passage = _Passage()
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(passage.copy(reader, far_writer))
                both.create_task(passage.copy(far_reader, writer))
        finally:
            far_writer.transport.abort()


class _Passage:
    """Both directions of a connection. It ends when both were idle for `IDLE_SECONDS`: an upload may have no bytes in
    the other direction for its whole time."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Copy one direction until its end, and forward the end; or until both are idle, or one side is gone."""
        with suppress(ConnectionError, TimeoutError):
            while piece := await self._read(reader):
                writer.write(piece)
                await writer.drain()
                self._last = time.monotonic()
            writer.write_eof()
            return
        writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        while True:
            left = self._last + IDLE_SECONDS - time.monotonic()
            if left <= 0:
                raise TimeoutError
            with suppress(TimeoutError):
                return await asyncio.wait_for(reader.read(PIECE_BYTES), left)
