"""Connects only to addresses that were checked."""

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from typing import TypeAlias

from souche.objects.addresses import Address, AllowList
from souche.objects.deadline import Deadline
from souche.objects.urls import Target
from souche.value_refusals import BadUrl, UrlUnreachable

Resolver: TypeAlias = Callable[[str, int], list[Address]]
"""Returns the addresses of a host for a port. Raises OSError."""


def resolve(host: str, port: int) -> list[Address]:
    """Ask the system. Odd spellings (`0x7f.1`, `2130706433`) become plain addresses here, before the check."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]


@contextmanager
def connect(
    target: Target,
    parameter: str,
    allowed: AllowList,
    resolver: Resolver,
    timeout_seconds: float,
    deadline: Deadline,
) -> Iterator[socket.socket]:
    """A connection to the first admitted address that answers, closed on leaving, and shut when the time is over.

    Raises:
        BadUrl: the URL leads to addresses that are not admitted.
        UrlUnreachable: none answers.
    """
    try:
        addresses = _addresses(target, resolver, deadline)
    except OSError as error:
        raise UrlUnreachable(parameter=parameter, reason=f"{target.host}: {error}.") from error
    except UnicodeError as error:  # from Python: a label is empty or longer than 63 characters
        raise UrlUnreachable(parameter=parameter, reason="this is not a valid host name.") from error
    admitted = [address for address in addresses if allowed.admits(target.host, target.port, address)]
    if not admitted:
        raise BadUrl(
            parameter=parameter, reason=f"{target.host}:{target.port} is not an address to fetch from."
        )
    with (
        _first(admitted, target.port, parameter, timeout_seconds, deadline) as connection,
        deadline.ends(connection),
    ):
        connection.settimeout(timeout_seconds)
        yield connection


def _addresses(target: Target, resolver: Resolver, deadline: Deadline) -> list[Address]:
    """Query the resolver within the time left. The system's look-up cannot be interrupted and tries each server several
    times, so it runs in a thread that is abandoned at the end of the time.

    Raises:
        OSError: there are no addresses, or the time is over.
    """
    found: Future[list[Address]] = Future()

    def ask() -> None:
        try:
            found.set_result(resolver(target.host, target.port))
        except Exception as error:
            found.set_exception(error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        return found.result(deadline.seconds_left)
    except FutureTimeout as error:
        raise TimeoutError("its address was not resolved in time") from error


def _first(
    addresses: list[Address], port: int, parameter: str, timeout_seconds: float, deadline: Deadline
) -> socket.socket:
    failure: OSError = TimeoutError("timed out")
    for address in addresses:
        if deadline.over:
            break
        try:
            return socket.create_connection(
                (str(address), port), min(timeout_seconds, deadline.seconds_left) or timeout_seconds
            )
        except OSError as error:
            failure = error
    raise UrlUnreachable(parameter=parameter, reason=f"{failure}.") from failure
