"""The composition root: the only module that names concrete drivers."""

import functools
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import structlog

from souche import logs
from souche.app import access_keys
from souche.app.region import Region, Workflows
from souche.cli import commands
from souche.cli.composition import Administered, Composition
from souche.clock import SystemClock
from souche.compute.base import GuestNetwork, Hypervisor
from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.compute.simulated import SimulatedHypervisor
from souche.config import Settings, network_of
from souche.db import operations
from souche.db.store import Store, sqlite_engine
from souche.errors import SystemFailure, Unavailable
from souche.home import Home, HomeInUse
from souche.http import metadata_socket, server
from souche.http.app import create_app
from souche.http.auth import KeyLookup
from souche.http.metadata import create_metadata_app
from souche.ids import IdSource
from souche.model.operations import Operation
from souche.reconcile import leftovers, power
from souche.reconcile.loop import Sweep, SweepLoop
from souche.storage.base import LiveDisks
from souche.storage.qcow2.driver import Qcow2Store
from souche.vault import Vault
from souche.workflows import engine
from souche.workflows.catalogue import CATALOGUE
from souche.workflows.durable import DurableWorkflows
from souche.workflows.parts import Parts

EXECUTOR = "souche"
POLL_SECONDS = 0.2

log = structlog.get_logger()


class CannotListen(SystemFailure):
    """The region cannot listen on {listen}: {reason}"""


class Compute(Hypervisor, LiveDisks, Protocol):
    """What a driver for guests provides: the hypervisor, and the way to the disks of running guests."""


@dataclass(frozen=True)
class Served:
    """A region that runs. `bridge` is the interface that guests come in by; None for pretended guests."""

    region: Region
    parts: Parts
    sweeps: SweepLoop
    bridge: str | None


@contextmanager
def serve(settings: Settings) -> Iterator[Served]:
    """Run the region in `settings.home`: its workflows and sweeps live as long as the context.

    Raises:
        HomeInUse, ComputeFailed, Unavailable.
    """
    home = Home(settings.home)
    home.make()
    with ExitStack() as stack:
        stack.enter_context(home.serve())
        store = stack.enter_context(_store(home))
        compute, bridge = _compute(settings)
        stack.callback(compute.close)
        parts = _parts(home, store, compute)
        workflows = DurableWorkflows(home.journal, CATALOGUE, parts, EXECUTOR)
        stack.callback(workflows.close)
        workflows.launch()
        sweeps = SweepLoop(_sweeps(home, parts, workflows))
        stack.callback(sweeps.close)
        compute.watch(lambda _vm_id: sweeps.hint())
        sweeps.start()
        region = _region(
            home, settings.region, settings.endpoint, store, compute.network, compute.console, workflows
        )
        yield Served(region, parts, sweeps, bridge)


def _compute(settings: Settings) -> tuple[Compute, str | None]:
    if settings.compute == "simulated":
        return SimulatedHypervisor(settings.home, settings.guest_network), None
    driver = LibvirtHypervisor(settings.home, settings.guest_network)
    driver.prepare()
    return driver, driver.bridge


def _parts(home: Home, store: Store, compute: Compute) -> Parts:
    return Parts(
        store=store, volumes=Qcow2Store(home.path), hypervisor=compute, live=compute, clock=SystemClock()
    )


def _sweeps(home: Home, parts: Parts, workflows: DurableWorkflows) -> list[Sweep]:
    return [
        Sweep("outstanding", workflows.start_outstanding, 1.0),
        Sweep("broken off", workflows.revive, 30.0),
        Sweep("ended", workflows.forget_ended, 600.0),
        Sweep("power", lambda: power.settle(parts, workflows.start), 5.0, on_hint=True),
        Sweep("terminated", lambda: leftovers.forget_terminated(parts), 60.0),
        Sweep("leftovers", lambda: leftovers.remove(parts), 60.0),
        Sweep("staged", lambda: leftovers.remove_staged(parts, home.staging), 3600.0),
        Sweep("disks", lambda: leftovers.collect_disks(parts), 10.0),
    ]


def _region(
    home: Home,
    name: str,
    endpoint: str,
    store: Store,
    network: GuestNetwork,
    console: Callable[[str], bytes],
    workflows: Workflows,
) -> Region:
    return Region(
        name=name,
        endpoint=endpoint,
        store=store,
        network=network,
        console=console,
        clock=SystemClock(),
        ids=IdSource(),
        vault=Vault.open(home.vault_key),
        workflows=workflows,
    )


@contextmanager
def administer(path: Path) -> Iterator[Administered]:
    """The region in a home folder for the operator's commands, beside its server or without one."""
    home = Home(path.resolve())
    home.make()
    with _store(home) as store:
        network = GuestNetwork(network_of(home.path), "")
        later = _Later(store)
        region = _region(home, "", "", store, network, _no_console, later)
        yield Administered(region, home.staging, lambda operation: _finish(home, store, later, operation))


class _Later:
    """Workflows of a process that runs none: the server's sweep starts what is promised."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def start(self, operation: Operation) -> None:
        """Left to the server."""

    def wait(self, operation_id: str, timeout_seconds: float) -> bool:
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            with self._store.read() as connection:
                if operations.get(connection, operation_id) is None:
                    return True
            time.sleep(POLL_SECONDS)
        return False


def _finish(home: Home, store: Store, later: _Later, operation_id: str) -> None:
    """Wait for the server to keep a promise; where none runs, keep it here.

    Only for workflows that need no guest: those that take disks in.
    """
    while not later.wait(operation_id, POLL_SECONDS):
        try:
            with home.serve():
                _keep(home, store, operation_id)
        except HomeInUse:
            continue


def _keep(home: Home, store: Store, operation_id: str) -> None:
    with store.read() as connection:
        operation = operations.get(connection, operation_id)
    if operation is not None:
        parts = _parts(home, store, SimulatedHypervisor(home.path, network_of(home.path)))
        workflow = CATALOGUE[operation.workflow]
        engine.run(workflow, parts, operation, engine.Unjournalled(), engine.Locks())


def _no_console(vm_id: str) -> bytes:
    raise Unavailable(what=f"the console of {vm_id}", reason="this process has no hypervisor")


@contextmanager
def _store(home: Home) -> Iterator[Store]:
    store = Store(sqlite_engine(home.database))
    try:
        store.migrate()
        yield store
    finally:
        store.close()


def run(settings: Settings) -> None:
    """Serve the region until the process is told to end, and end it there and then: whatever is in flight is made
    to be cut off at any moment, and to be resumed by the next start. To close in good order would mean to wait,
    for as long as a guest takes to stop, or a merge of layers; and the home is not let go of before the end.

    Raises:
        CannotListen, HomeInUse, ComputeFailed, Unavailable.
    """
    logs.configure(settings.log_level)
    api_socket = _listen(settings)
    settings = replace(settings, endpoint=_endpoint(settings, api_socket))
    with serve(settings) as served:
        applications = [(create_app(served.region, _keys(served.region)), api_socket)]
        if served.bridge is not None:
            metadata_app = create_metadata_app(served.region)
            applications.append((metadata_app, metadata_socket.listen(served.bridge)))
        _tell(settings, served)
        server.run(applications)
        os._exit(0)


def _listen(settings: Settings) -> socket.socket:
    try:
        return server.listen(*settings.address)
    except OSError as error:
        home = Home(settings.home)
        home.make()
        with home.serve():  # whoever serves this home has the address, most often: then this says so
            raise CannotListen(listen=settings.listen, reason=error.strerror) from error


def _endpoint(settings: Settings, api_socket: socket.socket) -> str:
    """The endpoint; where any free port was asked for, with the one that it became."""
    if settings.address[1]:
        return settings.endpoint
    host, port = api_socket.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _keys(region: Region) -> KeyLookup:
    return functools.partial(access_keys.lookup, region)


def _tell(settings: Settings, served: Served) -> None:
    facts = {
        "Region": settings.region,
        "Api": f"{settings.endpoint}/api/v1",
        "Metadata": f"http://{metadata_socket.METADATA_IP}" if served.bridge else None,
        "Compute": settings.compute,
        "GuestNetwork": settings.guest_network,
        "Accelerator": served.parts.hypervisor.capabilities.accelerator,
        "ProcessId": os.getpid(),
    }
    Home(settings.home).tell(facts)
    log.info("serving", **{name.lower(): value for name, value in facts.items()})


def destroy(path: Path) -> None:
    """Remove a region that is not served: its guests, its network, and its folder with every disk in it.

    Raises:
        NotServed: there is no region. HomeInUse: it is served.
    """
    home = Home(path.resolve())
    facts = home.read()
    with home.serve():
        if facts["Compute"] == "libvirt":
            driver = LibvirtHypervisor(home.path, str(facts["GuestNetwork"]), accelerator="tcg")
            for vm_id in driver.power_states():
                driver.remove(vm_id)
            driver.remove_network()
            driver.close()
        shutil.rmtree(home.path)


def cli() -> None:
    """The `souche` command."""
    commands.build(Composition(serve=run, administer=administer, destroy=destroy))()
