"""The region for the operator's commands, beside its server or without one."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from souche.app.buckets import note
from souche.app.region import Region
from souche.cli.composition import Administered
from souche.compute.base import GuestNetwork
from souche.compute.simulated import SimulatedHypervisor
from souche.config import GIB, SETTINGS, host_and_port, letters_of
from souche.db import image_reports, operations
from souche.db.store import Store
from souche.errors import Unavailable
from souche.home import Facts, Home, HomeInUse, NotServed
from souche.main import guest_network, identity, public_range
from souche.main.drivers import (
    allow_list,
    embedded_oos,
    make_booter,
    make_parts,
    make_region,
    make_room,
    open_store,
    run_embedded_oos,
)
from souche.model.operations import Operation
from souche.objects.addresses import AllowList
from souche.objects.embedded import EmbeddedOos
from souche.objects.fetch import Fetcher
from souche.objects.urls import parse_url
from souche.recipes import debian
from souche.refusals import CannotBoot, NoObjectStore
from souche.signing import PublicKey
from souche.storage.qcow2.driver import Qcow2Store
from souche.trust.boot import Machine
from souche.workflows import booting, buckets, engine, examinations
from souche.workflows.buckets import Buckets
from souche.workflows.catalogue import CATALOGUE
from souche.workflows.parts import Parts

POLL_SECONDS = 0.2


@contextmanager
def administer(path: Path, *, make: bool = False) -> Iterator[Administered]:
    """The region in a home folder for the operator's commands, beside its server or without one. `make`: where there
    is none, one is made.

    Raises:
        NotServed: there is none, and none is to be made.
    """
    home = Home(path.resolve())
    if not (make or home.database.exists() or home.region_id.exists()):
        raise NotServed(home=home.path)
    home.make()
    with open_store(home) as store:
        network = GuestNetwork(guest_network.known(home, store), "")
        later = _Later(store)
        fetcher = Fetcher(_told_allow_list(home))
        facts = home.told()
        name, oos_endpoint = str(facts.get("Region") or ""), str(facts.get("Oos") or "")
        region = make_region(
            home,
            name,
            "",
            store,
            network,
            _no_console,
            fetcher,
            later,
            oos_endpoint,
            make_room(home, reserve_bytes_of(facts)),
            keeps_objects=facts.get("OosListen") is not None,
            public_range=public_range.known(home, store),
            subregion_letters=letters_of(str(facts.get("Subregions") or "a")),
            required_keys=tuple(map(PublicKey.read, str(facts.get("RequireSigned") or "").split())),
        )
        yield Administered(
            region,
            Qcow2Store(home.path),
            home.staging,
            finish=lambda operation: _finish(home, region, later, operation),
            ensure_bucket=lambda bucket, account_id: _ensure_bucket(home, region, bucket, account_id),
            is_served=home.is_served,
            examine=lambda image_id, wait: _examine(home, region, image_id, wait=wait),
            verify=lambda image_id, mode: booting.verify(
                _parts(home, region), make_booter(home), image_id, mode
            ),
            boots=lambda: _boots(home),
            updating=home.update,
            builder=debian,
            fetcher_of=lambda url: Fetcher(_told_allow_list(home, url)),
        )


def _boots(home: Home) -> bool:
    """Whether images are booted before they are published.

    Raises:
        CannotBoot.
    """
    if home.told().get("Compute") == "simulated":
        return False
    lacking = make_booter(home).missing(Machine([], "legacy"))
    if lacking is not None:
        raise CannotBoot(program=lacking)
    return True


def _told_allow_list(home: Home, url: str = "") -> AllowList:
    """What the server said that imports may come from, whatever its address is; and the host of a URL of the
    operator's."""
    facts = home.told()
    named = str(facts.get("AllowImport") or "").split(",")
    endpoints = [host_and_port("AllowImport", each) for each in named if each]
    if url:
        target = parse_url(url, "the URL")
        endpoints.append((target.host, target.port))
    return allow_list(endpoints, str(facts.get("Oos") or ""))


def reserve_bytes_of(facts: Facts) -> int:
    """What the server said that it keeps free, or what it will by default."""
    default = next(setting.default for setting in SETTINGS if setting.key == "reserve_gib")
    return int(float(facts.get("ReserveGib") or default) * GIB)


class _Later:
    """For a process that runs no operations: the server's sweep starts them."""

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
    """Wait for the server to do an operation; where none runs, do it here.

    Only for operations that need no guest: those that take disks in.
    """
    while not later.wait(operation_id, POLL_SECONDS):
        try:
            with home.serve():
                _do(home, region, operation_id)
        except HomeInUse:
            continue


def _examine(home: Home, region: Region, image_id: str, *, wait: bool) -> None:
    """Have the report of an image made that was asked for: where no server runs, here. Else the server does, and with
    `wait` it is waited for."""
    while not _is_reported(region, image_id):
        try:
            with home.serve():
                examinations.report_wholly(_parts(home, region), image_id)
        except HomeInUse:
            if not wait:
                return
            time.sleep(POLL_SECONDS)


def _is_reported(region: Region, image_id: str) -> bool:
    """Whether the report is made, or none is to be, as the image is gone."""
    with region.store.read() as connection:
        report = image_reports.get(connection, image_id)
    return report is None or report.is_complete


def _ensure_bucket(home: Home, region: Region, bucket: str, account_id: str) -> None:
    """Make a bucket of an account's, by the server's store, or by one that runs for this."""
    facts = home.told()
    if facts.get("OosListen") is None and facts.get("Oos") is not None:
        buckets.assign(region.store, bucket, account_id)
        return
    with reached_oos(home, region.store) as oos:
        buckets.ensure_own(oos, region.store, bucket, account_id)
    note(region, bucket, account_id)


@contextmanager
def reached_oos(home: Home, store: Store) -> Iterator[EmbeddedOos]:
    """The embedded store: that of the server, or where none runs, one that runs for this.

    Raises:
        ObjectsMissing, NoObjectStore.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(home.serve())
        except HomeInUse:
            yield _served_oos(home)
        else:
            identity.check_objects(home, store)
            yield stack.enter_context(run_embedded_oos(home))


def _served_oos(home: Home) -> EmbeddedOos:
    facts = home.told()
    if facts.get("OosListen") is None:
        raise NoObjectStore
    return embedded_oos(home, str(facts.get("Oos") or ""))


def _do(home: Home, region: Region, operation_id: str) -> None:
    with region.store.read() as connection:
        operation = operations.get(connection, operation_id)
    if operation is not None:
        workflow = CATALOGUE[operation.workflow]
        engine.run(workflow, _parts(home, region), operation, engine.Unjournalled())


def _parts(home: Home, region: Region) -> Parts:
    """What works without a guest."""
    hypervisor = SimulatedHypervisor(home.path, region.network.cidr)
    return make_parts(home, region.store, hypervisor, region.fetcher, Buckets(region.vault), region.room)


def _no_console(vm_id: str) -> bytes:
    raise Unavailable(what=f"the console of {vm_id}", reason="this process has no hypervisor")
