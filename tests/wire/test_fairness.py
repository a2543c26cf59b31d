"""No account delays another: a real server, two accounts, one of them slow."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from souche.api.protocol.request_errors import RETRY_SECONDS
from souche.app.context.region import Region
from souche.clock import SystemClock
from souche.http.app import FETCHES, create_app
from souche.model.accounts import Principal
from tests.support.polling import eventually
from tests.support.region import make_account, make_region
from tests.wire.answers import check_error
from tests.wire.server import Answer, Key, Server, serving

SECRET = "S" * 40
IMPORTS = 96


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    region = make_region(tmp_path, clock=SystemClock())
    yield region
    region.store.close()


@dataclass
class SlowServer:
    """A server that sends a status line byte by byte, one a second. `clients`: how many it has had."""

    url: str
    clients: int = 0


@contextmanager
def slow_server() -> Iterator[SlowServer]:
    ended = threading.Event()

    def drip(client: socket.socket) -> None:
        with client:
            for byte in b"HTTP/1.1 200 OK" * 10:
                if ended.wait(1):
                    return
                client.send(bytes([byte]))

    def accept(listening: socket.socket) -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            slow.clients += 1
            threading.Thread(target=drip, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=IMPORTS) as listening:
        slow = SlowServer(f"http://127.0.0.1:{listening.getsockname()[1]}/disk")
        threading.Thread(target=accept, args=(listening,), daemon=True).start()
        try:
            yield slow
        finally:
            ended.set()
            listening.shutdown(socket.SHUT_RDWR)


def call(server: Server, who: Principal, action: str, body: bytes) -> Answer:
    return server.call(action, body, key_id=who.access_key_id, secret=SECRET)


def test_imports_from_a_slow_url_keep_nobody_waiting(region: Region) -> None:
    """Not even the same account's other requests."""
    slow, other = make_account(region, "slow"), make_account(region, "other")
    keys = {who.access_key_id: Key(who.account_id, SECRET) for who in (slow, other)}
    with serving(create_app(region, keys.get)) as server, ThreadPoolExecutor(IMPORTS) as clients:
        with slow_server() as far:
            body = json.dumps({"FileLocation": far.url, "SnapshotSize": 1024**3}).encode()
            asked = [clients.submit(call, server, slow, "CreateSnapshot", body) for _ in range(IMPORTS)]
            eventually(lambda: far.clients == FETCHES.most_each)
            for who in (other, slow):
                begun = time.monotonic()
                answer = call(server, who, "ReadVms", b"{}")
                assert answer.json["Vms"] == []
                assert time.monotonic() - begun < 5
        refused = [import_.result(30) for import_ in asked]
    assert {answer.status for answer in refused} == {400, 429}
    late = [answer for answer in refused if answer.status == 429]
    assert {answer.headers["retry-after"] for answer in late} == {str(RETRY_SECONDS)}
    check_error(late[0].json)
