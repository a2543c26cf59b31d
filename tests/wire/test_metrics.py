"""/metrics: what is counted of requests, and what the figures of a region look like there."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import requests
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from souche.errors import StorageFailed
from souche.http import region_metrics
from souche.http.app import create_app
from souche.http.health import Readiness
from souche.http.metrics import create_metrics_app
from souche.http.region_metrics import RegionCollector, Sources, SweepCollector
from souche.http.request_metrics import RequestMetrics
from souche.model.figures import Figures, UnderWay
from souche.model.tally import Outcome, Tallied
from souche.reconcile.loop import Swept
from souche.room import Usage
from souche.storage.base import StoreFigures
from tests.wire.server import ACCOUNT_ID, KEYS, Server, bare_region, serving
from tests.wire.signing import ACCESS_KEY_ID, SECRET_KEY


@dataclass
class Scraped:
    """Asks for the metrics of a registry."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    checks: dict[str, Callable[[], object]] = field(default_factory=dict)

    @contextmanager
    def server(self) -> Iterator[str]:
        with serving(create_metrics_app(self.registry, Readiness(self.checks))) as server:
            yield f"http://{server.netloc}/metrics"

    def text(self) -> str:
        with self.server() as url:
            answer = requests.get(url, timeout=10)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return answer.text

    def samples(self) -> dict[tuple[str, tuple[str, ...]], float]:
        """Values by name and label values, which are in the order of their labels' names."""
        return {
            (sample.name, tuple(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
        }


@contextmanager
def counted(scraped: Scraped) -> Iterator[Server]:
    """The bare region, whose requests are counted."""
    observe = RequestMetrics(scraped.registry).count
    with serving(create_app(bare_region(), KEYS.get, observe=observe)) as server:
        yield server


def test_requests_are_counted_by_action_and_code() -> None:
    scraped = Scraped()
    with counted(scraped) as server:
        assert server.call("ReadRegions", b"{}").status == 200
        assert server.call("ReadRegions", b"{}").status == 200
        assert server.call("ReadRegions", b"{").status == 400
    samples = scraped.samples()
    assert samples["souche_requests_total", ("ReadRegions", "", "200")] == 2
    (refused,) = [
        labels for name, labels in samples if name == "souche_requests_total" and labels[2] == "400"
    ]
    assert refused[0] == "ReadRegions"
    assert refused[1].isdecimal()
    assert samples["souche_request_seconds_count", ("ReadRegions",)] == 3


def test_names_that_callers_make_up_are_one_label_value() -> None:
    scraped = Scraped()
    with counted(scraped) as server:
        for number in range(20):
            server.call(f"Invent{number}", b"{}", key_id=ACCESS_KEY_ID, secret=SECRET_KEY)
        server.send("GET", "/api")
        server.send("GET", "/nowhere/at/all")
    samples = scraped.samples()
    actions = {labels[0] for name, labels in samples if name.startswith("souche_request")}
    assert actions == {"other"}
    assert samples["souche_request_seconds_count", ("other",)] == 22
    assert not {ACCOUNT_ID, ACCESS_KEY_ID} & {value for _, labels in samples for value in labels}


def test_readiness_is_there_by_its_checks() -> None:
    def fails() -> None:
        raise OSError("away")

    samples = Scraped(checks={"database": int, "object store": fails}).samples()
    assert samples["souche_ready", ("database",)] == 1
    assert samples["souche_ready", ("object store",)] == 0


def stock() -> StoreFigures:
    shares = {frozenset({"vol-1"}): 10, frozenset({"vol-1", "snap-1"}): 100, frozenset[str](): 1}
    return StoreFigures(shares, {"vol-1": 3, "vol-2": 40}, 5, frozenset({"snap-9"}))


def sources() -> Sources:
    under_way = [UnderWay("create_vm", 2, 30.0), UnderWay("of another release", 1, 99.0)]
    return Sources(
        records=lambda: Figures({"running": 3}, under_way),
        disks=stock,
        media=lambda: {"home": Usage(70, 30)},
        reserve_bytes=7,
        tally=lambda: Tallied({("create_vm", Outcome.FAILED): 4}, 11, 12),
        workflows=["create_vm", "export_image"],
    )


def collected(collector: RegionCollector | SweepCollector) -> Scraped:
    scraped = Scraped()
    scraped.registry.register(collector)
    return scraped


def test_the_figures_of_a_region() -> None:
    samples = collected(RegionCollector(sources())).samples()
    expected = {
        ("souche_vms", ("running",)): 3,
        ("souche_vms", ("stopped",)): 0,
        ("souche_operations", ("create_vm",)): 2,
        ("souche_operations", ("export_image",)): 0,
        ("souche_operations", ("other",)): 1,
        ("souche_operations_oldest_seconds", ("create_vm",)): 30,
        ("souche_operations_oldest_seconds", ("other",)): 99,
        ("souche_operations_ended_total", ("create_vm", "failed")): 4,
        ("souche_operations_ended_total", ("create_vm", "done")): 0,
        ("souche_exported_bytes_total", ()): 11,
        ("souche_imported_bytes_total", ()): 12,
        ("souche_layers", ()): 5,
        ("souche_layer_bytes", ("own",)): 10,
        ("souche_layer_bytes", ("shared",)): 100,
        ("souche_layer_bytes", ("unnamed",)): 1,
        ("souche_chain_files_bucket", ("2",)): 0,
        ("souche_chain_files_bucket", ("4",)): 1,
        ("souche_chain_files_bucket", ("+Inf",)): 2,
        ("souche_chain_files_longest", ()): 40,
        ("souche_trash_disks", ()): 1,
        ("souche_room_free_bytes", ("home",)): 30,
        ("souche_room_used_bytes", ("home",)): 70,
        ("souche_room_reserve_bytes", ()): 7,
        ("souche_figures_known", ("disks",)): 1,
    }
    assert {key: samples[key] for key in expected} == expected


def test_what_cannot_be_looked_up_is_told_and_the_rest_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> StoreFigures:
        raise StorageFailed(reason="the medium is gone")

    monkeypatch.setattr(region_metrics, "LEAST_SECONDS", 0.0)
    broken = Sources(**{**vars(sources()), "disks": fails})
    samples = collected(RegionCollector(broken)).samples()
    assert samples["souche_figures_known", ("disks",)] == 0
    assert samples["souche_figures_known", ("records",)] == 1
    assert samples["souche_vms", ("running",)] == 3
    assert ("souche_layers", ()) not in samples


def test_figures_are_not_looked_up_for_each_scrape() -> None:
    looked: list[int] = []

    def counting() -> StoreFigures:
        looked.append(1)
        return stock()

    scraped = collected(RegionCollector(Sources(**{**vars(sources()), "disks": counting})))
    with scraped.server() as url:
        for _ in range(5):
            assert requests.get(url, timeout=10).ok
    assert len(looked) == 1


def test_what_takes_long_is_kept_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    looked: list[float] = []

    def slow() -> float:
        looked.append(now[0])
        now[0] += 2
        return now[0]

    kept = region_metrics.CachedFigure("disks", slow)
    assert kept.get() == 102
    now[0] += region_metrics.SHARE * 2 - 1
    assert kept.get() == 102
    now[0] += 1
    kept.get()
    assert looked == [100.0, 302.0]


def test_sweeps_are_there_with_their_last_success() -> None:
    report = [Swept("power", 5.0, 1000.0, 2), Swept("trash", 60.0, None, 0)]
    samples = collected(SweepCollector(lambda: report)).samples()
    assert samples["souche_sweep_last_success_timestamp_seconds", ("power",)] == 1000
    assert samples["souche_sweep_last_success_timestamp_seconds", ("trash",)] == 0
    assert samples["souche_sweep_failures_total", ("power",)] == 2
    assert samples["souche_sweep_interval_seconds", ("trash",)] == 60


def test_another_path_is_not_there() -> None:
    with Scraped().server() as url:
        assert requests.get(url.removesuffix("/metrics") + "/api", timeout=10).status_code == 404
