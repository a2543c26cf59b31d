"""souche status"""

import json as encoding
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown
from souche.faults import Faults
from souche.home import Facts, Home
from souche.room import usage_of


@dataclass(frozen=True)
class Server:
    """The server's own figures. `checks`: whether each part is ready, by name; None: it does not answer. `sweeps`: None
    if it has no metrics, or they do not answer."""

    checks: dict[str, bool] | None
    sweeps: list[dict[str, Any]] | None


def build(composition: Composition) -> Callable[[Path, bool], None]:
    """The command that shows the state of a region."""

    def status(home: HomeFlag, json: JsonFlag = False) -> None:
        """Show the region's state, with or without a server: parts, room, disks, work under way, VMs, trash, sweeps,
        and injected faults."""
        from souche.cli.actions import status as actions
        from souche.cli.status_page import print_status

        with errors_shown(), composition.operate(home) as region:
            facts = _facts(Home(home.resolve()), region.do(actions.of_region))
        if json:
            print(encoding.dumps(facts))
        else:
            print_status(facts)

    return status


def _facts(home: Home, found: dict[str, Any]) -> dict[str, Any]:
    from souche.cli import asking

    facts = home.server_facts()
    is_served, has_own_file = found.pop("IsServed"), found.pop("HasOwnFile")
    kind = "SQLite" if has_own_file else "PostgreSQL"
    server = _server(facts) if is_served and asking.runs(facts) else Server(None, None)
    return {
        "Region": facts.get("Region"),
        "Home": str(home.path),
        "Served": is_served,
        "ProcessId": facts.get("ProcessId") if is_served else None,
        "Api": facts.get("Api") if is_served else None,
        "Checks": server.checks,
        "Database": {"Kind": kind, "Bytes": found.pop("DatabaseBytes")},
        "ObjectStore": _object_store(facts),
        "Compute": facts.get("Compute"),
        "FaultsAllowed": bool(facts.get("AllowFaults")),
        "Faults": len(Faults(home.faults).every()),
        "Media": list(_media(home)),
        **found,
        "Sweeps": server.sweeps,
    }


def _server(facts: Facts) -> Server:
    from souche.cli import asking  # imported here to keep help fast

    text = asking.read(asking.beside_api(facts, "/readyz"))
    checks = None
    if text is not None:
        try:
            checks = {name: bool(each["Ready"]) for name, each in encoding.loads(text)["Checks"].items()}
        except (ValueError, KeyError, TypeError):  # another program answered
            checks = None
    url = facts.get("Metrics")
    metrics = asking.read(str(url)) if url else None
    return Server(checks, None if metrics is None else _sweeps(metrics.decode()))


def _sweeps(metrics: str) -> list[dict[str, Any]]:
    """The figures of each sweep in the metrics."""
    from prometheus_client.parser import text_string_to_metric_families

    names = {
        "souche_sweep_last_success_timestamp_seconds": "LastSuccessSeconds",
        "souche_sweep_interval_seconds": "IntervalSeconds",
        "souche_sweep_failures_total": "Failures",
    }
    found: dict[str, dict[str, Any]] = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name in names:
                found.setdefault(sample.labels["sweep"], {})[names[sample.name]] = sample.value
    now = time.time()
    return [
        {
            "Sweep": name,
            "LastSuccessSeconds": round(now - last, 1)
            if (last := values.get("LastSuccessSeconds"))
            else None,
            "IntervalSeconds": values.get("IntervalSeconds"),
            "Failures": int(values.get("Failures", 0)),
        }
        for name, values in sorted(found.items())
    ]


def _object_store(facts: Facts) -> dict[str, Any] | None:
    """None: the region has none, or was never served."""
    if not facts.get("Oos"):
        return None
    return {"Kind": "embedded" if facts.get("OosListen") else "another service", "Endpoint": facts["Oos"]}


def _media(home: Home) -> Iterator[dict[str, Any]]:
    """Each medium once, with the folders of the home on it."""
    folders: dict[int, list[str]] = {}
    places = home.media()
    for name, folder in places.items():
        folders.setdefault(folder.stat().st_dev, []).append(name)
    for names in folders.values():
        usage = usage_of(places[names[0]])
        yield {"Folders": names, "UsedBytes": usage.used_bytes, "FreeBytes": usage.free_bytes}
