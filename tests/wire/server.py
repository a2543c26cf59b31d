"""A region's HTTP interface on a real server, with one access key and nothing behind it."""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, cast

from souche.app.context.region import Region
from souche.clock import SystemClock
from souche.db.engines.sqlite import Sqlite
from souche.db.store import Store
from souche.http import connections
from souche.http.app import create_app
from souche.http.connections import Bounds
from souche.http.server import Application, server_of
from souche.ids import IdSource
from tests.wire.signing import ACCESS_KEY_ID, OSC_SDK_PYTHON, SECRET_KEY, ClientForm, sign

ACCOUNT_ID = "123456789012"
REGION_NAME = "eu-test-1"


@dataclass(frozen=True)
class Key:
    """An access key in memory."""

    account_id: str
    secret: str
    active: bool = True
    expired: bool = False


KEYS = {
    ACCESS_KEY_ID: Key(ACCOUNT_ID, SECRET_KEY),
    "INACTIVE000000000000": Key(ACCOUNT_ID, SECRET_KEY, active=False),
    "EXPIRED0000000000000": Key(ACCOUNT_ID, SECRET_KEY, expired=True),
}


def bare_region() -> Region:
    """A region of names, time and ids, and nothing else: enough for the actions that need no more."""
    there = {
        "name": REGION_NAME,
        "endpoint": "http://127.0.0.1:1/api/v1",
        "clock": SystemClock(),
        "ids": IdSource(),
        "store": Store(Sqlite(Path("no-records.sqlite"))),  # never opened
    }
    required = [field.name for field in fields(Region) if field.default is MISSING]
    return Region(**cast("Any", {name: there.get(name) for name in required}))


@dataclass(frozen=True)
class Answer:
    """What came back. `json` is None when the body is empty."""

    status: int
    headers: dict[str, str]
    json: Any


@dataclass(frozen=True)
class Server:
    """A running server. Requests go out by http.client, which changes neither path nor headers."""

    port: int

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.netloc}"

    def send(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """One request, exactly as given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            text = reply.read()
            found = {name.lower(): value for name, value in reply.getheaders()}
            return Answer(reply.status, found, json.loads(text) if text else None)
        finally:
            connection.close()

    def call(self, action: str, body: bytes = b"{}", form: ClientForm = OSC_SDK_PYTHON, **how: Any) -> Answer:
        """A signed call, in a client's form; `how` goes to `sign`."""
        headers = sign(form, self.netloc, f"{form.prefix}/{action}", body, **how)
        return self.send("POST", f"{form.sent_prefix or form.prefix}/{action}", body, headers)


@contextmanager
def serving(
    app: Any, bounds: Bounds = connections.API, tls: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """The application on a free port of the loopback address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = server_of(Application(app, listening, bounds, tls))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield Server(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(30)


def new_app() -> Any:
    """The bare region's application, with its own memory of failed attempts."""
    return create_app(bare_region(), KEYS.get)
