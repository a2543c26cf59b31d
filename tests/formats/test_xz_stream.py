"""xz is decompressed within bounds."""

import lzma
import os
from collections.abc import Iterable

import pytest

from souche.formats.xz_stream import PIECE_BYTES, BadXz, decompress

DATA = os.urandom(3 * PIECE_BYTES) + bytes(2 * PIECE_BYTES)
PACKED = lzma.compress(DATA)


def pieces(data: bytes, size: int) -> Iterable[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("size", [1000, PIECE_BYTES, 1 << 30])
def test_streams_one_after_the_other_are_joined(size: int) -> None:
    both = PACKED + bytes(8) + lzma.compress(b"more") + lzma.compress(b"")
    found = list(decompress(pieces(both, size), most_bytes=1 << 30))
    assert b"".join(found) == DATA + b"more"
    assert max(map(len, found)) <= PIECE_BYTES


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (PACKED[:-1], "is incomplete"),
        (PACKED[: len(PACKED) // 2], "is incomplete"),
        (b"", "is incomplete"),
        (PACKED + b"nonsense", "not valid"),
        (PACKED[:1000] + b"x" * 100 + PACKED[1100:], "not valid"),
        (b"no xz at all", "not valid"),
    ],
)
def test_what_is_damaged_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(BadXz, match=said):
        list(decompress([data], most_bytes=1 << 30))


def test_a_bomb_goes_off_harmlessly() -> None:
    bomb = lzma.compress(bytes(256 * PIECE_BYTES))
    found = decompress([bomb], most_bytes=PIECE_BYTES)
    assert len(next(found)) <= PIECE_BYTES
    with pytest.raises(BadXz, match="more than"):
        list(found)
