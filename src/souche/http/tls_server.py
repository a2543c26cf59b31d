"""uvicorn's server with TLS: handshakes count as connections, and must end in the time of a head.

uvicorn leaves TLS to the event loop, which reports a connection only after its handshake; until then it would not be
counted.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Coroutine, Iterator
from typing import Final

import structlog
import uvicorn

from souche.http.connections import Bounds, Connections

FULL_SECONDS: Final = 0.1
"""pause when the process has no file descriptor left for another connection"""

NOTICE_SECONDS: Final = 1.0
"""for the last bytes of a connection, at the end of the server"""

log = structlog.get_logger()


class TlsServer(uvicorn.Server):
    """Accepts connections itself. Others handle signals."""

    def __init__(
        self,
        config: uvicorn.Config,
        context: ssl.SSLContext,
        bounds: Bounds,
        open_connections: Connections,
    ) -> None:
        super().__init__(config)
        self._context = context
        self._bounds = bounds
        self._open_connections = open_connections
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        for listening in sockets or []:
            listening.setblocking(False)  # noqa: FBT003 (socket's own)
            self._begin(self._accept(listening))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        dropping = asyncio.get_running_loop().create_task(self._drop_closed())
        try:
            await super().shutdown(sockets)
        finally:
            dropping.cancel()

    async def _drop_closed(self) -> None:
        """Drop the connections that were closed and have sent everything. The event loop would wait for each client to
        confirm that, which a client does not that only waits for answers. TLS does not ask for it (RFC 8446, 6.1)."""
        while True:
            closed = [each.transport for each in self.server_state.connections if each.transport.is_closing()]
            await asyncio.sleep(NOTICE_SECONDS)
            for transport in closed:
                if not transport.get_write_buffer_size():
                    transport.abort()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listening)
            except OSError as error:
                log.warning("the API took no connection", reason=str(error))
                await asyncio.sleep(FULL_SECONDS)
                continue
            self._begin(self._shake_hands(sock, address[0]))

    async def _shake_hands(self, sock: socket.socket, host: str) -> None:
        """Until the protocol has the connection, and counts it."""
        if not self._open_connections.admit(host):
            sock.close()
            return
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol, sock, ssl=self._context, ssl_handshake_timeout=self._bounds.head_seconds
            )
        except OSError as error:  # includes ssl.SSLError, TimeoutError and ConnectionError
            log.debug("a TLS handshake failed", host=host, reason=str(error))
            sock.close()
        finally:
            self._open_connections.leave(host)

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn calls it
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
