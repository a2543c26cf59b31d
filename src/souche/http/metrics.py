"""GET /metrics: figures of a process and of its region, in Prometheus' format."""

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from souche.http.health import UNCACHED, Readiness


def create_metrics_app(registry: CollectorRegistry, readiness: Readiness) -> Starlette:
    """The application. Figures are collected in a thread, as that may query the database."""
    ready = Gauge(
        "souche_ready",
        "Whether a part of the region is ready (1), as in /readyz.",
        ["check"],
        registry=registry,
    )

    async def metrics(request: Request) -> Response:
        for checked in await readiness.look():
            ready.labels(checked.name).set(checked.is_ready)
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        body = await run_in_threadpool(encode, registry)
        return Response(body, headers={**UNCACHED, "content-type": content_type})

    return Starlette(routes=[Route("/metrics", metrics, methods=["GET"])])
