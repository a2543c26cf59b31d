"""Headers by QEMU, headers written here, and random headers."""

import contextlib
import io
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from souche import run
from souche.formats.qcow2 import IncompatibleFeature, parse_header, read_header


def image(directory: Path, *options: str) -> bytes:
    """The first bytes of an image of 10 MiB, as qemu-img makes it."""
    path = directory / "image.qcow2"
    run.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, path, "10M"], timeout_seconds=60)
    return path.read_bytes()


def by_hand(
    *,
    version: int = 3,
    cluster_bits: int = 16,
    name: tuple[int, int] = (0, 0),
    features: int = 0,
    header_bytes: int = 104,
    tail: bytes = bytes(8),
) -> bytes:
    """A header of docs/interop/qcow2, field by field. `name`: offset and length of the backing file name."""
    old = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", version, *name, cluster_bits, 1 << 20, 0, 1, 3 << 16, 1 << 16, 1, 0, 0
    )
    return old + (struct.pack(">QQQII", features, 0, 0, 4, header_bytes) if version == 3 else b"") + tail


def test_plain_image(tmp_path: Path) -> None:
    header = parse_header(image(tmp_path))
    assert header.version == 3
    assert header.virtual_size_bytes == 10 * 1024 * 1024
    assert header.cluster_bytes == 65536
    assert header.backing_file is header.backing_format is None
    assert header.incompatible_features == 0
    assert (header.internal_snapshots, header.encrypted) == (0, False)
    assert header.l1_entries == 1


def test_version_2(tmp_path: Path) -> None:
    header = parse_header(image(tmp_path, "-o", "compat=0.10"))
    assert (header.version, header.incompatible_features) == (2, 0)


def test_backing_file(tmp_path: Path) -> None:
    header = parse_header(image(tmp_path, "-u", "-b", "base é.qcow2", "-F", "qcow2"))
    assert (header.backing_file, header.backing_format) == ("base é.qcow2", "qcow2")


def test_external_data_file_and_extended_l2(tmp_path: Path) -> None:
    header = parse_header(image(tmp_path, "-o", f"data_file={tmp_path / 'data'},extended_l2=on"))
    assert header.incompatible_features == (
        IncompatibleFeature.EXTERNAL_DATA_FILE | IncompatibleFeature.EXTENDED_L2
    )


def test_compression_type(tmp_path: Path) -> None:
    header = parse_header(image(tmp_path, "-o", "compression_type=zstd"))
    assert header.incompatible_features == IncompatibleFeature.COMPRESSION_TYPE


def test_unknown_features_are_kept() -> None:
    assert parse_header(by_hand(features=1 << 60)).incompatible_features == 1 << 60


def test_reads_from_the_start_of_a_stream() -> None:
    stream = io.BytesIO(by_hand())
    stream.seek(50)
    assert read_header(stream).virtual_size_bytes == 1 << 20


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a qcow2"),
        (b"QFI\xfb", "not a qcow2"),
        (bytes(512), "not a qcow2"),
        (by_hand(version=4), "version 4"),
        (by_hand(cluster_bits=8), "cluster bits 8"),
        (by_hand(cluster_bits=22), "cluster bits 22"),
        (by_hand(header_bytes=72), "header length 72"),
        (by_hand(header_bytes=105), "header length 105"),
        (by_hand(tail=b"")[:80], "cut short"),
        (by_hand(name=(100, 1024)), "out of bounds"),
        (by_hand(name=(1 << 40, 10)), "out of bounds"),
        (by_hand(name=(112, 2), tail=bytes(8) + b"\xff\xff"), "not UTF-8"),
        (by_hand(tail=struct.pack(">II", 0xE2792ACA, 2) + b"\xff\xff"), "not UTF-8"),
        (by_hand(tail=struct.pack(">II", 1, 1 << 31)), "no end"),
        (by_hand(tail=b""), "no end"),
    ],
)
def test_malformed_header_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_header(data)


@given(st.data())
def test_noise_is_refused_or_read(data: st.DataObject) -> None:
    changed = bytearray(by_hand(name=(112, 4), tail=bytes(8) + b"base"))
    for position in data.draw(st.sets(st.integers(4, len(changed) - 1), max_size=6)):
        changed[position] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        parse_header(bytes(changed))
