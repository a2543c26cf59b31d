"""The server's work that commands do themselves while no server runs."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from souche.app.buckets import note
from souche.app.context.region import Region
from souche.compute.absent import AbsentHypervisor
from souche.compute.simulated import SimulatedHypervisor
from souche.db import buckets as bucket_records
from souche.db import image_reports, operations, vms
from souche.db.store import Store
from souche.home import Home, HomeInUse
from souche.main import identity
from souche.main.drivers import Compute, embedded_oos, make_booter, make_parts, run_embedded_oos
from souche.main.identity import ObjectsMissing
from souche.model.operations import Operation
from souche.objects.seaweedfs.embedded import EmbeddedOos
from souche.refusals import CannotBoot, NoObjectStore
from souche.states import VmState
from souche.trust.boot import Machine
from souche.workflows import buckets, engine, examinations
from souche.workflows.buckets import Buckets
from souche.workflows.catalogue import CATALOGUE
from souche.workflows.claims import ClaimLost, Claims, Fenced
from souche.workflows.parts import Parts

POLL_SECONDS = 0.2


def boots(home: Home) -> bool:
    """Whether images are booted before they are published.

    Raises:
        CannotBoot.
    """
    if guests_are_simulated(home):
        return False
    lacking = make_booter(home).missing(Machine([], "legacy"))
    if lacking is not None:
        raise CannotBoot(program=lacking)
    return True


def finish(home: Home, region: Region, operation_id: str) -> None:
    """Wait until the server has run an operation. If no server runs, run it here.

    Only for operations that need no guest: imports of disks.
    """
    while not region.workflows.wait(operation_id, POLL_SECONDS):
        try:
            with home.serve():
                _do(home, region, operation_id)
        except HomeInUse:
            continue


def examine(home: Home, region: Region, image_id: str, *, wait: bool) -> None:
    """Make the requested report of an image here if no server runs. A running server makes it itself; with `wait`, wait
    for it.
    """
    while not is_reported(region, image_id):
        try:
            with home.serve():
                examinations.report_wholly(_parts(home, region), image_id)
        except HomeInUse:
            if not wait:
                return
            time.sleep(POLL_SECONDS)


def is_reported(region: Region, image_id: str) -> bool:
    """Whether the report is complete or the image is gone."""
    with region.store.read() as connection:
        report = image_reports.get(connection, image_id)
    return report is None or report.is_complete


def ensure_bucket(home: Home, region: Region, bucket: str, account_id: str) -> None:
    """Create an account's bucket, in the server's object store or in one started for this call."""
    facts = home.server_facts()
    if facts.get("OosListen") is None and facts.get("Oos") is not None:
        buckets.assign(region.store, bucket, account_id)
        return
    with reached_oos(home, region.store) as oos:
        buckets.ensure_own(oos, region.store, bucket, account_id)
    note(region, bucket, account_id)


@contextmanager
def reached_oos(home: Home, store: Store) -> Iterator[EmbeddedOos]:
    """The server's embedded object store. If no server runs, one started for this call.

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
    facts = home.server_facts()
    if facts.get("OosListen") is None:
        raise NoObjectStore
    oos = embedded_oos(home, str(facts.get("Oos") or ""))
    oos.wait_for_other_process()
    return oos


def every_bucket(home: Home, store: Store) -> Mapping[str, str]:
    """The buckets of the embedded object store, with their accounts' ids. Empty if the region uses another service.

    If the store's folder is lost, the buckets on record.
    """
    if home.server_facts().get("OosListen") is None:
        return {}
    try:
        with reached_oos(home, store) as oos:
            return oos.buckets()
    except ObjectsMissing:
        with store.read() as connection:
            return bucket_records.every(connection)


def _do(home: Home, region: Region, operation_id: str) -> None:
    with region.store.read() as connection:
        operation = operations.get(connection, operation_id)
    if operation is not None:
        with suppress(ClaimLost):
            _do_claimed(home, region, operation)


def _do_claimed(home: Home, region: Region, operation: Operation) -> None:
    """Run an operation that no other process has claimed.

    A server that died less than a lease ago keeps its claim, since it may restart with its journal.
    """
    claims = Claims(region.store)
    operation_id = operation.operation_id
    with claims.kept():
        if not claims.take([operation_id]):
            return
        fenced = Fenced(engine.Unjournalled(), lambda: claims.check(operation_id))
        workflow = CATALOGUE[operation.workflow]
        engine.run(workflow, _parts(home, region), operation, fenced, claims.worker.worker_id)


def _parts(home: Home, region: Region) -> Parts:
    """The parts of a region without real guests. Simulated guests are in files."""
    compute = guests(home, region)
    return make_parts(home, region.store, compute, region.fetcher, Buckets(region.vault), region.room)


def guests(home: Home, region: Region) -> Compute:
    """The hypervisor of a command: simulated, or absent in a region with real guests."""
    if guests_are_simulated(home):
        return SimulatedHypervisor(home.path, region.network.cidr)
    return AbsentHypervisor(region.network, partial(_is_off, region.store))


def _is_off(store: Store, vm_id: str) -> bool:
    """Whether the record says that a VM is stopped or terminated. Only a server starts VMs."""
    with store.read() as connection:
        vm = vms.get(connection, vm_id)
    return vm is not None and vm.state in (VmState.STOPPED, VmState.TERMINATED)


def guests_are_simulated(home: Home) -> bool:
    """Whether the region was served with simulated guests."""
    return home.server_facts().get("Compute") == "simulated"
