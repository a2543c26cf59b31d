"""An ASGI endpoint round a plain function: request id, body, errors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog
from starlette.types import Receive, Scope, Send

from souche import room
from souche.api.protocol import errors
from souche.api.protocol.answers import encoded
from souche.http.exchange import ANY_ORIGIN, Exchange, read_request, send_json
from souche.http.loop_turns import LoopTurns
from souche.http.marked_turns import MarkedTurns
from souche.http.signature import SignedRequest
from souche.http.turns import Turns
from souche.ids import IdSource


@dataclass(frozen=True)
class Deferred:
    """Work that takes more than microseconds: for a thread or for the event loop, which the account gets when its turn
    comes. It may lead to more work, of an account that is known by then."""

    turns: Turns | LoopTurns | MarkedTurns
    account_id: str
    work: "Callable[[], bytes | Deferred]"


Answerer: TypeAlias = Callable[[Exchange, SignedRequest], bytes | Deferred]

# As in the real service's answers to OPTIONS (reference section 1).
OPTIONS_HEADERS: Final = [
    (b"access-control-allow-methods", b"OPTIONS,POST"),
    ANY_ORIGIN,
    (b"access-control-max-age", b"86400"),
]

log = structlog.get_logger(__name__)


class Endpoint:
    """Answers with what `answer` returns or raises. `answer` itself takes microseconds; it returns longer work as
    `Deferred`, to run in turn. `observe` gets each request when its answer is known."""

    def __init__(self, ids: IdSource, answer: Answerer, observe: Callable[[Exchange], None]) -> None:
        self._ids = ids
        self._answer = answer
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await _send_options(scope, send)
            return
        exchange = Exchange(self._ids.request_id(), action=scope["path_params"].get("action", ""))
        exchange.answer = await self._settle(exchange, scope, receive)
        self._observe(exchange)
        await send_json(send, exchange.status, exchange.answer, exchange.retry_seconds)

    async def _settle(self, exchange: Exchange, scope: Scope, receive: Receive) -> bytes:
        """The body of the answer, in every case."""
        try:
            exchange.request = await read_request(scope, receive)
            answer = self._answer(exchange, exchange.request)
            while isinstance(answer, Deferred):
                answer = await answer.turns.run(answer.account_id, answer.work)
        except Exception as error:
            return _refuse(exchange, error)
        else:
            return answer


def _refuse(exchange: Exchange, error: Exception) -> bytes:
    """The error's answer. Souche's own failures are logged here, and only here."""
    error = room.full(error) or error
    row = errors.row_of(error)
    exchange.status, exchange.code, exchange.retry_seconds = row.status, row.code, row.retry_seconds
    if errors.is_ours(error):
        log.error("request failed", request_id=exchange.request_id, action=exchange.action, exc_info=error)
    return encoded({**errors.envelope(error), "ResponseContext": {"RequestId": exchange.request_id}})


async def _send_options(scope: Scope, send: Send) -> None:
    """All headers that a browser asks for are allowed by name: one is the signature, which `*` would not cover."""
    asked = [value for name, value in scope["headers"] if name == b"access-control-request-headers"]
    allowed = [(b"access-control-allow-headers", value) for value in asked]
    headers = [*OPTIONS_HEADERS, *allowed]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body"})
