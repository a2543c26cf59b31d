"""A web server with disks to import, in a separate process that ends with this one."""

import ctypes
import gzip
import hashlib
import os
import signal
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from tools.faults.disks import BLOCK_BYTES

MIB: Final = 1024 * 1024
DISKS: Final = 4
PR_SET_PDEATHSIG: Final = 1


def raw(number: int) -> bytes:
    """The disk of this number: 1 MiB, with two unique blocks."""
    block = bytes([number + 1]) * BLOCK_BYTES
    return (block + bytes(BLOCK_BYTES) + block).ljust(MIB, b"\0")


def content(number: int) -> dict[int, bytes]:
    """The disk's content."""
    block = hashlib.sha256(bytes([number + 1]) * BLOCK_BYTES).digest()
    return {0: block, 2 * BLOCK_BYTES: block}


@dataclass(frozen=True)
class Imports:
    """The addresses of the disks."""

    port: int

    def url(self, number: int) -> str:
        return f"http://127.0.0.1:{self.port}/disk-{number}.raw.gz"


def serve() -> Imports:
    """Serve the disks from now on."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        try:
            server.serve_forever()
        finally:
            os._exit(0)
    port = server.server_port
    server.server_close()
    return Imports(port)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        number = int(self.path.removeprefix("/disk-").partition(".")[0])
        data = gzip.compress(raw(number), 1, mtime=0)
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""
