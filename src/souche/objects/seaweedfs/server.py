"""The embedded OOS: SeaweedFS as a child process, with its data under the region's home.

Its internal traffic stays on loopback and requires the region's certificate or a token. Only S3 listens on the
operator's address. `accounts` manages the permissions.
"""

import os
import select
import subprocess
import threading
import time
import zlib
from dataclasses import dataclass, replace
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

import structlog

from souche import run
from souche.clock import Clock
from souche.errors import SoucheError
from souche.objects.base import ObjectsFailed
from souche.objects.rotation import rotate
from souche.objects.seaweedfs import argv
from souche.objects.seaweedfs.accounts import Accounts
from souche.objects.seaweedfs.filer import Filer
from souche.objects.seaweedfs.ports import kept_ports
from souche.objects.seaweedfs.tls import environment, make_certificate, signing

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 1.0
"""SeaweedFS takes 10 s and more to stop gracefully. The kernel already has the bytes of every answered write."""
POLL_SECONDS: Final = 0.05
ROTATION_SECONDS: Final = 60.0
FIRST_RESTART_SECONDS: Final = 0.5
LONGEST_RESTART_SECONDS: Final = 30.0
WELL_SECONDS: Final = 60.0
"""A server that has run for this long was healthy: when it ends, it is restarted at once."""
MEMORY_LIMIT: Final = "512MiB"

log = structlog.get_logger()


@dataclass(frozen=True)
class Settings:
    """`home` is HOME/oos; `program` the file `weed`; S3 listens at `host`:`port` (0: a port that is chosen once and
    kept). It takes nothing in where less than `min_free_bytes` are free."""

    home: Path
    program: Path
    host: str = argv.LOOPBACK
    port: int = 0
    memory_limit: str = MEMORY_LIMIT
    min_free_bytes: int = 0


class SeaweedFs:
    """One server, restarted as needed from `start` to `stop`."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        for folder in (settings.home, settings.home / "data"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)  # contains the accounts' secret keys: docs/security.md
        self._tls = settings.home / "tls"
        make_certificate(self._tls, clock.now())
        self._ports = kept_ports(
            settings.home / "ports.json", settings.port or zlib.crc32(bytes(settings.home))
        )
        self._settings = replace(settings, port=settings.port or self._ports.s3)
        self._signing = signing()
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._keeper: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        return f"http://{self._settings.host}:{self._settings.port}"

    @property
    def address(self) -> tuple[str, int]:
        """Where S3 listens."""
        return self._settings.host, self._settings.port

    @cached_property
    def filer(self) -> Filer:
        """A client of its filer, which need not be running."""
        return Filer(f"{argv.LOOPBACK}:{self._ports.filer_grpc}", self._tls)

    @property
    def log_file(self) -> Path:
        return self._settings.home / "log"

    def start(self) -> None:
        """Start the server, and restart it whenever it ends, until `stop`. Returns when S3 answers.

        Raises:
            ObjectsFailed: it does not start; carries its output.
        """
        self._stopping.clear()
        self._server = None  # an earlier server has ended: its state is not this one's
        keeper = threading.Thread(target=self._keep, name="oos", daemon=True)
        keeper.start()
        self._keeper = keeper  # only now: `stop`, called by another thread meanwhile, joins it
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until S3 answers.

        Raises:
            ObjectsFailed: it does not within 30 seconds, or the server ended.
        """
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            ended = self._server is not None and self._server.poll() is not None
            if time.monotonic() > deadline or ended:
                self.stop()
                raise ObjectsFailed(reason=f"the embedded server did not start: {self._last_words()}")
            time.sleep(POLL_SECONDS)

    def is_ready(self) -> bool:
        """Whether S3 answers now, and the volume server is up."""
        loopback = argv.LOOPBACK
        topology = _answer(f"http://{loopback}:{self._ports.master}/") or b""
        return (
            _answer(self.endpoint) is not None and f">{loopback}:{self._ports.volume}<".encode() in topology
        )

    def stop(self) -> None:
        """Stop the server, even while it starts."""
        with self._starting:
            self._stopping.set()
            server = self._server
        if server is not None:
            _end(server)
        if self._keeper is not None:
            self._keeper.join()

    @property
    def accounts(self) -> Accounts:
        """The identities of this server."""
        settings = self._settings
        return Accounts(
            argv.shell(settings.program, self._ports), self._environment(), self.endpoint, self.filer
        )

    def _keep(self) -> None:
        """The thread that the server depends on. It restarts a server that has ended: after 0.5 s, then after twice the
        former pause, up to 30 s."""
        pause = FIRST_RESTART_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            ended = self._live()
            if time.monotonic() - began >= WELL_SECONDS:
                pause = FIRST_RESTART_SECONDS
            if not self._stopping.is_set():
                log.warning("object store ended, starting it again", reason=ended, in_seconds=pause)
                self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_RESTART_SECONDS)

    def _live(self) -> str:
        """Run the server once. Returns how it ended, or why it did not start."""
        try:
            with self._starting:
                if self._stopping.is_set():
                    return "stopped"
                self._server = self._begin()
        except (SoucheError, OSError) as error:
            return str(error)
        return f"status {self._wait(self._server)}"

    def _begin(self) -> subprocess.Popen[bytes]:
        settings = self._settings
        return run.start(
            argv.server(
                settings.program,
                settings.home / "data",
                self._ports,
                settings.host,
                settings.port,
                settings.min_free_bytes,
            ),
            log_file=self.log_file,
            extra_environment=self._environment(),
            umask=0o077,
        )

    def _wait(self, server: subprocess.Popen[bytes]) -> int:
        """Wait for the server's end, and limit the size of its log."""
        descriptor = os.pidfd_open(server.pid)
        try:
            ended = select.poll()
            ended.register(descriptor, select.POLLIN)
            while True:
                self._rotate_log()
                if ended.poll(ROTATION_SECONDS * 1000):
                    return server.wait()
        finally:
            os.close(descriptor)

    def _rotate_log(self) -> None:
        try:
            rotate(self.log_file)
        except OSError as error:
            log.warning("the object store's log was not rotated", reason=str(error))

    def _environment(self) -> dict[str, str]:
        tls = environment(self._tls)
        return {**tls, **self._signing, **argv.GROWTH, "GOMEMLIMIT": self._settings.memory_limit}

    def _last_words(self) -> str:
        try:
            return self.log_file.read_text(errors="replace").strip()[-1000:]
        except FileNotFoundError:
            return "it printed nothing"


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()


def _answer(url: str) -> bytes | None:
    """The server's answer, of any kind; None if there is none."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=1) as response:
            body: bytes = response.read()
    except HTTPError as error:
        error.close()
        return b""
    except (URLError, OSError, HTTPException):
        return None
    return body
