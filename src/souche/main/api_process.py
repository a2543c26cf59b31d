"""`souche api`: a process that only answers the API.

Any number of them may run beside the one `souche serve` of a region whose records are in PostgreSQL. It uses the same
database, and the keys in the home, as the operator's commands do. The server runs the operations; without a server they
wait, and reads continue. Sweeps that only need records run in the process that has the lock
(`reconcile/record_sweeps.py`). It ends when another release upgrades the schema (`db/schema_watch.py`).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, cast

import structlog

from souche import logs
from souche.app.context.region import Region, ShareGate
from souche.config import BadSetting, Settings
from souche.db import schema_watch
from souche.db.examination import examine_records
from souche.db.store import Store
from souche.errors import SystemFailure
from souche.home import Facts, Home, NotServed
from souche.http import server
from souche.http.audit_lines import recorded
from souche.http.health import Readiness, health_routes
from souche.http.server import Application
from souche.main import (
    auditing,
    guest_network,
    http_process,
    identity,
    metrics,
    readiness,
    records,
    service,
    tls,
)
from souche.main.served_region import served_region
from souche.reconcile.loop import Sweep, SweepLoop
from souche.reconcile.record_sweeps import record_sweeps

SCHEMA_SECONDS: Final = 1.0
"""between two looks whether the schema was upgraded"""

log = structlog.get_logger()


class RecordsInHome(SystemFailure):
    """The records of {home} are in SQLite, which only one process can serve: `souche api` needs PostgreSQL
    (docs/databases.md)."""


class SchemaDiffers(SystemFailure):
    """The records have the schema of another version of Souche: start `souche serve` of this version first, which
    upgrades them, then `souche api`. Nothing was changed."""


def run(settings: Settings) -> None:
    """Answer the API until a signal ends the process.

    Raises:
        NotServed, RecordsInHome, SchemaDiffers, RecordsElsewhere, RecordsBeingReplaced, BadSetting, CannotListen; what
        `PostgreSql.check` and `identity.check_with_server` raise.
    """
    logs.configure(settings.log_level)
    http_process.prepare()
    tls.check(settings)
    with answering(settings) as region:
        audit = auditing.open_audit(settings)
        listening, metrics_socket = http_process.listen(settings), metrics.listen(settings)
        settings = replace(settings, endpoint=http_process.endpoint_of(settings, listening))
        region = replace(region, endpoint=settings.endpoint, api_logs=auditing.reader_of(settings))
        served = tls.open_tls(settings, Home(settings.home))
        schema = Sweep("schema", partial(schema_watch.check, region.store, _end_as_upgraded), SCHEMA_SECONDS)
        sweeps = SweepLoop([*record_sweeps(region), schema], region.store.alone)
        sweeps.start()  # they end with the process
        context = served.tls.context if served else None
        told = metrics.Metrics(metrics_socket, region)
        told.add_sweeps(sweeps)
        ready = Readiness(readiness.of_records(region.store))
        api = http_process.api_of(region, health_routes(ready), recorded(told.observe, audit))

        def tell() -> None:
            log.info("answering", region=region.name, api=f"{settings.endpoint}/api/v1", metrics=told.url)
            service.notify(service.READY)

        server.run([Application(api, listening, tls=context), *told.applications(ready)], tell)
        service.notify(service.STOPPING)


@contextmanager
def answering(settings: Settings) -> Iterator[Region]:
    """The region, for requests alone. It uses the facts that its server recorded, such as its subregions."""
    home = Home(settings.home)
    facts = _facts(home, settings)
    with _records(home, settings) as store:
        region = served_region(home, store, _console(home.path, facts, guest_network.known(home, store)))
        yield replace(region, share_gate=cast("ShareGate", facts.get("ShareGate") or "off"))


def _facts(home: Home, settings: Settings) -> Facts:
    if not home.region_id.exists():
        raise NotServed(home=home.path)
    facts = home.read()
    if facts.get("Region") != settings.region:
        raise BadSetting(flag="--region", reason=f"the region in {home.path} is {facts.get('Region')}")
    return facts


@contextmanager
def _records(home: Home, settings: Settings) -> Iterator[Store]:
    """The region's records. Nothing is made or migrated."""
    place = records.chosen(home, settings)
    if place is None:
        raise RecordsInHome(home=home.path)
    database = place.open()
    store = Store(database)
    try:
        database.check()
        with database.answered(_end_as_records_are_replaced):
            with store.read() as connection:
                contents = examine_records(connection, database.shown)
            identity.check_with_server(home, contents, database.shown, place.region_id)
            if not store.is_newest():
                raise SchemaDiffers
            schema_watch.check_writes(store, _end_as_upgraded)
            yield store
    finally:
        store.close()


def _end_as_records_are_replaced() -> None:
    """Its keys and its settings may not be those of the new records."""
    log.critical(
        "the records are being replaced or removed since the database was away, so this process ends"
    )
    os._exit(1)


def _end_as_upgraded() -> None:
    log.critical(
        "another version of Souche has upgraded the records, so this process ends: start that version"
    )
    os._exit(1)


def _console(home: Path, facts: Facts, cidr: str) -> Callable[[str], bytes]:
    """Reads the guests' consoles, which are files of the home."""
    if facts.get("Compute") == "libvirt":
        from souche.compute.libvirt import console, host_paths

        files = host_paths.GuestFiles(home)
        return lambda vm_id: console.tail(files.console(vm_id))
    from souche.compute.simulated import SimulatedHypervisor

    return SimulatedHypervisor(home, cidr).console
