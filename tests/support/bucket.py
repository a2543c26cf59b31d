"""A plain HTTP server on this machine, like anyone's: objects with headers, each at its own path."""

import hashlib
import threading
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from souche.objects.addresses import AllowList

THIS_MACHINE: Final = AllowList(frozenset(("127.0.0.1", port) for port in range(1024, 65_536)))
PIECE_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Stored:
    """An object. `announced` is the length in the server's header; None: no length. The server pauses for
    `pause_seconds` before each 64 KiB."""

    data: bytes
    headers: dict[str, str]
    announced: int | None
    status: int = 200
    pause_seconds: float = 0


@dataclass(frozen=True)
class Bucket:
    """Objects by path."""

    port: int
    objects: dict[str, Stored] = field(default_factory=dict)

    def put(
        self,
        name: str,
        data: bytes,
        *,
        headers: dict[str, str] | None = None,
        announced: int | None = -1,
        status: int = 200,
        query: str = "",
        pause_seconds: float = 0,
    ) -> str:
        """Store an object. Returns its URL, which is the same for equal objects."""
        digest = hashlib.sha256(data + repr((headers, announced, status)).encode()).hexdigest()[:16]
        path = f"/{digest}/{name}"
        length = len(data) if announced == -1 else announced
        self.objects[path] = Stored(data, headers or {}, length, status, pause_seconds)
        return f"http://127.0.0.1:{self.port}{path}{query}"


@cache
def bucket() -> Bucket:
    """This process's bucket, which ends with the process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return Bucket(server.server_port)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        stored = bucket().objects.get(self.path.partition("?")[0], Stored(b"", {}, 0, status=404))
        self.send_response(stored.status)
        for name, value in stored.headers.items():
            self.send_header(name, value)
        if stored.announced is not None:
            self.send_header("Content-Length", str(stored.announced))
        self.end_headers()
        try:
            for start in range(0, len(stored.data), PIECE_BYTES):
                threading.Event().wait(stored.pause_seconds)
                self.wfile.write(stored.data[start : start + PIECE_BYTES])
        except ConnectionError:
            return

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""
