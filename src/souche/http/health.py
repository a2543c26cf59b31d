"""GET /healthz: whether the process answers. GET /readyz: whether each part that it needs does, by name."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

CHECK_SECONDS: Final = 2.0
"""time limit of each check; a slower one fails, and does not run again until it has ended"""
KEPT_SECONDS: Final = 1.0
"""how long an answer is cached: anyone may ask, at any rate"""
UNCACHED: Final = {"cache-control": "no-store"}

log = structlog.get_logger()


@dataclass(frozen=True)
class Checked:
    """The result of a check. `reason` contains no path and no address, because anyone can read it."""

    name: str
    reason: str | None

    @property
    def is_ready(self) -> bool:
        return self.reason is None


class Readiness:
    """Checks each part of a region by its name; a check raises if its part is not ready. Used on one event loop."""

    def __init__(self, checks: Mapping[str, Callable[[], object]]) -> None:
        self._checks = checks
        self._threads = ThreadPoolExecutor(max(len(checks), 1), "ready")
        self._running: dict[str, Future[object]] = {}
        self._told: dict[str, str | None] = {}
        self._turn = asyncio.Lock()
        self._last: tuple[float, Sequence[Checked]] | None = None

    async def look(self) -> Sequence[Checked]:
        """Run all checks concurrently; within a second, return the same results."""
        async with self._turn:
            now = time.monotonic()
            if self._last is None or now > self._last[0] + KEPT_SECONDS:
                checked = await asyncio.gather(*(self._check(name) for name in self._checks))
                self._last = (time.monotonic(), checked)
            return self._last[1]

    async def _check(self, name: str) -> Checked:
        running = self._running.get(name)
        if running is None or running.done():
            running = self._running[name] = self._threads.submit(self._checks[name])
        done, _ = await asyncio.wait([asyncio.wrap_future(running)], timeout=CHECK_SECONDS)
        if not done:
            self._tell(name, "no answer")
            return Checked(name, f"no answer within {CHECK_SECONDS:g} seconds")
        error = done.pop().exception()
        self._tell(name, None if error is None else str(error) or type(error).__name__)
        return Checked(name, None if error is None else "it fails; the log of the region says why")

    def _tell(self, name: str, reason: str | None) -> None:
        """Log a change once."""
        before, self._told[name] = self._told.get(name), reason
        if reason is not None and reason != before:
            log.warning("not ready", check=name, reason=reason)
        elif reason is None and before is not None:
            log.info("ready again", check=name)


def health_routes(readiness: Readiness) -> list[BaseRoute]:
    """The two paths."""

    async def healthz(_request: Request) -> JSONResponse:
        return JSONResponse({"Healthy": True}, headers=UNCACHED)

    async def readyz(_request: Request) -> JSONResponse:
        checked = await readiness.look()
        is_ready = all(each.is_ready for each in checked)
        shown = {each.name: _shown(each) for each in checked}
        return JSONResponse({"Ready": is_ready, "Checks": shown}, 200 if is_ready else 503, headers=UNCACHED)

    return [Route("/healthz", healthz, methods=["GET"]), Route("/readyz", readyz, methods=["GET"])]


def _shown(checked: Checked) -> dict[str, object]:
    if checked.is_ready:
        return {"Ready": True}
    return {"Ready": False, "Reason": checked.reason}
