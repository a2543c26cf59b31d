"""Bounded xz decompression: distributions pack raw disks in xz."""

import lzma
from collections.abc import Iterable, Iterator
from typing import Final

from souche.errors import Invalid

MAGIC: Final = b"\xfd7zXZ\x00"
MEMORY_BYTES: Final = 256 * 1024 * 1024
"""of the decompressor: `xz -9` needs 65 MiB"""
PIECE_BYTES: Final = 1024 * 1024
PADDING: Final = b"\0"
"""between streams"""


class BadXz(Invalid):
    """The xz stream is not valid: {reason}"""


def decompress(stream: Iterable[bytes], *, most_bytes: int) -> Iterator[bytes]:
    """The contents of one or more concatenated xz streams, in pieces of at most a MiB.

    Raises:
        BadXz: it is damaged, cut short, needs too much memory, or holds more than `most_bytes`.
    """
    left, decoder = most_bytes, _decoder()
    for chunk in stream:
        data = chunk
        while data or not (decoder.needs_input or decoder.eof):
            if decoder.eof:
                decoder, data = _decoder(), data.lstrip(PADDING)
            piece = _piece(decoder, data)
            data = decoder.unused_data if decoder.eof else b""
            left -= len(piece)
            if left < 0:
                raise BadXz(reason=f"it expands to more than {most_bytes} bytes.")
            if piece:
                yield piece
    if not decoder.eof:
        raise BadXz(reason="it is incomplete.")


def _decoder() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY_BYTES)


def _piece(decoder: lzma.LZMADecompressor, data: bytes) -> bytes:
    try:
        return decoder.decompress(data, PIECE_BYTES)
    except lzma.LZMAError as error:
        raise BadXz(reason=str(error)) from error
