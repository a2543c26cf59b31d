"""Serves a region."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import structlog

from souche import logs
from souche.admin import wire
from souche.app.context.region import Region
from souche.compute.base import GuestConsoles
from souche.config import BadSetting, Settings
from souche.db.store import Store
from souche.faults import Faults
from souche.home import Home
from souche.http import connections, metadata_socket, server
from souche.http.audit_lines import recorded
from souche.http.health import Readiness, health_routes
from souche.http.metadata import create_metadata_app
from souche.http.s3.desk import Desk
from souche.http.s3.door import Door, opened
from souche.http.server import Application
from souche.main import (
    auditing,
    guest_network,
    guest_services,
    http_process,
    identity,
    metrics,
    operator_server,
    public_range,
    readiness,
    records,
    service,
    state_loading,
    tls,
)
from souche.main.database_url import database_url
from souche.main.databases import CHECKPOINT_SECONDS, check_databases, checkpoint_databases, open_records
from souche.main.drivers import (
    Compute,
    bucket_socket,
    external_oos,
    keep_embedded_oos,
    make_buckets,
    make_compute,
    make_parts,
    make_sweeps,
    networks_in_use,
    readers_of_disks,
)
from souche.main.http_process import CannotListen
from souche.main.regions import allow_list, make_region, make_room, read_required_keys
from souche.main.space import make_space
from souche.main.tls import ServedTls
from souche.objects.fetch import Fetcher
from souche.reconcile.holds import Hold
from souche.reconcile.loop import SweepLoop
from souche.room import told_full
from souche.workflows.catalogue import CATALOGUE
from souche.workflows.durable import DurableWorkflows
from souche.workflows.parts import Parts

EXECUTOR = "souche"

log = structlog.get_logger()


@dataclass(frozen=True)
class Served:
    """A running region. `bridge` is the guests' network interface on the host; None for simulated guests. `oos_listen`
    is where clients reach its embedded object store, if it has one. `operator` is the socket of commands."""

    region: Region
    parts: Parts
    sweeps: SweepLoop
    bridge: str | None
    oos_listen: str | None
    tls: ServedTls | None
    checks: readiness.Checks
    operator: socket.socket
    consoles: GuestConsoles


@contextmanager
def serve(settings: Settings) -> Iterator[Served]:
    """Run the region in `settings.home`: its workflows and sweeps live as long as the context.

    Raises:
        HomeInUse, RecordsInUse, RecordsMissing, RegionDiffers, DisksMissing, FolderMissing, ObjectsMissing,
        DatabaseDamaged, DatabaseNewer, DatabaseUnwritable, ComputeFailed, Unavailable, OutOfSpace.
    """
    with told_full(), ExitStack() as stack:
        home = Home(settings.home)
        home.make()
        state_loading.settle(home)
        stack.enter_context(home.serve())
        make_space(home)
        operator = stack.enter_context(wire.bind(home.operator))  # commands wait from now on
        stack.callback(wire.remove, home.operator)
        check_databases(home)
        store = stack.enter_context(
            open_records(home, records.chosen(home, settings), _end_as_another_serves)
        )
        if settings.oos_address is not None:
            identity.check_objects(home, store)
        checkpoint_databases(home, CHECKPOINT_SECONDS)
        settings = _with_networks(settings, home, store)
        compute, bridge = make_compute(settings)
        guest_network.record(store, settings.guest_network)
        public_range.record(store, settings.public_ips)
        stack.callback(compute.close)
        home.narrow(readers_of_disks(settings))
        door = stack.enter_context(bucket_socket(settings))
        embedded = stack.enter_context(keep_embedded_oos(home, settings, door)) if door else None
        oos = embedded or external_oos(settings)
        gateway_ips = [compute.network.gateway_ip] if settings.guest_services else []
        served_tls = tls.open_tls(settings, home, *gateway_ips)
        fetcher = Fetcher(
            allow_list(settings.import_endpoints, oos.endpoint if oos else ""),
            trusted=served_tls.trusted if served_tls else None,
        )
        room = make_room(home, settings.reserve_bytes)
        parts = make_parts(home, store, compute, fetcher, make_buckets(settings, home, oos, room), room)
        parts = replace(parts, faults=_faults(settings, home))
        workflows = DurableWorkflows(home.journal, CATALOGUE, parts, EXECUTOR)
        stack.callback(workflows.close)
        hold = Hold(parts)  # before anything is made or deleted
        workflows.launch()
        stack.enter_context(store.database.announcements(workflows.start_outstanding))
        sweeps = SweepLoop(
            make_sweeps(home, parts, workflows, hold, settings.trash_kept, embedded), store.alone
        )
        stack.callback(sweeps.close)
        compute.watch(lambda _vm_id: sweeps.hint())
        sweeps.start()
        region = _region(settings, home, parts, compute, fetcher, workflows, oos.endpoint if oos else "")
        if door and embedded:
            desk = Desk(region, embedded, http_process.keys_of(region))
            context = served_tls.tls.context if served_tls else None
            stack.enter_context(opened(Door(door, embedded.address, desk, context)))
        checks = readiness.of_server(home, store, compute, oos)
        oos_listen = server.address_of(door) if door else None
        yield Served(region, parts, sweeps, bridge, oos_listen, served_tls, checks, operator, compute)


def _region(
    settings: Settings,
    home: Home,
    parts: Parts,
    compute: Compute,
    fetcher: Fetcher,
    workflows: DurableWorkflows,
    oos_endpoint: str,
) -> Region:
    """The region for use-cases, by the settings."""
    return make_region(
        home,
        settings.region,
        settings.endpoint,
        parts.store,
        compute.network,
        compute.console,
        fetcher,
        workflows,
        oos_endpoint,
        parts.room,
        keeps_objects=settings.oos_address is not None,
        subregion_letters=settings.subregion_letters,
        public_range=settings.public_ips,
        share_gate=settings.share_gate,
        required_keys=read_required_keys(settings.require_signed),
        faults=parts.faults,
        api_logs=auditing.reader_of(settings),
    )


def _end_as_another_serves() -> None:
    """The work under way belongs to the other server (`workflows/claims.py`)."""
    log.critical(
        "another process took these records over while the database was unreachable, so this one ends"
    )
    os._exit(1)


def _faults(settings: Settings, home: Home) -> Faults | None:
    """The injected faults, if they are allowed; otherwise those of a former start are removed."""
    if settings.allow_faults:
        log.warning("this region injects the faults of `souche fault`")
        return Faults(home.faults)
    home.faults.unlink(missing_ok=True)
    return None


def _with_networks(settings: Settings, home: Home, store: Store) -> Settings:
    """The settings with the region's guest network and public range."""
    taken = networks_in_use(settings)
    network = settings.guest_network or guest_network.known(home, store, taken)
    settings = replace(settings, guest_network=network)
    return replace(settings, public_ips=public_range.chosen(settings, home, store, taken))


def run(settings: Settings) -> None:
    """Serve the region until a signal ends the process, then exit immediately: the next start resumes work in flight. A
    graceful stop would wait for guests and for merges of layers, and keep the home locked.

    Raises:
        CannotListen, HomeInUse, ComputeFailed, Unavailable.
    """
    logs.configure(settings.log_level)
    _check(settings)
    http_process.prepare()
    api_socket, metrics_socket = _listen(settings)
    settings = replace(settings, endpoint=http_process.endpoint_of(settings, api_socket))
    home = Home(settings.home)
    home.make()
    audit = auditing.open_audit(settings)
    with serve(settings) as served:
        told = metrics.Metrics(metrics_socket, served.region)
        told.add_region(home, served.region, served.parts)
        told.add_sweeps(served.sweeps)
        readiness = Readiness(served.checks)
        api = http_process.api_of(served.region, health_routes(readiness), recorded(told.observe, audit))
        context = served.tls.tls.context if served.tls else None
        applications = [
            Application(api, api_socket, tls=context),
            *told.applications(readiness),
            operator_server.application(home, served.operator, served.region, served.parts, served.consoles),
        ]
        if served.bridge is not None:
            metadata_app = create_metadata_app(served.region)
            guests = metadata_socket.listen(served.bridge)
            applications.append(Application(metadata_app, guests, connections.METADATA))
            if settings.guest_services:
                applications += _for_guests(served, served.bridge, applications[0])

        def tell() -> None:
            _tell(settings, served, told.url)
            service.notify(service.READY)

        server.run(applications, tell)
        service.notify(service.STOPPING)
        wire.remove(home.operator)
        checkpoint_databases(home, CHECKPOINT_SECONDS)
        os._exit(0)


def _for_guests(served: Served, bridge: str, api: Application) -> Iterator[Application]:
    """The services for guests at the bridge's address: the API, and the buckets."""
    gateway_ip = served.region.network.gateway_ip
    guest_services.pass_on_buckets(served.oos_listen, bridge, gateway_ip)
    listening = guest_services.listen(api.listening, bridge, gateway_ip)
    if listening is not None:
        yield Application(api.asgi, listening, tls=api.tls)


def _check(settings: Settings) -> None:
    """Refuse wrong settings before anything starts."""
    _ = settings.trash_kept, settings.subregion_letters, read_required_keys(settings.require_signed)
    database_url(settings.database, settings.database_file)
    tls.check(settings)
    if settings.guest_network:
        guest_network.check(settings.guest_network)
    if settings.public_ips:
        public_range.check(settings.public_ips)


def _listen(settings: Settings) -> tuple[socket.socket, socket.socket | None]:
    """The sockets of the API and of the metrics."""
    try:
        return http_process.listen(settings), metrics.listen(settings)
    except (CannotListen, BadSetting):
        home = Home(settings.home)
        home.make()
        with home.serve():  # most often the server of this home has the address: this raises HomeInUse
            raise


def _tell(settings: Settings, served: Served, metrics_url: str | None) -> None:
    facts = {
        "Region": settings.region,
        "Database": settings.database_file or settings.database or None,
        "Subregions": settings.subregions,
        "Api": f"{settings.endpoint}/api/v1",
        "Oos": served.region.oos_endpoint or None,
        "OosListen": served.oos_listen,
        "TlsCertificate": str(served.tls.tls.pair.certificate) if served.tls else None,
        "TlsFingerprint": served.tls.tls.fingerprint if served.tls else None,
        "TlsTrusted": str(served.tls.trusted) if served.tls else None,
        "AllowImport": ",".join(settings.allow_import) or None,
        "Metrics": metrics_url,
        "Metadata": f"http://{metadata_socket.METADATA_IP}" if served.bridge else None,
        "ShareGate": settings.share_gate,
        "RequireSigned": " ".join(key.text for key in served.region.required_keys) or None,
        "PublicKey": served.region.signing_key.public.text,
        "KeyFingerprint": served.region.signing_key.public.fingerprint,
        "ReserveGib": settings.reserve_gib,
        "AllowFaults": settings.allow_faults or None,
        "Compute": settings.compute,
        "GuestNetwork": served.region.network.cidr,
        "PublicIps": served.region.public_range,
        "Accelerator": served.parts.hypervisor.accelerator,
        **auditing.facts(settings),
        "Operator": str(Home(settings.home).operator),
        "ProcessId": os.getpid(),
    }
    home = Home(settings.home)
    before = home.server_facts().get("KeyFingerprint")
    if before not in (None, facts["KeyFingerprint"]):
        log.warning(
            "exports are signed with another key than before", before=before, now=facts["KeyFingerprint"]
        )
    home.record_facts(facts)
    log.info("serving", home=str(settings.home), **{name.lower(): value for name, value in facts.items()})
