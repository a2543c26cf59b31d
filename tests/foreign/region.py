"""A region in a process of its own: real disks, pretended guests, and accounts to call it from."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import harness
from tools.harness import Credentials

from souche.run import run
from tests.support.polling import eventually
from tests.wire.server import Answer, Server
from tests.wire.signing import OSC_SDK_PYTHON, ClientForm

SUBREGION = f"{harness.REGION}a"
OFFICIAL_FAMILY = "Debian-12"
STOP_SECONDS = 30


@dataclass(frozen=True)
class ServedRegion:
    """A region that a process serves, with an official image in it."""

    home: Path
    server: Server
    official_image_id: str

    @property
    def listen(self) -> str:
        return self.server.netloc

    @property
    def url(self) -> str:
        return f"{self.server.url}/api/v1"

    def account(self, name: str) -> "Caller":
        """A new account."""
        return Caller(self.server, harness.create_account(self.home, name))


@dataclass(frozen=True)
class Caller:
    """An account that calls."""

    server: Server
    credentials: Credentials

    @property
    def account_id(self) -> str:
        return self.credentials.account_id

    def attempt(self, action: str, body: bytes, form: ClientForm = OSC_SDK_PYTHON) -> Answer:
        """A signed call, with any answer."""
        key = {"key_id": self.credentials.access_key_id, "secret": self.credentials.secret_key}
        return self.server.call(action, body, form, **key)


@contextmanager
def served(folder: Path, *, buckets: bool = False) -> Iterator[ServedRegion]:
    """Serve a new region in the folder until the context ends; with buckets, it imports from its own."""
    home, server = folder / "home", Server(free_port())
    oos = f"127.0.0.1:{free_port()}" if buckets else ""
    imports = ("--allow-import", oos) if buckets else ()
    options = ("--compute", "simulated", "--oos-listen", oos, *imports, "--log-level", "warning")
    process = harness.serve(home, server.netloc, folder / "serve.log", *options)
    try:
        yield ServedRegion(home, server, _publish(home, folder / "disk.raw"))
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def free_port() -> int:
    """A loopback port without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _publish(home: Path, disk: Path) -> str:
    """An official image of an empty disk: pretended guests boot from anything."""
    with disk.open("wb") as file:
        file.truncate(2**20)
    named = ("--name", OFFICIAL_FAMILY, "--format", "raw", "--no-verify")
    image_id: str = harness.souche("image", "publish", disk, *named, "--home", home)["ImageId"]
    return image_id


def until(call: Any, resource: str, key: str, resource_id: str, state: str) -> dict[str, Any]:
    """Read a resource by `call(action, Filters=...)` until it is in a state; it must exist."""

    def look() -> dict[str, Any] | None:
        answer = call(f"Read{resource}", Filters={f"{key}s": [resource_id]})
        (found,) = answer[resource]
        return found if found["State"] == state else None

    return eventually(look)


def program(name: str) -> Path:
    """A program of the development environment."""
    path = harness.ROOT / ".venv/bin" / name
    assert path.exists(), f"{path} is missing: run `make setup`"
    return path


def run_program(*argv: str | Path, home: Path, timeout_seconds: float = 60, **environment: str) -> bytes:
    """What a program prints, with an empty home of its own."""
    return run(argv, timeout_seconds=timeout_seconds, extra_environment={"HOME": str(home), **environment})
