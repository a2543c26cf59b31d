"""`souche image publish` from files and URLs that something vouches for (docs/official-images.md)."""

import gzip
import hashlib
import lzma
from pathlib import Path

import pytest

from tests.cli.conftest import Souche
from tests.support.bucket import bucket
from tests.support.signed_sums import DISK, DISK_SHA256, KEY, OTHER_KEY, SIGNATURE, SIGNED_CHECKSUM, SUMS

NAME = ("--name", "Image")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in (("disk.raw", DISK), ("SHA256SUMS", SUMS.encode()), ("SHA256SUMS.gpg", SIGNATURE)):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "CHECKSUM").write_text(SIGNED_CHECKSUM)
    (tmp_path / "key.asc").write_text(KEY)
    (tmp_path / "other.asc").write_text(OTHER_KEY)
    return tmp_path


def publishes(souche: Souche, source: object, *options: object) -> None:
    (made,) = souche("image", "publish", source, *NAME, *options)
    assert made["ImageName"].startswith("Image-20")
    assert list((souche.home / "staging").iterdir()) == []


def refusal(souche: Souche, source: object, *options: object) -> str:
    said = souche.refusal("image", "publish", source, *NAME, *options)
    assert souche("image", "list") == []
    assert not (souche.home / "staging").exists() or list((souche.home / "staging").iterdir()) == []
    return said


def served(name: str, data: bytes) -> str:
    return bucket().put(name, data)


def test_a_file_is_published_when_its_sha_256_is_right(souche: Souche, folder: Path) -> None:
    assert f"its SHA256 is {DISK_SHA256} instead of" in refusal(
        souche, folder / "disk.raw", "--sha256", "0" * 64
    )
    publishes(souche, folder / "disk.raw", "--sha256", DISK_SHA256.upper())
    assert (folder / "disk.raw").read_bytes() == DISK


def test_a_file_is_published_when_a_signed_list_has_it(souche: Souche, folder: Path) -> None:
    for sums in ("SHA256SUMS", "CHECKSUM"):
        publishes(souche, folder / "disk.raw", "--sums", folder / sums, "--key", folder / "key.asc")


def test_what_a_list_does_not_vouch_for_is_refused(souche: Souche, folder: Path) -> None:
    disk, key = folder / "disk.raw", ("--key", folder / "key.asc")
    signed = ("--sums", folder / "SHA256SUMS")
    assert "not signed by that key" in refusal(souche, disk, *signed, "--key", folder / "other.asc")
    (folder / "none.raw").write_bytes(DISK)
    assert "no 'none.raw'. It has: disk.raw" in refusal(souche, folder / "none.raw", *signed, *key)
    disk.write_bytes(DISK + bytes(512))
    assert "its SHA256 is" in refusal(souche, disk, *signed, *key)
    (folder / "SHA256SUMS.gpg").unlink()
    assert "There is no signature beside" in refusal(souche, disk, *signed, *key)
    assert "no regular file" in refusal(souche, disk, *signed, *key, "--signature", folder / "missing")


def test_options_that_do_not_go_together_are_refused(souche: Souche, folder: Path) -> None:
    disk = folder / "disk.raw"
    assert "64 hex digits" in refusal(souche, disk, "--sha256", "12")
    assert "--sums needs --key" in refusal(souche, disk, "--sums", folder / "SHA256SUMS")
    assert "--sums needs --key" in refusal(souche, disk, "--key", folder / "key.asc")
    assert "it needs --sums" in refusal(souche, disk, "--signature", folder / "SHA256SUMS.gpg")


def test_a_url_is_published_when_something_vouches_for_it(souche: Souche, folder: Path) -> None:
    url = served("disk.raw", DISK)
    assert "needs a checksum" in refusal(souche, url)
    publishes(souche, url, "--sha256", DISK_SHA256)
    publishes(souche, url, "--sums", folder / "SHA256SUMS", "--key", folder / "key.asc")
    publishes(
        souche, url, "--sums", served("CHECKSUM", SIGNED_CHECKSUM.encode()), "--key", folder / "key.asc"
    )
    sums, signature = served("SHA256SUMS", SUMS.encode()), served("SHA256SUMS.gpg", SIGNATURE)
    publishes(souche, url, "--sums", sums, "--signature", signature, "--key", folder / "key.asc")


def test_a_url_that_does_not_give_the_file_is_refused(souche: Souche) -> None:
    sha256 = ("--sha256", DISK_SHA256)
    assert "its SHA256 is" in refusal(souche, served("disk.raw", DISK + DISK), *sha256)
    assert "failed" in refusal(souche, bucket().put("disk.raw", DISK, announced=4096), *sha256)
    assert "404" in refusal(souche, f"http://127.0.0.1:{bucket().port}/none.raw", *sha256)
    assert "souche: " in refusal(souche, "http://127.0.0.1:1/disk.raw", *sha256)


@pytest.mark.parametrize("end", ["gz", "xz"])
def test_gzip_and_xz_are_taken_off(souche: Souche, tmp_path: Path, end: str) -> None:
    packed = gzip.compress(DISK) if end == "gz" else lzma.compress(DISK)
    publishes(souche, served(f"disk.raw.{end}", packed), "--sha256", hashlib.sha256(packed).hexdigest())
    (tmp_path / f"disk.raw.{end}").write_bytes(packed)
    publishes(souche, tmp_path / f"disk.raw.{end}")
    (tmp_path / f"disk.raw.{end}").write_bytes(packed[:-4])
    assert "stream" in souche.refusal("image", "publish", tmp_path / f"disk.raw.{end}", *NAME)


@pytest.mark.parametrize("end", ["gz", "xz"])
def test_a_packed_bomb_is_refused(souche: Souche, tmp_path: Path, end: str) -> None:
    """300 MiB that are no zeros, of 300 KiB."""
    data = b"A" * (300 * 1024 * 1024)
    file = tmp_path / f"disk.raw.{end}"
    file.write_bytes(gzip.compress(data, 9) if end == "gz" else lzma.compress(data, preset=0))
    assert "expands to" in refusal(souche, file)
