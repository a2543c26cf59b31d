"""One client's connection to the door, and the door's own connection to the store behind it.

A connection handles one request at a time. Head and body are forwarded unchanged, because the client has signed them.
The store may answer while the body is being sent, as it does to `Expect: 100-continue` and when it refuses a request.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from souche.api.protocol.request_errors import TooManyRequests
from souche.http.s3 import heads
from souche.http.s3.answers import Answer, Refused
from souche.http.s3.desk import AWAY, Desk
from souche.http.s3.heads import BadHead, Request, Response
from souche.http.s3.held import SMALL_BYTES, HeldBodies
from souche.http.s3.routes import Kind, Target, route, target
from souche.http.s3.wires import Pipe, Wire, WireClosed
from souche.http.turns import Turns
from souche.model.accounts import Principal

MOST_TO_DELETE: Final = 4 * 1024 * 1024
"""of a body that is parsed here: a thousand keys to delete, each of a thousand bytes, in XML's longest form"""
BODY_SECONDS: Final = 60.0
"""time limit of a body that is parsed here"""
LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 4 * 1024 * 1024
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
IDLE_SECONDS: Final = 60.0
"""time limit of a request's head, from the end of the previous request"""
STILL_SECONDS: Final = 120.0
"""longest silence in both directions within a request: completing an upload takes the store some time"""
LOOK_SECONDS: Final = 5.0

Made = TypeVar("Made")
Noticing = Callable[[Response], Awaitable[None]]


@dataclass(frozen=True)
class Shared:
    """The state shared by a door's connections. Threads are used in turns: by accounts for the desk's answers, by
    addresses for look-ups before the caller is known. `owners` caches the account of each existing bucket."""

    store: tuple[str, int]
    desk: Desk
    answers: Turns
    lookups: Turns
    owners: dict[str, str] = field(default_factory=dict)
    held: HeldBodies = field(default_factory=HeldBodies)


class Connection:
    """A client's connection."""

    def __init__(self, client: Wire, address: str, shared: Shared) -> None:
        self._client = client
        self._address = address
        self._shared = shared
        self._store: Wire | None = None
        self._up, self._down = Pipe(), Pipe()
        self._loop = asyncio.get_running_loop()
        self._head_since: float | None = self._loop.time()
        self._unread = False
        self._answering = False

    async def serve(self) -> None:
        """Answer every request of the connection."""
        task = asyncio.current_task()
        assert task is not None
        watching = self._loop.call_later(LOOK_SECONDS, self._look, task)
        self._watching = watching
        try:
            while await self._one():
                pass
        except (WireClosed, BadHead, OSError):
            pass  # one end is gone: close the other
        finally:
            self._watching.cancel()
            for each in (self._client, self._store, self._up, self._down):
                if each is not None:
                    each.close()

    def _look(self, task: "asyncio.Task[None]") -> None:
        """End an idle connection."""
        now = self._loop.time()
        latest = max(self._client.progress, self._store.progress if self._store else 0)
        late = latest + STILL_SECONDS if self._head_since is None else self._head_since + IDLE_SECONDS
        if now > late:
            task.cancel()
        else:
            self._watching = self._loop.call_later(LOOK_SECONDS, self._look, task)

    async def _one(self) -> bool:
        """Answer one request. Returns whether another may follow."""
        self._head_since = self._loop.time()
        self._unread = self._answering = False
        try:
            raw = await self._client.read_head()
            if raw is None:
                return False
            request = heads.request(raw)
        except BadHead as error:
            self._unread = True
            answer = Refused("InvalidRequest", f"{error}.").answer()
            return await self._say(answer, bodiless=False, last=True)
        self._head_since = None
        self._unread = request.has_body
        try:
            about = target(request)
            return await self._do(route(request, about), request, about)
        except Refused as refused:
            if self._answering:
                raise WireClosed from refused
            return await self._reply(request, refused.answer())

    async def _do(self, kind: Kind, request: Request, about: Target) -> bool:
        desk = self._shared.desk
        if kind is Kind.CREATE:
            return await self._at_desk(request, about, desk.create)
        if not about.bucket:
            await self._look_up(desk.wait_for_store)
            return await self._pass(request)
        owner = await self._owner(request, about.bucket)
        if kind is Kind.POLICY:
            return await self._at_desk(request, about, desk.policy)
        if kind is Kind.INSPECT:
            return await self._inspect(request, about, owner)
        if kind is Kind.DELETE:
            return await self._pass(request, noticing=lambda response: self._deleted(about.bucket, response))
        return await self._pass(request)

    async def _at_desk(
        self, request: Request, about: Target, answer: Callable[[Principal, Request, Target, bytes], Answer]
    ) -> bool:
        """Let the desk answer, once the caller is known."""
        body = await self._body(request, SMALL_BYTES)
        who = await self._look_up(lambda: self._shared.desk.caller(request, body))
        answering = self._shared.answers.run(who.account_id, lambda: answer(who, request, about, body))
        return await self._reply(request, await _in_turn(answering))

    async def _look_up(self, do: Callable[[], Made]) -> Made:
        return await _in_turn(self._shared.lookups.run(self._address, do))

    async def _inspect(self, request: Request, about: Target, owner: str) -> bool:
        """Pass a request on after checking its body."""
        shared = self._shared
        with shared.held.hold(self._address, request.length or 0):
            body = await self._body(request, MOST_TO_DELETE if request.method == "POST" else SMALL_BYTES)
            await self._look_up(lambda: shared.desk.inspect(request, about, owner, body))
            return await self._pass(request, body)

    async def _owner(self, request: Request, bucket: str) -> str:
        """The account of a bucket.

        Raises:
            Refused: there is no such bucket.
        """
        owner = self._shared.owners.get(bucket)
        if owner is None:
            desk = self._shared.desk
            owner = await self._look_up(lambda: desk.owner(bucket))
            if owner is None:
                raise await self._look_up(lambda: desk.missing(request))
            self._shared.owners[bucket] = owner
        return owner

    async def _deleted(self, bucket: str, response: Response) -> None:
        self._shared.owners.pop(bucket, None)
        if response.status == 204:
            await self._look_up(lambda: self._shared.desk.deleted(bucket))

    async def _body(self, request: Request, most_bytes: int) -> bytes:
        """The whole body of a request that is answered or checked here.

        Raises:
            Refused: it is too long, or its length is unknown. WireClosed: it does not come.
        """
        if request.chunked or "aws-chunked" in request.headers.get("content-encoding", ""):
            raise Refused("MissingContentLength", "You must provide the Content-Length HTTP header.")
        if (request.length or 0) > most_bytes:
            raise Refused("EntityTooLarge", f"The body of this request has at most {most_bytes} bytes.")
        if not request.length:
            return b""
        if "expect" in request.headers:
            await self._client.send(CONTINUE)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._client.read(request.length)
        except TimeoutError as error:
            raise WireClosed from error
        self._unread = False
        return body

    async def _pass(
        self, request: Request, body: bytes | None = None, *, noticing: Noticing | None = None
    ) -> bool:
        """Let the store answer. `body` was already read, if it is given."""
        try:
            return await self._exchange(await self._reach_store(), request, body, noticing)
        except BaseException:  # the rest of this answer would be read as the next one
            self._leave_store()
            raise

    async def _exchange(
        self, store: Wire, request: Request, body: bytes | None, noticing: Noticing | None
    ) -> bool:
        held = self._client.take(request.length or 0) if body is None else body
        await store.send(request.raw + held)
        left = (request.length or 0) - len(held)
        if not (left or request.chunked):
            self._unread = False
            return await self._answer(store, request, noticing)
        sending = asyncio.create_task(self._send_body(store, request, left))
        try:
            keeps = await self._answer(store, request, noticing)
        finally:
            whole = sending.done()
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending
        if whole and not self._unread:
            return keeps
        await self._linger()
        return False

    async def _send_body(self, store: Wire, request: Request, left: int) -> None:
        """The rest of a request's body. If it breaks off, the store sees the end of the connection."""
        try:
            if request.chunked:
                await self._up.move_chunks(self._client, store)
            else:
                await self._up.move(self._client, store, left)
            self._unread = False
        except (WireClosed, BadHead, OSError):
            with contextlib.suppress(OSError):
                store.sock.shutdown(socket.SHUT_WR)

    async def _answer(self, store: Wire, request: Request, noticing: Noticing | None) -> bool:
        """Forward the store's answer."""
        response = await self._response(store)
        while response.is_interim:
            await self._client.send(response.raw)
            response = await self._response(store)
        if noticing is not None:
            await noticing(response)
        self._answering = True
        if response.is_bodiless(request.method):
            await self._client.send(response.raw)
        elif response.chunked:
            await self._client.send(response.raw)
            await self._down.move_chunks(store, self._client)
        elif response.length is not None:
            held = store.take(response.length)
            await self._client.send(response.raw + held)
            await self._down.move(store, self._client, response.length - len(held))
        else:
            await self._client.send(response.raw)
            await self._down.move_all(store, self._client)
            return False
        return not (response.closes or request.closes)

    async def _response(self, store: Wire) -> Response:
        try:
            raw = await store.read_head()
            if raw is None:
                raise AWAY
            return heads.response(raw)
        except (WireClosed, BadHead, OSError) as error:
            raise AWAY from error

    async def _reach_store(self) -> Wire:
        """The connection to the store; a new one if the store has closed it."""
        if self._store is not None and self._store.is_stale():
            self._leave_store()
        if self._store is None:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            wire = Wire(sock)
            try:
                await self._loop.sock_connect(sock, self._shared.store)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                wire.close()
                raise AWAY from error
            self._store = wire
        return self._store

    def _leave_store(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    async def _reply(self, request: Request, answer: Answer) -> bool:
        last = request.closes or self._unread
        return await self._say(answer, bodiless=request.method == "HEAD", last=last)

    async def _say(self, answer: Answer, *, bodiless: bool, last: bool) -> bool:
        self._answering = True
        await self._client.send(answer.encoded(bodiless=bodiless, last=last))
        if self._unread:
            await self._linger()
        return not last

    async def _linger(self) -> None:
        """Let a client read the answer before its pending data resets the connection."""
        with contextlib.suppress(OSError, WireClosed, TimeoutError):
            self._client.sock.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(LINGER_SECONDS):
                await self._client.discard(LINGER_BYTES)


async def _in_turn(running: Awaitable[Made]) -> Made:
    """The result of a turn.

    Raises:
        Refused: too many are waiting.
    """
    try:
        return await running
    except TooManyRequests as error:
        raise Refused("SlowDown", "Please reduce your request rate.") from error
