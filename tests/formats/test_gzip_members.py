"""Streams that gunzip reads, and streams that end badly."""

import gzip
import hashlib
import random
import subprocess
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from souche import run
from souche.formats.gzip_members import (
    MEMBER_BYTES,
    PADDING_LEAST,
    TASTE_BYTES,
    BadGzip,
    GzipCutShort,
    GzipTooLarge,
    GzipTrailer,
    _compress,
    _Member,
    compress,
    decompress,
    padding,
)

MIB = 1024 * 1024
NOISE = random.Random(1).randbytes(3 * MIB)
MEMBERS, THREADS = 4096, 8
PLAIN = b"".join((NOISE, bytes(5 * MIB), b"text " * 100_000))


def blocks(data: bytes, block_bytes: int) -> Iterator[bytes]:
    for start in range(0, len(data), block_bytes):
        yield data[start : start + block_bytes]


def unpacked(stream: Iterable[bytes], most_bytes: int = 100 * MIB) -> bytes:
    return b"".join(decompress(stream, most_bytes=most_bytes))


def test_gunzip_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "stream.gz"
    file.write_bytes(b"".join(compress(blocks(PLAIN, 100_000))))
    assert run.run(["gunzip", "-c", file], timeout_seconds=60) == PLAIN


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2 * MEMBER_BYTES + 1), max_size=6), st.integers(1, 4))
def test_order_is_kept_whatever_the_pieces(sizes: list[int], threads: int) -> None:
    pieces = [random.Random(size).randbytes(min(size, 1000)) + bytes(max(0, size - 1000)) for size in sizes]
    packed = b"".join(compress(iter(pieces), threads=threads))
    assert gzip.decompress(packed) == b"".join(pieces)


def test_memory_is_bounded() -> None:
    """No more pieces are taken from the stream than threads can hold."""
    taken = 0

    def stream() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield NOISE[:MEMBER_BYTES]

    members = compress(stream(), threads=2)
    next(members)
    assert taken <= 5
    members.close()  # type: ignore[attr-defined]


def test_a_broken_source_breaks_the_stream() -> None:
    def stream() -> Iterator[bytes]:
        yield NOISE
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(compress(stream()))


@pytest.mark.parametrize("block_bytes", [1, 1000, 10 * MIB])
def test_others_streams_are_read(block_bytes: int) -> None:
    data = PLAIN[MIB * 3 - 2000 : MIB * 3 + 2000]
    packed = gzip.compress(data) + gzip.compress(b"") + gzip.compress(data)
    assert unpacked(blocks(packed, block_bytes)) == data * 2


def test_pieces_are_bounded() -> None:
    assert (
        max(len(piece) for piece in decompress([gzip.compress(bytes(50 * MIB))], most_bytes=50 * MIB)) <= MIB
    )


def test_a_bomb_is_left_alone_after_the_limit() -> None:
    bomb = gzip.compress(bytes(100 * MIB))
    assert len(bomb) < MIB
    out: list[int] = []
    with pytest.raises(GzipTooLarge):
        out.extend(len(piece) for piece in decompress([bomb], most_bytes=10 * MIB))
    assert sum(out) <= 10 * MIB


@pytest.mark.parametrize("length", [0, 19, 20, 21, 22, 23, 24, 25, 1000, 3 * MIB])
def test_padding_changes_nothing(length: int, tmp_path: Path) -> None:
    added = b"".join(padding(length))
    assert len(added) == max(length, PADDING_LEAST)
    packed = gzip.compress(b"content") + added + added
    assert unpacked([packed]) == gzip.decompress(packed) == b"content"
    file = tmp_path / "padded.gz"
    file.write_bytes(packed)
    assert run.run(["gunzip", "--stdout", file], timeout_seconds=60) == b"content"


def test_members_of_any_length_follow_one_another() -> None:
    contents = [b"", PLAIN, b"", b"x", NOISE[:TASTE_BYTES], b"", NOISE, b"", b""]
    packed = b"".join(map(gzip.compress, contents))
    assert unpacked([packed]) == b"".join(contents)
    assert unpacked(blocks(packed, 7)) == b"".join(contents)


def test_what_follows_a_short_member_is_not_copied_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[int] = []
    feed = _Member.feed

    def counting(member: _Member, data: memoryview) -> Iterator[bytes]:
        fed.append(len(data))
        return feed(member, data)

    monkeypatch.setattr(_Member, "feed", counting)
    assert unpacked([gzip.compress(b"") * 1000]) == b""
    assert len(fed) == 1000
    assert max(fed) == TASTE_BYTES


@pytest.mark.parametrize("missing", [1, 8, 9, 1000])
def test_cut_short(missing: int) -> None:
    with pytest.raises(GzipCutShort):
        unpacked([gzip.compress(NOISE)[:-missing]])


def test_nothing_at_all_is_cut_short() -> None:
    with pytest.raises(GzipCutShort):
        unpacked([])


@pytest.mark.parametrize("trailer", [b"x", b"trailing garbage", b"\0" * 512, b"\x1f\x8c"])
def test_something_else_follows(trailer: bytes) -> None:
    with pytest.raises(GzipTrailer):
        unpacked([gzip.compress(NOISE) + trailer])


@pytest.mark.parametrize("data", [b"QFI\xfb", b"\x1f\x8b\x07" + bytes(30), zlib.compress(NOISE), b"\x1f\x00"])
def test_no_gzip(data: bytes) -> None:
    with pytest.raises(BadGzip):
        unpacked([data])


def test_damaged() -> None:
    packed = bytearray(gzip.compress(PLAIN))
    packed[-6] ^= 1
    with pytest.raises(BadGzip):
        unpacked([bytes(packed)])


@given(st.binary(max_size=300))
def test_noise_after_the_magic_ends_in_our_errors(data: bytes) -> None:
    try:
        unpacked([b"\x1f\x8b\x08\x00" + data])
    except BadGzip:
        return


def test_programs_agree_that_it_is_gzip(tmp_path: Path) -> None:
    file = tmp_path / "stream.gz"
    file.write_bytes(b"".join(compress([PLAIN])))
    assert subprocess.run(["gzip", "-t", str(file)], check=False).returncode == 0


def test_the_same_content_gives_the_same_bytes() -> None:
    """On any thread: by chance ISA-L alone compresses one member in thousands otherwise than the time before. In each
    of these the bytes from position 2 on come back, so that each shows it for another slot of the hash table."""

    def stream() -> Iterator[bytes]:
        for seed in range(MEMBERS):
            noise = random.Random(seed)
            word = noise.randbytes(12).hex().encode()
            yield b"".join((b"xy", word, noise.randbytes(300).hex().encode(), word))

    def packed() -> str:
        return hashlib.sha256(b"".join(_compress(content) for content in contents)).hexdigest()

    contents = list(stream())
    with ThreadPoolExecutor(THREADS) as pool:
        assert len(set(pool.map(lambda _: packed(), range(THREADS)))) == 1
