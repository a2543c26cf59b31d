"""The ASGI application: its routes."""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from souche.api import actions
from souche.api.protocol import spec
from souche.api.protocol.answers import Answers, encoded, fits_event_loop
from souche.api.protocol.dispatch import Action, fetches
from souche.api.protocol.json_cache import JsonCache
from souche.api.protocol.request_errors import WrongMethod, WrongServicePath
from souche.app.context.region import Region
from souche.app.failed_signatures import RecordedAttempts
from souche.db.store import Store
from souche.errors import OutOfTime
from souche.faults import Fault, FaultOnPurpose
from souche.http.attempts import RememberedAttempts
from souche.http.auth import Authenticator, KeyLookup, MayCall, everybody
from souche.http.endpoint import Answerer, Deferred, Endpoint
from souche.http.exchange import SLASHES, Exchange
from souche.http.loop_turns import LoopTurns
from souche.http.marked_turns import MarkedTurns
from souche.http.signature import SignedRequest
from souche.http.turns import Bounds, Turns
from souche.model.accounts import Principal

# Every prefix that clients were seen to use (reference section 1 and clients.md).
OUTSCALE_PREFIXES: Final = ("/api/v1", "/api/V1", "/api/latest", "/oapi/latest")
SOUCHE_PREFIX: Final = "/souche/v1"

# More threads than processors, because a handler may wait for a short workflow.
REQUESTS: Final = Bounds(threads=128, most_each=16, most_waiting=512, most_seconds=60)

# Lookups of access keys that are not cached, if the database is a server. A lookup takes a millisecond.
CALLERS: Final = Bounds(threads=16, most_each=16, most_waiting=2048, most_seconds=60)

# Reads on the event loop, if the database is a server: each has a connection. An account's slow reads leave some to
# others.
READS: Final = Bounds(threads=8, most_each=6, most_waiting=2048, most_seconds=60)

# Requests that wait for a server of the caller's choice: up to 20 seconds each (`app/snapshot_imports`).
FETCHES: Final = Bounds(threads=32, most_each=4, most_waiting=64, most_seconds=60)

NOBODY: Final = ""
"""the account of unsigned requests"""


class _Pools:
    def __init__(self, store: Store) -> None:
        self.requests = Turns.of_threads("request", REQUESTS)
        self.fetches = Turns.of_threads("fetch", FETCHES)
        self.callers = Turns.of_threads("caller", CALLERS)
        self.marked = MarkedTurns(store, Turns(CALLERS, store.on_event_loop))
        self.reads = LoopTurns() if store.database.is_local else Turns(READS, store.on_event_loop)


def create_app(
    region: Region,
    keys: KeyLookup,
    more_routes: Iterable[BaseRoute] = (),
    *,
    may_call: MayCall = everybody,
    observe: Callable[[Exchange], None] = Exchange.log,
) -> ASGIApp:
    """The region's HTTP interface. `may_call`: the addresses from which an account may call. `more_routes` are tried
    before the answer 404. `observe` gets each request when its answer is known, and writes its line: by default, to the
    process's log."""
    shared = not region.store.database.is_local
    attempts = RecordedAttempts(region.store) if shared else RememberedAttempts()
    authenticator = Authenticator(keys, region.clock, attempts, may_call)
    pools = _Pools(region.store)
    answers = Answers(region, JsonCache(region.store.change_mark))

    def endpoint(answerer: Answerer) -> Endpoint:
        return Endpoint(region.ids, answerer, observe)

    outscale = endpoint(_doing(actions.outscale_action, answers, authenticator, pools))
    souche = endpoint(_doing(actions.souche_action, answers, authenticator, pools))
    actions_by_prefix = {**dict.fromkeys(OUTSCALE_PREFIXES, outscale), SOUCHE_PREFIX: souche}
    others = Starlette(
        routes=[
            Route("/api", endpoint(_versions)),
            *(Route(prefix, endpoint(_calls)) for prefix in OUTSCALE_PREFIXES),
            *more_routes,
            Route("/{path:path}", endpoint(_nothing)),
        ]
    )
    return CollapseSlashes(ActionPaths(actions_by_prefix, others))


def meet(fault: Fault, go_on: Callable[[], bytes | Deferred]) -> bytes | Deferred:
    """Apply an injected fault to a call, in a thread.

    Raises:
        FaultOnPurpose.
    """
    time.sleep(fault.delay)
    if fault.status is not None:
        raise FaultOnPurpose(fault)
    return go_on()


class CollapseSlashes:
    """Makes `//api/latest/X`, which osc-cli sends, `/api/latest/X`, which it signs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "//" in scope["path"]:
            scope["path"] = SLASHES.sub("/", scope["path"])
        await self._app(scope, receive, send)


class ActionPaths:
    """Passes PREFIX/ACTION to the endpoint of the prefix, and every other path to `others`: Starlette's router and
    middleware, which no action needs, take a twentieth of the time of a read."""

    def __init__(self, endpoints: Mapping[str, ASGIApp], others: ASGIApp) -> None:
        self._endpoints = endpoints
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        prefix, _, action = scope["path"].rpartition("/") if scope["type"] == "http" else ("", "", "")
        endpoint = self._endpoints.get(prefix) if action else None
        if endpoint is None:
            await self._others(scope, receive, send)
            return
        scope["path_params"] = {"action": action}
        await endpoint(scope, receive, send)


def _doing(
    find: Callable[[str], Action], answers: Answers, authenticator: Authenticator, pools: _Pools
) -> Answerer:
    """An answerer for the actions of one family, which the path names. Cached answers are returned immediately; all
    other requests take turns. If the database is a server, the event loop never blocks on it: what takes too long
    there, or writes, runs in a thread."""
    region = answers.region
    is_local = region.store.database.is_local

    def do(exchange: Exchange, request: SignedRequest) -> bytes | Deferred:
        if request.method != "POST":
            raise WrongMethod(method=request.method)
        action = find(exchange.action)
        work = partial(begin, action, exchange, request)
        return work() if is_local else Deferred(pools.marked, NOBODY, partial(on_event_loop, work))

    def on_event_loop(work: Callable[[], bytes | Deferred]) -> bytes | Deferred:
        try:
            return work()
        except OutOfTime:
            return Deferred(pools.callers, NOBODY, work)

    def begin(action: Action, exchange: Exchange, request: SignedRequest) -> bytes | Deferred:
        return region.store.with_mark(None, partial(begin_with_mark, action, exchange, request))

    def begin_with_mark(action: Action, exchange: Exchange, request: SignedRequest) -> bytes | Deferred:
        principal = authenticator.caller(action.access, request)
        if principal is not None:
            exchange.account_id, exchange.access_key_id = principal.account_id, principal.access_key_id
        account_id = principal.account_id if principal else NOBODY
        fault = region.faults.take(action.name, account_id) if region.faults else None
        if fault:
            go_on = partial(proceed, action, exchange, request, principal)
            return Deferred(pools.requests, account_id, partial(meet, fault, go_on))
        return proceed(action, exchange, request, principal)

    def proceed(
        action: Action, exchange: Exchange, request: SignedRequest, principal: Principal | None
    ) -> bytes | Deferred:
        question = (action, principal, request.body, exchange.request_id)
        known = answers.cached(*question)
        if known:
            return known
        account_id = principal.account_id if principal else NOBODY
        turns = pools.fetches if fetches(action, request.body) else pools.requests
        whole = Deferred(turns, account_id, partial(answers.answer, *question))
        if not fits_event_loop(action, request.body):
            return whole
        read = region.store.with_this_mark(partial(answers.on_event_loop, *question))
        return Deferred(pools.reads, account_id, lambda: read() or whole)

    return do


def _versions(_exchange: Exchange, _request: SignedRequest) -> bytes:
    """The API's versions, as the service lists them (reference section 1)."""
    return encoded({"Versions": ["v1"]})


def _calls(_exchange: Exchange, _request: SignedRequest) -> bytes:
    """The region's calls."""
    return encoded({"Version": spec.version(), "Calls": sorted(actions.ACTIONS)})


def _nothing(_exchange: Exchange, request: SignedRequest) -> bytes:
    raise WrongServicePath(path=request.path.lstrip("/"))
