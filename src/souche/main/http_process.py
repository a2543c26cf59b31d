"""The preparation of a process that answers the API."""

import ctypes
import functools
import os
import socket
from collections.abc import Callable, Iterable
from typing import Final

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from souche.app import access_keys, api_access_rules
from souche.app.context.region import Region
from souche.config import Settings
from souche.errors import SystemFailure
from souche.http import connections, server
from souche.http.app import create_app
from souche.http.auth import KeyLookup
from souche.http.exchange import Exchange
from souche.room import MIB

M_TRIM_THRESHOLD: Final = -1  # mallopt(3)
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8


class CannotListen(SystemFailure):
    """The region cannot listen on {listen}: {reason}"""


def prepare() -> None:
    """Keep this process's files private, bound its memory, and allow it many connections."""
    os.umask(0o077)
    _bound_memory()
    connections.raise_most_files()


def _bound_memory() -> None:
    """Make the C library return the memory that exports and imports have freed: by default it keeps freed memory in
    each of many arenas (mallopt(3)). The thresholds are not lower, as every MiB of a disk would then cost 256 page
    faults, a quarter of an export's work."""
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_THRESHOLD, 4 * MIB)
    libc.mallopt(M_TRIM_THRESHOLD, 16 * MIB)
    libc.mallopt(M_ARENA_MAX, 2)


def listen(settings: Settings) -> socket.socket:
    """The socket of the API.

    Raises:
        CannotListen.
    """
    try:
        return server.listen(*settings.address)
    except OSError as error:
        raise CannotListen(listen=settings.listen, reason=error.strerror) from error


def endpoint_of(settings: Settings, listening: socket.socket) -> str:
    """The endpoint, with the actual port if any free port was requested."""
    if settings.address[1]:
        return settings.endpoint
    return f"{settings.scheme}://{server.address_of(listening)}"


def api_of(
    region: Region,
    more_routes: Iterable[BaseRoute] = (),
    observe: Callable[[Exchange], None] = lambda _exchange: None,
) -> ASGIApp:
    """The API of a process."""
    may_call = functools.partial(api_access_rules.may_call, region)
    return create_app(region, keys_of(region), more_routes, may_call=may_call, observe=observe)


def keys_of(region: Region) -> KeyLookup:
    """Finds the access keys of requests."""
    return functools.partial(access_keys.lookup, region)
