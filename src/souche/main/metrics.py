"""The figures of `GET /metrics`: a server shows its region's too; a process that answers the API alone only its own."""

import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import prometheus_client
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from souche import __version__
from souche.app import figures
from souche.app.context.region import Region
from souche.config import BadSetting, Settings
from souche.home import Home
from souche.http import server
from souche.http.connections import Bounds
from souche.http.exchange import Exchange
from souche.http.health import Readiness
from souche.http.metrics import create_metrics_app
from souche.http.region_metrics import RegionCollector, Sources, SweepCollector
from souche.http.request_metrics import RequestMetrics
from souche.http.server import Application
from souche.reconcile.loop import SweepLoop
from souche.room import Usage, usage_of
from souche.workflows.catalogue import CATALOGUE
from souche.workflows.parts import Parts

BOUNDS: Final = Bounds(most_from_address=16)


class Metrics:
    """The metrics of this process. `listening`: their socket; None: they are off, and nothing is counted."""

    def __init__(self, listening: socket.socket | None, region: Region) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # they double every counter
        self._listening = listening
        self._registry = CollectorRegistry()
        self._requests = RequestMetrics(self._registry)
        ProcessCollector(registry=self._registry)
        info = Gauge(
            "souche_info", "The region and the version.", ["region", "version"], registry=self._registry
        )
        info.labels(region.name, __version__).set(1)

    @property
    def observe(self) -> Callable[[Exchange], None]:
        """Called with each answered request."""
        return self._requests.count if self._listening else _ignore

    @property
    def url(self) -> str | None:
        """Their URL; None: they are off."""
        return None if self._listening is None else f"http://{server.address_of(self._listening)}/metrics"

    def add_region(self, home: Home, region: Region, parts: Parts) -> None:
        """Add the figures of the region that this process serves."""
        sources = Sources(
            records=lambda: figures.read(region),
            disks=parts.volumes.stock,
            media=lambda: media_of(home),
            reserve_bytes=parts.room.reserve_bytes,
            tally=parts.tally.counts,
            workflows=sorted(CATALOGUE),
        )
        self._registry.register(RegionCollector(sources))

    def add_sweeps(self, sweeps: SweepLoop) -> None:
        """Add the rounds of this process's sweeps."""
        self._registry.register(SweepCollector(sweeps.report))

    def applications(self, readiness: Readiness) -> Iterator[Application]:
        """The application, unless it is off."""
        if self._listening is not None:
            app = create_metrics_app(self._registry, readiness)
            yield Application(app, self._listening, BOUNDS)


def listen(settings: Settings) -> socket.socket | None:
    """The socket of `--metrics-listen`; None: it is empty.

    Raises:
        BadSetting: its address cannot be listened on.
    """
    if settings.metrics_address is None:
        return None
    host, port = settings.metrics_address
    try:
        return server.listen(host, port)
    except OSError as error:
        taken = f"{host}:{port} cannot be listened on ({error.strerror})"
        reason = f"{taken}; another region may: give each its own, or none ('')"
        raise BadSetting(flag="--metrics-listen", reason=reason) from error


def media_of(home: Home) -> Mapping[str, Usage]:
    """The usage of the medium of each folder of a home, by the folder's name."""
    return {name: usage_of(folder) for name, folder in home.media().items()}


def _ignore(_exchange: Exchange) -> None:
    """Does nothing."""
