"""Disks from a real bucket, by URLs signed in either way; and what a stream is made of."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import boto3
import pytest
from botocore.client import Config

from souche import run
from souche.errors import StorageFailed
from souche.model.disk_imports import Checksums, DiskImport, SaidOfDisk
from souche.model.disks import DiskFormat
from souche.objects.addresses import AllowList
from souche.objects.fetch import Fetcher
from souche.objects.seaweedfs.server import SeaweedFs
from souche.objects.urls import parse_url
from souche.transfer.ahead import ahead
from souche.transfer.disk_check import check_argv, is_whole
from souche.transfer.export_disk import ExportedDisk, export_disk
from souche.transfer.import_disk import ObjectChanged, import_disk
from souche.transfer.multipart import BucketSink
from souche.transfer.sparse_file import SparseFile
from tests.objects.server import OPERATOR, store
from tests.transfer.disks import SIZE, qcow2_disk, served

BUCKET = "imports"
FORMATS: tuple[DiskFormat, ...] = ("qcow2", "raw")
QCOW2, RAW = (SaidOfDisk(each, gzip=True) for each in FORMATS)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return qcow2_disk(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def exported(oos: SeaweedFs, source: Path) -> dict[DiskFormat, ExportedDisk]:
    """The disk in a bucket, in each format."""
    bucket = store(oos, *OPERATOR)
    bucket.ensure_bucket(BUCKET)
    made: dict[DiskFormat, ExportedDisk] = {}
    for disk_format in FORMATS:
        with served(source) as uri:
            sink = BucketSink(bucket, BUCKET, f"disk.{disk_format}.gz")
            made[disk_format] = export_disk(uri, disk_format, sink, progress=lambda _done, _total: None)
    return made


def fetcher(oos: SeaweedFs) -> Fetcher:
    target = parse_url(oos.endpoint, "endpoint")
    return Fetcher(AllowList(frozenset({(target.host, target.port)})))


def signed(oos: SeaweedFs, version: str, disk_format: str) -> str:
    client = boto3.client(
        "s3",
        endpoint_url=oos.endpoint,
        region_name="us-east-1",
        aws_access_key_id=OPERATOR[0],
        aws_secret_access_key=OPERATOR[1],
        config=Config(signature_version=version, s3={"addressing_style": "path"}),
    )
    wanted = {"Bucket": BUCKET, "Key": f"disk.{disk_format}.gz"}
    return str(client.generate_presigned_url("get_object", Params=wanted, ExpiresIn=600))


def wanted(disk: ExportedDisk, said: SaidOfDisk = QCOW2, **changes: object) -> DiskImport:
    known = {
        "disk_bytes": disk.disk_bytes,
        "object_bytes": disk.object_bytes,
        "object_sha256": disk.object_sha256,
        "disk_tree_sha256": disk.disk_tree_sha256,
    }
    checksums = Checksums(**(known | changes))  # type: ignore[arg-type]
    return DiskImport("snap-0000abcd", "/dev/sda1", b"", SIZE, said.format, said.gzip, checksums)


@pytest.mark.parametrize("version", ["s3v4", "s3"])
@pytest.mark.parametrize("disk_format", FORMATS)
def test_what_was_exported_comes_back(
    oos: SeaweedFs,
    source: Path,
    exported: dict[DiskFormat, ExportedDisk],
    tmp_path: Path,
    disk_format: DiskFormat,
    version: str,
) -> None:
    url = signed(oos, version, disk_format)
    assert ("X-Amz-Signature=" in url, "&Signature=" in url) == (version == "s3v4", version == "s3")
    told: list[tuple[int, int | None]] = []
    disk = wanted(exported[disk_format], SaidOfDisk(disk_format, gzip=True))
    file = tmp_path / "disk"
    found = import_disk(fetcher(oos), url, disk, file, lambda *progress: told.append(progress))
    assert found.format == disk_format
    assert told[-1] == (exported[disk_format].object_bytes,) * 2
    argv: list[str | Path] = ["qemu-img", "compare", "-f", disk_format, "-F", "qcow2", file, source]
    assert b"identical" in run.run(argv, timeout_seconds=60)
    assert file.stat().st_blocks * 512 < SIZE // 4


def test_another_object_is_refused_before_it_is_used(
    oos: SeaweedFs, exported: dict[DiskFormat, ExportedDisk], tmp_path: Path
) -> None:
    url = signed(oos, "s3v4", "raw")
    for change in ({"object_bytes": 1}, {"object_sha256": "0" * 64}, {"disk_bytes": SIZE - 512}):
        with pytest.raises(ObjectChanged):
            import_disk(fetcher(oos), url, wanted(exported["raw"], RAW, **change), tmp_path / "disk", _quiet)


@pytest.mark.parametrize("disk_format", FORMATS)
def test_another_disk_in_the_object_that_was_promised_is_refused(
    oos: SeaweedFs, exported: dict[DiskFormat, ExportedDisk], tmp_path: Path, disk_format: DiskFormat
) -> None:
    disk = wanted(exported[disk_format], SaidOfDisk(disk_format, gzip=True), disk_tree_sha256="0" * 64)
    with pytest.raises(ObjectChanged, match="tree hash"):
        import_disk(fetcher(oos), signed(oos, "s3v4", disk_format), disk, tmp_path / "disk", _quiet)


@pytest.mark.parametrize("difference", [{}, {"disk_tree_sha256": "0" * 64}], ids=["same", "other"])
def test_the_tree_hash_of_a_qcow2_file_that_was_written_by_others(
    oos: SeaweedFs,
    source: Path,
    exported: dict[DiskFormat, ExportedDisk],
    tmp_path: Path,
    difference: dict[str, str],
) -> None:
    content = source.read_bytes()
    store(oos, *OPERATOR).put(BUCKET, "disk.qcow2-by-others.gz", content, metadata={})
    known = {"object_bytes": len(content), "object_sha256": hashlib.sha256(content).hexdigest()}
    disk, url = (
        wanted(exported["qcow2"], QCOW2, **known, **difference),
        signed(oos, "s3v4", "qcow2-by-others"),
    )
    with pytest.raises(ObjectChanged, match="tree hash") if difference else nullcontext():
        assert import_disk(fetcher(oos), url, disk, tmp_path / "disk", _quiet).format == "qcow2"


def _quiet(_received_bytes: int, _total_bytes: int | None) -> None:
    """Ignores the progress."""


def test_a_stage_raises_where_its_items_are_wanted() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise StorageFailed(reason="here")

    with ahead(items(), 2) as stage:
        assert next(stage) == 1
        with pytest.raises(StorageFailed, match="here"):
            next(stage)


def test_a_stage_that_nobody_wants_any_more_ends() -> None:
    def items() -> Iterator[int]:
        while True:
            yield 1

    before = threading.active_count()
    with ahead(items(), 2) as stage:
        next(stage)
    assert threading.active_count() == before


def test_zeros_take_no_room_and_everything_else_is_there(tmp_path: Path) -> None:
    block = 64 * 1024
    pieces = [bytes(block), b"a" * block + bytes(3 * block) + b"b" * 10, bytes(100), b"c", bytes(5 * block)]
    with SparseFile(tmp_path / "file") as file:
        for piece in pieces:
            file.write(piece)
        file.finish()
    assert (tmp_path / "file").read_bytes() == b"".join(pieces)
    assert (tmp_path / "file").stat().st_blocks * 512 <= 3 * block


def test_a_file_that_has_another_name_by_now_is_not_written_to(tmp_path: Path) -> None:
    """A volume store may have taken it in."""
    (tmp_path / "file").write_bytes(b"taken in")
    (tmp_path / "layer").hardlink_to(tmp_path / "file")
    with SparseFile(tmp_path / "file") as file:
        file.write(b"again")
        file.finish()
    assert (tmp_path / "layer").read_bytes() == b"taken in"


def test_a_qcow2_file_that_was_cut_is_not_whole(tmp_path: Path, source: Path) -> None:
    cut = tmp_path / "cut"
    cut.write_bytes(source.read_bytes()[: -(1024 * 1024)])
    assert is_whole(source)
    assert not is_whole(cut)
    assert check_argv(Path("/d"))[-5:] == ["check", "-q", "-f", "qcow2", "/d"]
