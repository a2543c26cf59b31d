"""Passes power state changes from libvirt's event loop to a separate thread.

Callbacks may be slow or call libvirt; neither is allowed in the event loop.
"""

import queue
import threading
from collections.abc import Callable

import libvirt
import structlog

from souche.compute.libvirt.bindings import Domain, Host
from souche.compute.libvirt.names import Names
from souche.errors import SoucheError

RECONNECT_SECONDS = 5.0  # an idle connection may be lost unnoticed for this long

log = structlog.get_logger()


class Events:
    """`subscribe` is called with every new connection. `poke` detects a stalled connection, and reopens it."""

    def __init__(self, names: Names, poke: Callable[[], object]) -> None:
        self._names = names
        self._poke = poke
        self._changes: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._changed: list[Callable[[str], None]] = []
        self._thread: threading.Thread | None = None

    def subscribe(self, host: Host) -> None:
        host.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle, None)

    def watch(self, changed: Callable[[str], None]) -> None:
        self._changed.append(changed)
        if self._thread is None:
            self._thread = threading.Thread(target=self._pass_on, name="guest-events", daemon=True)
            self._thread.start()

    def close(self) -> None:
        if self._thread is not None:
            self._changes.put(None)
            self._thread.join()
        self._thread = None

    def _lifecycle(self, _host: Host, domain: Domain, _event: int, _detail: int, _opaque: object) -> None:
        vm_id = self._names.vm_id(domain.name())
        if vm_id is not None and self._thread is not None:
            self._changes.put(vm_id)

    def _pass_on(self) -> None:
        while True:
            try:
                vm_id = self._changes.get(timeout=RECONNECT_SECONDS)
            except queue.Empty:
                self._stay_connected()
                continue
            if vm_id is None:
                return
            self._tell(vm_id)

    def _stay_connected(self) -> None:
        try:
            self._poke()
        except SoucheError as error:
            log.warning("guest events wait for libvirt", error=str(error))

    def _tell(self, vm_id: str) -> None:
        for changed in self._changed:
            try:
                changed(vm_id)
            except Exception:
                log.exception("a watcher of power states failed", vm_id=vm_id)
