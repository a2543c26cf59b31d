"""Runs ASGI applications on sockets until a signal ends the process."""

import asyncio
import contextlib
import gc
import signal
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import uvicorn
import uvloop
from starlette.types import ASGIApp

from souche.http import connections
from souche.http.connections import Bounds, Connections
from souche.http.protocol import BoundedHttp
from souche.http.tls_server import TlsServer

BACKLOG = 2048
GRACE_SECONDS = 10
IDLE_SECONDS = 5
"""how long a connection stays open after an answer"""


@dataclass(frozen=True)
class Application:
    """An ASGI application, the socket that it listens on, the bounds of its connections; by TLS if there is a
    context. At the end of the server, open requests have `grace_seconds`."""

    asgi: ASGIApp
    listening: socket.socket
    bounds: Bounds = connections.API
    tls: ssl.SSLContext | None = None
    protocol: type[BoundedHttp] = BoundedHttp
    grace_seconds: int = GRACE_SECONDS


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one.

    Raises:
        OSError: the address is not ours, or taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def address_of(listening: socket.socket) -> str:
    """The address of a socket, as settings write it."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Server(uvicorn.Server):
    """One of several servers in a process: signals are handled for all of them in `_main`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(applications: Sequence[Application], on_ready: Callable[[], None] = lambda: None) -> None:
    """Serve each application on its socket until SIGINT or SIGTERM, then let open requests end. `on_ready` is called
    when both are heard: a process that it tells may send one at once."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(applications, on_ready))


async def _main(applications: Sequence[Application], on_ready: Callable[[], None]) -> None:
    servers = [server_of(each) for each in applications]

    def end() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    # What was made so far lives as long as the process. A collection that walks through it takes 80 ms.
    gc.collect()
    gc.freeze()
    on_ready()
    await asyncio.gather(
        *(server.serve(sockets=[each.listening]) for server, each in zip(servers, applications, strict=True))
    )


def server_of(application: Application) -> uvicorn.Server:
    """The server of an application. Others handle signals."""
    open_connections = Connections(application.bounds, connections.most_files())
    configured = configuration(
        application.asgi,
        application.bounds,
        open_connections,
        protocol=application.protocol,
        grace_seconds=application.grace_seconds,
    )
    if application.tls is None:
        return _Server(configured)
    return TlsServer(configured, application.tls, application.bounds, open_connections)


def configuration(
    application: ASGIApp,
    bounds: Bounds,
    open_connections: Connections | None = None,
    *,
    protocol: type[BoundedHttp] = BoundedHttp,
    grace_seconds: int = GRACE_SECONDS,
) -> uvicorn.Config:
    """How uvicorn serves an application."""
    open_connections = open_connections or Connections(bounds, connections.most_files())
    return uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,  # anyone can forge X-Forwarded-For; API access rules use the address
        http=cast("type[asyncio.Protocol]", partial(protocol, bounds, open_connections)),
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=grace_seconds,
    )
