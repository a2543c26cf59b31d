"""A region for `souche fsck`: opened for reading, with its server or without one."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from souche.cli.composition import Checked
from souche.clock import SystemClock
from souche.compute.inspection import ComputeInspector
from souche.compute.simulated import SimulatedHypervisor
from souche.db import examination
from souche.db.engines.sqlite import ReadOnlySqlite
from souche.db.store import Store
from souche.fsck import database, server_database
from souche.fsck.examine import examine
from souche.fsck.findings import Finding, Tools
from souche.fsck.look import Region
from souche.home import Home, NotServed
from souche.main import identity, machine, records
from souche.main.databases import open_records
from souche.main.drivers import embedded_oos
from souche.main.records import Place
from souche.main.volume_stores import inspect_volumes, open_volumes
from souche.objects.base import ObjectsUnavailable
from souche.objects.seaweedfs.embedded import EmbeddedOos


@contextmanager
def check(path: Path) -> Iterator[Checked]:
    """The region in a home folder, for the command.

    Raises:
        NotServed: there is none.
    """
    home = Home(path.resolve())
    with opened(home) as region:
        yield Checked(examine=lambda deep: examine(region, deep=deep), mending=lambda: mending(home))


@contextmanager
def opened(home: Home) -> Iterator[Region]:
    """The region to check.

    Raises:
        NotServed: there is no region.
    """
    place = records.known(home)
    if place is None and not home.database.exists() and not (home.path / "disks").exists():
        raise NotServed(home=home.path)
    facts = home.server_facts()
    with ExitStack() as stack:
        found = _in_home(home) if place is None else _on_server(home, place)
        stack.callback(found.store.close)
        oos = _oos(home)
        yield Region(
            check_databases=found.check,
            database=home.database if place is None else None,
            journal=home.journal,
            region_id=home.region_id,
            staging=home.staging,
            vault_key=home.vault_key,
            signing_key=home.signing_key,
            store=found.store,
            belongs_together=found.belongs_together,
            disks=inspect_volumes(home),
            compute=_compute(home, stack),
            objects=oos.store() if oos else None,
            buckets=oos.buckets if oos else None,
            objects_data=home.oos_data if facts.get("OosListen") else None,
            key_fingerprint=str(facts.get("KeyFingerprint") or ""),
            was_served="ProcessId" in facts,
            not_looked_at=[] if oos else ["buckets: no object store of this region runs"],
        )


@dataclass(frozen=True)
class _Records:
    """The records to check, with the checks that depend on their place (`fsck.look.Region`)."""

    store: Store
    check: Callable[[], Iterator[Finding]]
    belongs_together: Callable[[], object]


def _in_home(home: Home) -> _Records:
    return _Records(
        Store(ReadOnlySqlite(home.database)),
        lambda: database.check(home.database, home.journal),
        lambda: identity.check_parts(home),
    )


def _on_server(home: Home, place: Place) -> _Records:
    server = place.open()
    store = Store(server)

    def check_identity() -> None:
        with store.read() as connection:
            contents = examination.examine_records(connection, server.shown)
        identity.check_with_server(home, contents, server.shown, place.region_id)

    return _Records(store, lambda: server_database.check(server, store, home.journal), check_identity)


def _compute(home: Home, stack: ExitStack) -> ComputeInspector | None:
    facts = home.server_facts()
    cidr = str(facts.get("GuestNetwork"))
    if facts.get("Compute") == "libvirt":
        inspector = machine.inspector()(home.path, cidr)
        stack.callback(inspector.close)
        return inspector
    if facts.get("Compute") == "simulated" and SimulatedHypervisor.is_at(home.path):
        return SimulatedHypervisor(home.path, cidr)
    return None


def _oos(home: Home) -> EmbeddedOos | None:
    """The embedded store of a running server."""
    facts = home.server_facts()
    listen, process_id = facts.get("OosListen"), facts.get("ProcessId")
    if listen is None or not isinstance(process_id, int) or not home.vault_key.exists():
        return None
    if not home.oos_data.is_dir():  # which would be made
        return None
    with suppress(ProcessLookupError, ObjectsUnavailable):
        os.kill(process_id, 0)
        oos = embedded_oos(home)
        oos.buckets()  # it may be away
        return oos
    return None


@contextmanager
def mending(home: Home) -> Iterator[Tools]:
    """The tools to repair a region while no server runs.

    Raises:
        HomeInUse: one runs. RecordsInUse: one runs elsewhere, on the same records.
    """
    with home.serve(), open_records(home, records.known(home), _nobody_minds) as store:
        yield Tools(store, open_volumes(home), SystemClock())


def _nobody_minds() -> None:
    """Each repair is one transaction: it is whole, even if another server has taken the records meanwhile."""
