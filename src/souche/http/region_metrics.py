"""The region's figures for `GET /metrics`: its records, its disks, its space, its sweeps, and the work of its server.

Expensive figures are cached, the longer the more they cost: scrapes take at most a hundredth of one core. Label values
come from tables only; a name that this release does not know is `other`.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from souche.model.figures import Figures
from souche.model.tally import Outcome, Tallied
from souche.reconcile.loop import Swept
from souche.room import Usage
from souche.states import VmState
from souche.storage.base import StoreFigures

LEAST_SECONDS: Final = 5.0
"""shortest time for which a figure is cached"""
SHARE: Final = 100
"""A figure that takes a second is cached for this many seconds."""
OTHER: Final = "other"
CHAIN_BOUNDS: Final = (1, 2, 4, 8, 16, 32, 64, 128)

Value = TypeVar("Value")

log = structlog.get_logger()


@dataclass(frozen=True)
class Sources:
    """The sources of the figures. `media`: the usage of the medium of each folder of the home, by its name."""

    records: Callable[[], Figures]
    disks: Callable[[], StoreFigures]
    media: Callable[[], Mapping[str, Usage]]
    reserve_bytes: int
    tally: Callable[[], Tallied]
    workflows: Collection[str]


class CachedFigure(Generic[Value]):
    """A figure that is computed at most every `LEAST_SECONDS`, and at most once in `SHARE` times its cost. None: it
    cannot be computed, which is logged once."""

    def __init__(self, part: str, look: Callable[[], Value]) -> None:
        self.part = part
        self._look = look
        self._lock = threading.Lock()
        self._until = 0.0
        self._value: Value | None = None
        self._problem: str | None = None

    def get(self) -> Value | None:
        """The figure."""
        with self._lock:
            began = time.monotonic()
            if began >= self._until:
                self._value = self._looked()
                ended = time.monotonic()
                self._until = ended + max(LEAST_SECONDS, SHARE * (ended - began))
            return self._value

    def _looked(self) -> Value | None:
        try:
            value = self._look()
        except Exception as error:
            if self._problem != str(error):
                log.warning("no figures", part=self.part, reason=str(error) or type(error).__name__)
            self._problem = str(error)
            return None
        self._problem = None
        return value


class RegionCollector(Collector):
    """The figures of a region, of the process that serves it."""

    def __init__(self, sources: Sources) -> None:
        self._records = CachedFigure("records", sources.records)
        self._disks = CachedFigure("disks", sources.disks)
        self._media = CachedFigure("room", sources.media)
        self._sources = sources

    def describe(self) -> list[Metric]:
        """Empty: otherwise the registry would collect once to find the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The present figures, or cached ones."""
        records, disks, media = self._records.get(), self._disks.get(), self._media.get()
        known = GaugeMetricFamily(
            "souche_figures_known", "Whether figures could be looked up (1).", labels=["part"]
        )
        for part, found in ((self._records, records), (self._disks, disks), (self._media, media)):
            known.add_metric([part.part], found is not None)
        yield known
        if records is not None:
            yield from _of_records(records, self._sources.workflows)
        if disks is not None:
            yield from _of_disks(disks)
        if media is not None:
            yield from _of_media(media, self._sources.reserve_bytes)
        yield from _of_tally(self._sources.tally(), self._sources.workflows)


class SweepCollector(Collector):
    """The rounds of a process's sweeps."""

    def __init__(self, report: Callable[[], Sequence[Swept]]) -> None:
        self._report = report

    def describe(self) -> list[Metric]:
        """Empty: otherwise the registry would collect once to find the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The present figures."""
        last = GaugeMetricFamily(
            "souche_sweep_last_success_timestamp_seconds",
            "When a round of the sweep last ended well, or was left to another process.",
            labels=["sweep"],
        )
        interval = GaugeMetricFamily(
            "souche_sweep_interval_seconds", "Seconds between two rounds of the sweep.", labels=["sweep"]
        )
        failures = CounterMetricFamily(
            "souche_sweep_failures", "Rounds of the sweep that failed.", labels=["sweep"]
        )
        for swept in self._report():
            last.add_metric([swept.name], swept.last_success or 0)
            interval.add_metric([swept.name], swept.interval_seconds)
            failures.add_metric([swept.name], swept.failures)
        yield from (last, interval, failures)


def _of_records(figures: Figures, workflows: Collection[str]) -> Iterator[Metric]:
    vms = GaugeMetricFamily("souche_vms", "VMs by state, as recorded.", labels=["state"])
    for state in VmState:
        vms.add_metric([state], figures.vms.get(state, 0))
    yield vms
    counts, ages = dict.fromkeys([*workflows, OTHER], 0), dict.fromkeys([*workflows, OTHER], 0.0)
    for each in figures.under_way:
        kind = each.workflow if each.workflow in counts else OTHER
        counts[kind] += each.count
        ages[kind] = max(ages[kind], each.oldest_seconds)
    under_way = GaugeMetricFamily("souche_operations", "Operations requested and not ended.", labels=["kind"])
    oldest = GaugeMetricFamily(
        "souche_operations_oldest_seconds",
        "Seconds since the oldest operation that has not ended was requested; 0: there is none.",
        labels=["kind"],
    )
    for kind, count in counts.items():
        under_way.add_metric([kind], count)
        oldest.add_metric([kind], ages[kind])
    yield from (under_way, oldest)


def _of_disks(stock: StoreFigures) -> Iterator[Metric]:
    yield GaugeMetricFamily("souche_layers", "Layers: files of disks.", stock.layers)
    sizes = GaugeMetricFamily(
        "souche_layer_bytes",
        "Bytes that layers take on the medium: of one volume or snapshot alone (own), of several (shared), of none "
        "(unnamed, removed soon).",
        labels=["sharing"],
    )
    sizes.add_metric(["own"], stock.own_bytes)
    sizes.add_metric(["shared"], stock.shared_bytes)
    sizes.add_metric(["unnamed"], stock.unnamed_bytes)
    yield sizes
    depths = list(stock.files.values())
    buckets = [(str(bound), float(sum(each <= bound for each in depths))) for bound in CHAIN_BOUNDS]
    buckets.append(("+Inf", float(len(depths))))
    yield GaugeHistogramMetricFamily(
        "souche_chain_files", "Files in the chains of volumes.", buckets=buckets, gsum_value=sum(depths)
    )
    yield GaugeMetricFamily(
        "souche_chain_files_longest", "Files in the longest chain of a volume.", max(depths, default=0)
    )
    yield GaugeMetricFamily("souche_trash_disks", "Volumes and snapshots in the trash.", len(stock.trashed))


def _of_media(media: Mapping[str, Usage], reserve_bytes: int) -> Iterator[Metric]:
    free = GaugeMetricFamily(
        "souche_room_free_bytes", "Bytes free on the medium of a folder of the home.", labels=["folder"]
    )
    used = GaugeMetricFamily(
        "souche_room_used_bytes", "Bytes used on the medium of a folder of the home.", labels=["folder"]
    )
    for folder, usage in media.items():
        free.add_metric([folder], usage.free_bytes)
        used.add_metric([folder], usage.used_bytes)
    yield from (free, used)
    yield GaugeMetricFamily(
        "souche_room_reserve_bytes", "Bytes kept free for the region's records.", reserve_bytes
    )


def _of_tally(tallied: Tallied, workflows: Collection[str]) -> Iterator[Metric]:
    ended = CounterMetricFamily(
        "souche_operations_ended",
        "Operations that this process has ended, by their outcome: done, failed, or cancelled by their user.",
        labels=["kind", "outcome"],
    )
    for kind in workflows:
        for outcome in Outcome:
            ended.add_metric([kind, outcome], tallied.operations.get((kind, outcome), 0))
    yield ended
    yield CounterMetricFamily(
        "souche_exported_bytes", "Bytes of disks' data that exports have read.", tallied.exported_bytes
    )
    yield CounterMetricFamily(
        "souche_imported_bytes", "Bytes that imports have downloaded.", tallied.imported_bytes
    )
