"""The body of a request that is generated while it is sent."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from souche.formats.extents import Bytes

MD5: Final = re.compile(r'"?([0-9a-f]{32})"?')


class StreamedBody:
    """A stream that botocore sends by calling `read`, once and in order. Keeps only the last piece."""

    def __init__(self, stream: Iterable[Bytes]) -> None:
        self._stream = iter(stream)
        self._rest = memoryview(b"")
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._error: Exception | None = None

    def read(self, most_bytes: int) -> bytes:
        """The next bytes, as many as are ready; empty at the end."""
        while not self._rest:
            piece = self._next()
            if piece is None:
                return b""
            self._md5.update(piece)
            self._rest = memoryview(piece)
        taken = bytes(self._rest[:most_bytes])
        self._rest = self._rest[most_bytes:]
        return taken

    def arrived_as(self, tag: str) -> bool:
        """Whether the store's ETag matches the sent data. An ETag that is not an MD5 proves nothing (S3, "Object":
        objects encrypted with KMS)."""
        told = MD5.fullmatch(tag)
        return told is None or told[1] == self._md5.hexdigest()

    @contextmanager
    def own_errors(self) -> Iterator[None]:
        """Raises the stream's own errors instead of botocore's."""
        try:
            yield
        except Exception as error:
            if self._error is not None:
                raise self._error from error
            raise

    def _next(self) -> Bytes | None:
        try:
            return next(self._stream, None)
        except Exception as error:
            self._error = error
            raise
