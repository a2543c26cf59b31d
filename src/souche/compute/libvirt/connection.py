"""One connection to libvirtd, opened when first needed, and again after libvirtd has restarted. Only this module
translates libvirt's errors. Its event loop runs in one daemon thread per process, started before the first connection,
as libvirt requires.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

import libvirt

from souche.compute.libvirt.bindings import Domain, Host
from souche.errors import ChainTooLong, ComputeFailed, Unavailable

# QEMU describes a chain as nested objects. Since libvirt reads them by json-c (version 11, of Debian 13), it takes 32
# levels: 25 files of a chain, when it starts a domain. 31 and more files were seen to work in a running one.
TOO_DEEP: Final = "nesting too deep"

BUSY_CODES = {libvirt.VIR_ERR_OPERATION_TIMEOUT}  # another operation kept the domain locked for too long


class Connection:
    """A connection shared by all threads of the process. `opened` is called with every new one, before its
    use."""

    def __init__(self, uri: str, opened: Callable[[Host], None]) -> None:
        self._uri = uri
        self._opened = opened
        self._lock = threading.Lock()
        self._host: Host | None = None

    @contextlib.contextmanager
    def calling(self, doing: str) -> Iterator[Host]:
        """Use the connection. `doing` describes the work for messages.

        Raises:
            Unavailable: libvirtd cannot be reached, went away during the call, or was too busy.
            ComputeFailed: libvirt refused; its reason follows `doing`.
        """
        host = self._open()
        with _translating(host, doing):
            yield host

    def close(self) -> None:
        with self._lock, contextlib.suppress(libvirt.libvirtError):
            if self._host is not None:
                self._host.close()
            self._host = None

    def _open(self) -> Host:
        with self._lock:
            if self._host is None or not _alive(self._host):
                self._host = self._reopen()
            return self._host

    def _reopen(self) -> Host:
        run_event_loop()
        try:
            host: Host = libvirt.open(self._uri)
        except libvirt.libvirtError as error:
            raise Unavailable(what="libvirt", reason=str(error)) from error
        with _translating(host, "prepare the host"):
            self._opened(host)
        return host


@lru_cache(maxsize=1)
def run_event_loop() -> threading.Thread:
    """Start libvirt's event loop, once in a process, and keep libvirt from writing to standard error."""
    libvirt.registerErrorHandler(_ignore, None)
    libvirt.virEventRegisterDefaultImpl()
    thread = threading.Thread(target=_loop, name="libvirt-events", daemon=True)
    thread.start()
    return thread


def find(host: Host, name: str) -> Domain | None:
    """The domain of this name; None: there is none."""
    try:
        return host.lookupByName(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise


@contextlib.contextmanager
def _translating(host: Host, doing: str) -> Iterator[None]:
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() in BUSY_CODES or not _alive(host):
            raise Unavailable(what="libvirt", reason=str(error)) from error
        if TOO_DEEP in str(error):
            raise ChainTooLong(doing=doing) from error
        raise ComputeFailed(reason=f"{doing}: {error}") from error


def _loop() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def _ignore(_context: object, _error: object) -> None:
    """Suppresses libvirt's output, because the exception contains it too."""


def _alive(host: Host) -> bool:
    try:
        return bool(host.isAlive())
    except libvirt.libvirtError:
        return False
