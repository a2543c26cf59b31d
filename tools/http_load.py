"""A load of signed requests on one server, from one process over several connections, and its measurements."""

import asyncio
import datetime
import hashlib
import hmac
import itertools
import json
import os
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import uvloop

STALL_SECONDS: Final = 30

# Continues across runs, because a repeated request would be cached.
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Caller:
    """The credentials of the caller."""

    account_id: str
    access_key_id: str
    secret: str


@dataclass(frozen=True)
class Load:
    """The measurements of a run of requests. `latencies` in seconds; `cpu_seconds` is the server's."""

    latencies: list[float]
    wall_seconds: float
    cpu_seconds: float
    answer: bytes

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.wall_seconds

    @property
    def cpu_microseconds(self) -> float:
        return self.cpu_seconds / len(self.latencies) * 1e6

    def milliseconds(self, percentile: int) -> float:
        if len(self.latencies) == 1:
            return self.latencies[0] * 1000
        return statistics.quantiles(self.latencies, n=100, method="inclusive")[percentile - 1] * 1000


@dataclass(frozen=True)
class Target:
    """A server to send requests to."""

    pid: int
    port: int

    def load(self, requests: Iterator[bytes], *, connections: int, seconds: float) -> Load:
        """Send requests one after the other on each of the connections."""
        before, start = _cpu_seconds(self.pid), time.perf_counter()
        latencies, answer = uvloop.run(_drive(self.port, requests, connections, start + seconds))
        wall = time.perf_counter() - start
        return Load(latencies, wall, _cpu_seconds(self.pid) - before, answer)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def repeated(caller: Caller, port: int, parameters: Mapping[str, object]) -> Iterator[bytes]:
    """The same request again and again, as waiters send it."""
    return itertools.repeat(signed(caller, port, json.dumps(parameters).encode()))


def varied(caller: Caller, port: int, parameters: Mapping[str, object]) -> Iterator[bytes]:
    """The same request with varying white space, so that no answer is cached."""
    body = json.dumps(parameters).encode()
    for number in _numbers:
        yield signed(caller, port, body + f"{number:b}".replace("0", " ").replace("1", "\t").encode())


def signed(caller: Caller, port: int, body: bytes, action: str = "ReadImages") -> bytes:
    """The bytes of a signed request. It is valid for five minutes."""
    timestamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": f"127.0.0.1:{port}", "x-osc-date": timestamp}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"POST\n/api/v1/{action}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{timestamp[:8]}/souche-1/api/osc4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"OSC4{caller.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"OSC4-HMAC-SHA256\n{timestamp}\n{scope}\n{digest}"
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    authorization = (
        f"OSC4-HMAC-SHA256 Credential={caller.access_key_id}/{scope}, SignedHeaders={names}, "
        f"Signature={signature}"
    )
    head = {**headers, "authorization": authorization, "content-length": len(body)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return f"POST /api/v1/{action} HTTP/1.1\r\n{lines}\r\n".encode() + body


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the last one's answer is complete."""

    def __init__(self, requests: Iterator[bytes], deadline: float) -> None:
        self.latencies: list[float] = []
        self.answer = b""
        self.ended = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._deadline = deadline
        self._received = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return
        now = time.perf_counter()
        self.latencies.append(now - self._sent)
        self.answer = body
        if not head.startswith(b"HTTP/1.1 200"):
            self.ended.set_exception(RuntimeError(body.decode()))
        elif now < self._deadline:
            self._send()
        elif not self.ended.done():
            self.ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def close(self) -> None:
        self._transport.close()

    def _send(self) -> None:
        self._received = b""
        request = next(self._requests)
        self._sent = time.perf_counter()
        self._transport.write(request)


def _content_length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])


async def _drive(
    port: int, requests: Iterator[bytes], connections: int, deadline: float
) -> tuple[list[float], bytes]:
    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda: _Connection(requests, deadline), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    try:
        async with asyncio.timeout(STALL_SECONDS + deadline - time.perf_counter()):
            await asyncio.gather(*(connection.ended for connection in opened))
    finally:
        for connection in opened:
            connection.close()
    return [latency for connection in opened for latency in connection.latencies], opened[0].answer
