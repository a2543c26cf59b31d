"""The composition root: the only module that names concrete drivers."""

import ctypes
import functools
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Iterator
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
from souche.config import BadSetting, Settings, host_and_port, network_of
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
from souche.objects import embedded, seaweedfs
from souche.objects.addresses import AllowList
from souche.objects.embedded import EmbeddedOos
from souche.objects.external import ExternalOos
from souche.objects.fetch import Fetcher
from souche.objects.oos import Oos
from souche.objects.s3 import S3Access, S3Store
from souche.objects.urls import parse_url
from souche.reconcile import firewalls, leftovers, oos_keys, power, withdrawn
from souche.reconcile.loop import Sweep, SweepLoop
from souche.refusals import NoObjectStore
from souche.storage.base import LiveDisks
from souche.storage.qcow2.driver import Qcow2Store
from souche.transfer.disk_importer import DiskImporter
from souche.vault import Vault
from souche.workflows import buckets, engine
from souche.workflows.buckets import Buckets
from souche.workflows.catalogue import CATALOGUE
from souche.workflows.durable import DurableWorkflows
from souche.workflows.parts import Parts

EXECUTOR = "souche"
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
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
        oos = stack.enter_context(_oos(settings, home))
        fetcher = Fetcher(_allow_list(settings.import_endpoints, oos.endpoint if oos else ""))
        parts = _parts(home, store, compute, fetcher, _buckets(settings, home, oos))
        workflows = DurableWorkflows(home.journal, CATALOGUE, parts, EXECUTOR)
        stack.callback(workflows.close)
        workflows.launch()
        sweeps = SweepLoop(_sweeps(home, parts, workflows))
        stack.callback(sweeps.close)
        compute.watch(lambda _vm_id: sweeps.hint())
        sweeps.start()
        region = _region(
            home,
            settings.region,
            settings.endpoint,
            store,
            compute.network,
            compute.console,
            fetcher,
            workflows,
            oos.endpoint if oos else "",
        )
        yield Served(region, parts, sweeps, bridge)


def _compute(settings: Settings) -> tuple[Compute, str | None]:
    if settings.compute == "simulated":
        return SimulatedHypervisor(settings.home, settings.guest_network), None
    driver = LibvirtHypervisor(settings.home, settings.guest_network)
    driver.prepare()
    return driver, driver.bridge


@contextmanager
def _oos(settings: Settings, home: Home) -> Iterator[Oos | None]:
    """The region's object store: embedded, or another service, or none."""
    if settings.oos_address is not None:
        with _embedded_oos(home, settings.oos_address, settings.oos_endpoint) as oos:
            yield oos
    elif settings.oos_endpoint:
        yield ExternalOos(_external_access(settings))
    else:
        yield None


@contextmanager
def _embedded_oos(home: Home, address: tuple[str, int], endpoint: str = "") -> Iterator[EmbeddedOos]:
    """The embedded store, for as long as the context lives."""
    _check_free(address)
    oos = _embedded(home, address, endpoint)
    oos.start()
    try:
        yield oos
    finally:
        oos.stop()


def _check_free(address: tuple[str, int]) -> None:
    """SeaweedFS itself would only end with a stack trace."""
    try:
        server.listen(*address).close()
    except OSError as error:
        where = f"{address[0]}:{address[1]}"
        reason = (
            f"{where} cannot be listened on ({error}); another region may: give each its own, or none ('')"
        )
        raise BadSetting(flag="--oos-listen", reason=reason) from error


def _embedded(home: Home, address: tuple[str, int], endpoint: str = "") -> EmbeddedOos:
    host, port = address
    settings = seaweedfs.Settings(home.oos, embedded.PROGRAM, host, port or _free_port(host))
    return EmbeddedOos(settings, endpoint or settings.endpoint, Vault.open(home.vault_key), SystemClock())


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _external_access(settings: Settings) -> S3Access:
    try:
        access_key_id, secret_key = Path(settings.oos_key_file).read_text().split()
    except (OSError, ValueError) as error:
        reason = "a file with an access key ID and a secret key, a line each, is expected"
        raise BadSetting(flag="--oos-key-file", reason=reason) from error
    return S3Access(settings.oos_endpoint, access_key_id, secret_key)


def _buckets(settings: Settings, home: Home, oos: Oos | None) -> Buckets:
    endpoint = settings.export_endpoint or ("" if settings.oos_address else settings.oos_endpoint)

    def foreign(access_key_id: str, secret_key: str) -> S3Store:
        return S3Store(S3Access(endpoint, access_key_id, secret_key))

    return Buckets(Vault.open(home.vault_key), oos, foreign if endpoint else None)


def _allow_list(named: Iterable[tuple[str, int]], own_oos: str) -> AllowList:
    """Where imports may come from beside public addresses: what the operator names, and the region's own store."""
    target = parse_url(own_oos, "--oos-endpoint") if own_oos else None
    own = [(target.host, target.port)] if target else []
    return AllowList(frozenset([*named, *own]))


def _parts(home: Home, store: Store, compute: Compute, fetcher: Fetcher, ways: Buckets) -> Parts:
    return Parts(
        store=store,
        volumes=Qcow2Store(home.path),
        hypervisor=compute,
        live=compute,
        clock=SystemClock(),
        vault=Vault.open(home.vault_key),
        importer=DiskImporter(fetcher, home.staging),
        buckets=ways,
    )


def _sweeps(home: Home, parts: Parts, workflows: DurableWorkflows) -> list[Sweep]:
    return [
        Sweep("outstanding", workflows.start_outstanding, 1.0),
        Sweep("broken off", workflows.revive, 30.0),
        Sweep("ended", workflows.forget_ended, 600.0),
        Sweep("power", lambda: power.settle(parts, workflows.start), 5.0, on_hint=True),
        Sweep("firewalls", lambda: firewalls.settle(parts), 60.0),
        Sweep("terminated", lambda: leftovers.forget_terminated(parts), 60.0),
        Sweep("leftovers", lambda: leftovers.remove(parts), 60.0),
        Sweep("staged", lambda: leftovers.remove_staged(parts, home.staging), 3600.0),
        Sweep("withdrawn", lambda: withdrawn.remove(parts), 60.0),
        Sweep("disks", lambda: leftovers.collect_disks(parts), 10.0),
        Sweep("bucket keys", lambda: oos_keys.sync(parts), 1.0),
    ]


def _region(
    home: Home,
    name: str,
    endpoint: str,
    store: Store,
    network: GuestNetwork,
    console: Callable[[str], bytes],
    fetcher: Fetcher,
    workflows: Workflows,
    oos_endpoint: str,
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
        fetcher=fetcher,
        workflows=workflows,
        oos_endpoint=oos_endpoint,
    )


@contextmanager
def administer(path: Path) -> Iterator[Administered]:
    """The region in a home folder for the operator's commands, beside its server or without one."""
    home = Home(path.resolve())
    home.make()
    with _store(home) as store:
        network = GuestNetwork(network_of(home.path), "")
        later = _Later(store)
        fetcher = Fetcher(_told_allow_list(home))
        facts = home.told()
        name, oos_endpoint = str(facts.get("Region") or ""), str(facts.get("Oos") or "")
        region = _region(home, name, "", store, network, _no_console, fetcher, later, oos_endpoint)
        yield Administered(
            region,
            home.staging,
            finish=lambda operation: _finish(home, region, later, operation),
            ensure_bucket=lambda bucket, account_id: _ensure_bucket(home, region, bucket, account_id),
            is_served=home.is_served,
        )


def _told_allow_list(home: Home) -> AllowList:
    """What the server said that imports may come from, whatever its address is."""
    facts = home.told()
    named = str(facts.get("AllowImport") or "").split(",")
    endpoints = [host_and_port("AllowImport", each) for each in named if each]
    return _allow_list(endpoints, str(facts.get("Oos") or ""))


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


def _finish(home: Home, region: Region, later: _Later, operation_id: str) -> None:
    """Wait for the server to keep a promise; where none runs, keep it here.

    Only for workflows that need no guest: those that take disks in.
    """
    while not later.wait(operation_id, POLL_SECONDS):
        try:
            with home.serve():
                _keep(home, region, operation_id)
        except HomeInUse:
            continue


def _ensure_bucket(home: Home, region: Region, bucket: str, account_id: str) -> None:
    """Make a bucket of an account's, by the server's store, or by one that runs for this."""
    facts = home.told()
    if facts.get("OosListen") is None and facts.get("Oos") is not None:
        buckets.assign(region.store, bucket, account_id)
        return
    with _reached_oos(home) as oos:
        buckets.ensure_own(oos, region.store, bucket, account_id)


@contextmanager
def _reached_oos(home: Home) -> Iterator[Oos]:
    """The embedded store: that of the server, or where none runs, one that runs for this."""
    with ExitStack() as stack:
        try:
            stack.enter_context(home.serve())
        except HomeInUse:
            yield _served_oos(home)
        else:
            yield stack.enter_context(_embedded_oos(home, ("127.0.0.1", 0)))


def _served_oos(home: Home) -> Oos:
    listen = home.told().get("OosListen")
    if listen is None:
        raise NoObjectStore
    return _embedded(home, host_and_port("--oos-listen", str(listen)))


def _keep(home: Home, region: Region, operation_id: str) -> None:
    with region.store.read() as connection:
        operation = operations.get(connection, operation_id)
    if operation is not None:
        hypervisor = SimulatedHypervisor(home.path, network_of(home.path))
        parts = _parts(home, region.store, hypervisor, region.fetcher, Buckets(region.vault))
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
    _bound_memory()
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


def _bound_memory() -> None:
    """Give large buffers, which exports and imports have many of, back to the system at once: the C library keeps
    what threads have freed, for each of them (mallopt(3))."""
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_THRESHOLD, 256 * 1024)
    libc.mallopt(M_ARENA_MAX, 2)


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
        "Oos": served.region.oos_endpoint or None,
        "OosListen": _oos_listen(served),
        "AllowImport": ",".join(settings.allow_import) or None,
        "Metadata": f"http://{metadata_socket.METADATA_IP}" if served.bridge else None,
        "Compute": settings.compute,
        "GuestNetwork": settings.guest_network,
        "Accelerator": served.parts.hypervisor.capabilities.accelerator,
        "ProcessId": os.getpid(),
    }
    Home(settings.home).tell(facts)
    log.info("serving", **{name.lower(): value for name, value in facts.items()})


def _oos_listen(served: Served) -> str | None:
    """Where the embedded store listens, for the operator's commands."""
    oos = served.parts.buckets.oos
    return oos.listen if isinstance(oos, EmbeddedOos) else None


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
