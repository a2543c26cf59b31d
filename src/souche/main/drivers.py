"""The parts of a region: the one module that names concrete drivers."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final, Protocol

from souche import small_file
from souche.clock import SystemClock
from souche.compute.base import GuestConsoles, Hypervisor
from souche.compute.libvirt import accelerator, host_paths, public_routes
from souche.compute.simulated import SimulatedHypervisor
from souche.config import BadSetting, Settings
from souche.db.store import Store
from souche.home import Home
from souche.http import server
from souche.main import machine
from souche.main.databases import checkpoint_databases
from souche.main.regions import open_signing_key
from souche.main.volume_stores import open_volumes
from souche.objects.external import ExternalOos
from souche.objects.fetch import Fetcher
from souche.objects.oos import Oos
from souche.objects.s3 import S3Access, S3Store
from souche.objects.seaweedfs import embedded
from souche.objects.seaweedfs.embedded import EmbeddedOos
from souche.objects.seaweedfs.server import Settings as SeaweedFsSettings
from souche.reconcile import (
    firewalls,
    image_reports,
    layer_hashes,
    leftovers,
    oos_keys,
    open_disks,
    power,
)
from souche.reconcile.bucket_records import BucketRecords
from souche.reconcile.holds import Hold
from souche.reconcile.loop import Sweep
from souche.reconcile.record_sweeps import record_sweeps
from souche.reconcile.space import Ballast, SpaceWatch
from souche.reconcile.trash import TrashSweep
from souche.room import ENDLESS, Room
from souche.small_file import TooLarge
from souche.storage.base import LiveDisks
from souche.transfer.disk_importer import DiskImporter
from souche.trust.appliance import ApplianceEngine
from souche.trust.appliance_cleaner import ApplianceCleaner
from souche.trust.boot import QemuBooter
from souche.trust.sandboxed import SandboxedEngine
from souche.vault import Vault
from souche.workflows.buckets import Buckets
from souche.workflows.durable import DurableWorkflows
from souche.workflows.parts import Parts

DISKS_SHARE: Final = 0.05
"""A collection reads the head of every file of the disks, 80 us each, under the store's lock."""


class Compute(Hypervisor, LiveDisks, GuestConsoles, Protocol):
    """A driver for guests: the hypervisor, and access to running guests' disks and consoles."""


def make_compute(settings: Settings) -> tuple[Compute, str | None]:
    """The driver for guests, and the guests' network interface on the host (None for simulated guests)."""
    if settings.compute == "simulated":
        return SimulatedHypervisor(settings.home, settings.guest_network), None
    driver = machine.hypervisor()(
        settings.home, settings.guest_network, settings.public_ips, nat=settings.guest_nat
    )
    driver.prepare()
    return driver, driver.bridge


def networks_in_use(settings: Settings) -> tuple[IPv4Network, ...]:
    """The networks that this host has routes for, so that a new region takes another one; none with simulated guests.

    Raises:
        ComputeFailed.
    """
    return public_routes.destinations() if settings.compute == "libvirt" else ()


def readers_of_disks(settings: Settings) -> int | None:
    """The group that reads disks, in addition to the region's own user."""
    return host_paths.qemu_group() if settings.compute == "libvirt" else None


@contextmanager
def bucket_socket(settings: Settings) -> Iterator[socket.socket | None]:
    """The socket at which clients reach the embedded store; None: the region has no such store.

    Raises:
        BadSetting: its address cannot be listened on.
    """
    if settings.oos_address is None:
        yield None
        return
    host, port = settings.oos_address
    try:
        listening = server.listen(host, port)
    except OSError as error:
        reason = f"{host}:{port} cannot be listened on ({error}); another region may: give each its own, or none ('')"
        raise BadSetting(flag="--oos-listen", reason=reason) from error
    with listening:
        yield listening


@contextmanager
def run_embedded_oos(home: Home) -> Iterator[EmbeddedOos]:
    """The embedded store, running until the context ends."""
    oos = embedded_oos(home)
    oos.start()
    try:
        yield oos
    finally:
        oos.stop()


@contextmanager
def keep_embedded_oos(home: Home, settings: Settings, listening: socket.socket) -> Iterator[EmbeddedOos]:
    """The embedded store of a served region. If it does not start, the region runs without it for now. Clients connect
    to `listening`."""
    oos = embedded_oos(
        home, settings.oos_endpoint or url_of(settings, listening), settings.reserve_bytes // 2
    )
    oos.start_when_possible()
    try:
        yield oos
    finally:
        oos.stop()


def url_of(settings: Settings, listening: socket.socket) -> str:
    """The URL of a server at this socket."""
    return f"{settings.scheme}://{server.address_of(listening)}"


def embedded_oos(home: Home, endpoint: str = "", min_free_bytes: int = 0) -> EmbeddedOos:
    """The embedded store, not started yet; `endpoint` is the URL for clients."""
    settings = SeaweedFsSettings(home.oos, embedded.PROGRAM, min_free_bytes=min_free_bytes)
    return EmbeddedOos(settings, endpoint, Vault.open(home.vault_key), SystemClock())


def external_oos(settings: Settings) -> ExternalOos | None:
    """The S3 service that replaces the embedded store, if the settings name one."""
    return ExternalOos(_external_access(settings)) if settings.oos_endpoint else None


def _external_access(settings: Settings) -> S3Access:
    return S3Access(settings.oos_endpoint, *read_key_file(Path(settings.oos_key_file)))


def read_key_file(path: Path) -> tuple[str, str]:
    """The access key ID and the secret key in a file of `--oos-key-file`.

    Raises:
        BadSetting.
    """
    try:
        access_key_id, secret_key = small_file.read(path).decode().split()
    except (OSError, ValueError, TooLarge) as error:
        reason = "a file with an access key ID and a secret key, a line each, is expected"
        raise BadSetting(flag="--oos-key-file", reason=reason) from error
    return access_key_id, secret_key


def make_buckets(settings: Settings, home: Home, oos: Oos | None, room: Room) -> Buckets:
    """The buckets that exports and imports reach."""
    endpoint = settings.export_endpoint or ("" if settings.oos_address else settings.oos_endpoint)

    def foreign(access_key_id: str, secret_key: str) -> S3Store:
        return S3Store(S3Access(endpoint, access_key_id, secret_key))

    own_room = room if settings.oos_address else ENDLESS
    return Buckets(Vault.open(home.vault_key), oos, foreign if endpoint else None, own_room=own_room)


def make_booter(home: Home) -> QemuBooter:
    """Boots images, under KVM if that works."""
    return QemuBooter(home.staging, lambda: accelerator.detect() == "kvm")


def make_parts(
    home: Home, store: Store, compute: Compute, fetcher: Fetcher, buckets: Buckets, room: Room
) -> Parts:
    """What workflows and sweeps work with."""
    appliances = threading.Lock()
    return Parts(
        store=store,
        volumes=open_volumes(home, room),
        hypervisor=compute,
        live=compute,
        clock=SystemClock(),
        vault=Vault.open(home.vault_key),
        signing_key=open_signing_key(home),
        importer=DiskImporter(fetcher, home.staging, room=room),
        buckets=buckets,
        room=room,
        engines=(SandboxedEngine(), ApplianceEngine(appliances)),
        cleaner=ApplianceCleaner(appliances),
        booter=make_booter(home),
    )


def make_sweeps(
    home: Home,
    parts: Parts,
    workflows: DurableWorkflows,
    hold: Hold,
    trash_kept: timedelta,
    oos: EmbeddedOos | None = None,
) -> list[Sweep]:
    """Every sweep of a region, with its interval. Discarded disks stay in the trash for `trash_kept`; `oos` is the
    embedded store."""
    buckets = (
        []
        if oos is None
        else [Sweep("buckets", BucketRecords(parts.store, oos).settle, 60.0, of_region=True)]
    )
    space = SpaceWatch(parts.room, Ballast(home.ballast, parts.room))
    trash = TrashSweep(hold, trash_kept, home.trash_ages)
    return [
        Sweep("outstanding", workflows.start_outstanding, 1.0),
        Sweep("broken off", workflows.revive, 30.0),
        Sweep("ended", workflows.forget_ended, 600.0),
        Sweep("power", lambda: power.settle(parts, workflows.start), 5.0, of_region=True, on_hint=True),
        Sweep("firewalls", lambda: firewalls.settle(parts), 60.0, of_region=True),
        Sweep("leftovers", lambda: hold.sweep(parts), 60.0, of_region=True),
        Sweep("trash", lambda: trash.run(parts), 60.0, of_region=True),
        Sweep("staged", lambda: leftovers.remove_staged(parts, home.staging), 300.0),
        Sweep("space", space.look, 2.0),
        Sweep("disks", lambda: hold.collect(parts), 10.0, of_region=True, most_share=DISKS_SHARE),
        Sweep("image reports", lambda: image_reports.make(parts), 2.0, of_region=True),
        Sweep("open disks", lambda: open_disks.tend(parts), 60.0, of_region=True),
        Sweep("layer hashes", lambda: layer_hashes.record(parts), 60.0, of_region=True),
        Sweep("layers compared", lambda: layer_hashes.compare(parts), 60.0, of_region=True),
        Sweep("checkpoint", lambda: checkpoint_databases(home, 0), 60.0),
        Sweep("bucket keys", lambda: oos_keys.sync(parts), 1.0, of_region=True),
        *record_sweeps(parts),
        *buckets,
    ]
