"""Serves one image file over NBD while a context lives."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from souche import run
from souche.errors import ProgramFailed, StorageFailed
from souche.model.disks import DiskFormat

CLIENTS: Final = 8
START_SECONDS: Final = 10.0
END_SECONDS: Final = 60.0
"""time for a server to save its metadata after writes"""
READ_ONLY: Final = ("--read-only",)
WRITABLE: Final = ("--discard=unmap", "--detect-zeroes=unmap")
SOCKET: Final = "nbd"
GREETING: Final = b"NBDMAGIC"
"""A server's first bytes (the NBD protocol, "Newstyle negotiation")."""
POLL_SECONDS: Final = 0.002
BUFFERS: Final = {"MALLOC_MMAP_THRESHOLD_": str(64 * 1024**2), "MALLOC_TRIM_THRESHOLD_": str(64 * 1024**2)}
"""Makes the C library reuse a request's buffer for the next one (mallopt(3)). Mapping one for each request would be
half of the server's work."""


def server_argv(
    image: Path, image_format: DiskFormat, directory: Path, options: Sequence[str] = READ_ONLY
) -> list[str]:
    """A server that outlives its clients but not its parent: with `setpriv`, the kernel ends it with this process.

    By KILL, because qemu-nbd 7.2 loses a TERM that arrives before its main loop runs. A read-only server has nothing to
    save, and a writable one has saved all data that its clients flushed. It binds its socket by a short name, because
    the kernel accepts at most 107 characters (unix(7))."""
    return [
        *("setpriv", "--pdeathsig", "KILL", "--", "env", f"--chdir={directory}"),
        *("qemu-nbd", *options, "--persistent", f"--shared={CLIENTS}", f"--format={image_format}"),
        *(f"--socket=/proc/self/cwd/{SOCKET}", str(image.absolute())),
    ]


def uri(path: Path) -> str:
    """The server's URI for clients (the NBD URI specification, `nbd+unix`)."""
    return f"nbd+unix:///?socket={quote(str(path))}"


@contextmanager
def serve(image: Path, image_format: DiskFormat, directory: Path, *, writable: bool = False) -> Iterator[str]:
    """Serve an image on a socket in `directory`, which nobody else uses; yields the URI. An image served `writable` is
    closed, and contains all writes, when the context ends.

    The thread that enters the context must outlive it: the kernel ends the server when that thread ends.

    Raises:
        StorageFailed: the server did not start; carries its message.
    """
    log_file = directory / "log"
    with _short(directory) as place:
        argv = server_argv(image, image_format, directory, WRITABLE if writable else READ_ONLY)
        server = run.start(argv, log_file=log_file, extra_environment=BUFFERS)
        try:
            _wait_for(place / SOCKET, server, log_file)
            yield uri(place / SOCKET)
            if writable:
                _close(server)
        finally:
            server.kill()
            server.wait()


def _close(server: subprocess.Popen[bytes]) -> None:
    """End a server that was written to.

    Raises:
        StorageFailed: it did not save everything.
    """
    server.send_signal(signal.SIGTERM)
    try:
        status = server.wait(END_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise StorageFailed(reason="the NBD server did not end") from error
    if status != 0:
        raise StorageFailed(reason=f"the NBD server ended with status {status}")


@contextmanager
def _short(directory: Path) -> Iterator[Path]:
    """A short path to a directory of any depth. It works for processes of the same user, until the context ends
    (proc(5), `/proc/PID/fd`)."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _wait_for(path: Path, server: subprocess.Popen[bytes], log_file: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _greets(path):
        if server.poll() is not None or time.monotonic() > deadline:
            said = log_file.read_text(errors="replace").strip()[-2000:]
            failed = ProgramFailed(program="qemu-nbd", status=server.returncode, stderr=said)
            raise StorageFailed(reason=f"the NBD server did not start: {said}") from failed
        time.sleep(POLL_SECONDS)


def _greets(path: Path) -> bool:
    """Whether the server answers: it listens before it has opened the image, and opening may fail."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(START_SECONDS)
        try:
            client.connect(str(path))
            return client.recv(len(GREETING)) == GREETING
        except OSError:
            return False
