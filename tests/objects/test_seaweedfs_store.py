"""The embedded store as the region writes to it: parts that go straight to where they stay."""

import random
import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tools.harness import wait_for

from souche.clock import SystemClock
from souche.objects.base import NoSuchBucket, NoSuchUpload, Part, Upload
from souche.objects.s3 import S3Access, S3Store, _names
from souche.objects.seaweedfs.filer import Filer, FilerFailed
from souche.objects.seaweedfs.server import SeaweedFs
from souche.objects.seaweedfs.store import CHUNK_BYTES, SeaweedFsStore
from souche.objects.seaweedfs.tls import make_certificate
from tests.objects.contract import KEY, PARTS, ObjectsContract
from tests.objects.server import ALICE, OPERATOR, free_port, store_of

LONG = random.Random(7).randbytes(2 * CHUNK_BYTES + 1)


def own_store(oos: SeaweedFs, filer: Filer | None = None) -> SeaweedFsStore:
    access = S3Access(oos.endpoint, *OPERATOR, crc32=True)
    return SeaweedFsStore(access, access, filer or oos.filer, SystemClock())


@pytest.fixture
def objects(oos: SeaweedFs) -> SeaweedFsStore:
    return own_store(oos)


@pytest.fixture
def bucket(oos: SeaweedFs, bucket_name: str) -> str:
    oos.accounts.ensure_bucket(bucket_name, ALICE.account_id)
    return bucket_name


@pytest.fixture
def by_s3(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the parts that went by S3."""
    numbers: list[int] = []
    put_part = S3Store.put_part

    def put(self: S3Store, upload: Upload, number: int, data: bytes | bytearray) -> Part:
        numbers.append(number)
        return put_part(self, upload, number, data)

    monkeypatch.setattr(S3Store, "put_part", put)
    return numbers


class TestOwnStore(ObjectsContract):
    @pytest.fixture
    def objects(self, oos: SeaweedFs) -> SeaweedFsStore:
        return own_store(oos)

    @pytest.fixture
    def bucket(self, objects: SeaweedFsStore, bucket_name: str) -> str:
        objects.ensure_bucket("own-" + bucket_name)
        return "own-" + bucket_name


def whole(objects: SeaweedFsStore, bucket: str, parts: list[bytes]) -> None:
    upload = objects.start_upload(bucket, KEY)
    sent = [objects.put_part(upload, number, part) for number, part in enumerate(parts, start=1)]
    objects.complete_upload(upload, sent)


def test_its_account_has_the_object_by_s3(
    oos: SeaweedFs, objects: SeaweedFsStore, bucket: str, by_s3: list[int]
) -> None:
    """Parts of one chunk and of three: whole, in ranges, by a pre-signed URL, by head and by list."""
    whole(objects, bucket, [LONG, *PARTS])
    expected = LONG + b"".join(PARTS)
    hers = store_of(oos, ALICE)
    assert hers.get(bucket, KEY) == expected
    head = hers._client.head_object(Bucket=bucket, Key=KEY)
    assert head["ContentLength"] == len(expected)
    assert head["ETag"].endswith('-4"')
    (listed,) = hers._client.list_objects_v2(Bucket=bucket)["Contents"]
    assert (listed["Size"], listed["ETag"]) == (len(expected), head["ETag"])
    border = len(LONG)
    request = urllib.request.Request(objects.presign(bucket, KEY, 60))  # noqa: S310
    request.add_header("Range", f"bytes={CHUNK_BYTES - 5}-{border + 5}")
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        assert answer.read() == expected[CHUNK_BYTES - 5 : border + 6]
    assert by_s3 == []


def test_parts_are_listed_by_s3(oos: SeaweedFs, objects: SeaweedFsStore, bucket: str) -> None:
    upload = objects.start_upload(bucket, KEY)
    part = objects.put_part(upload, 3, LONG)
    (listed,) = store_of(oos, ALICE)._client.list_parts(Bucket=bucket, Key=KEY, UploadId=upload.upload_id)[
        "Parts"
    ]
    assert (listed["PartNumber"], listed["Size"], listed["ETag"]) == (3, len(LONG), part.tag)


def test_parts_by_either_way_make_one_object(objects: SeaweedFsStore, bucket: str) -> None:
    upload = objects.start_upload(bucket, KEY)
    sent = [
        S3Store.put_part(objects, upload, 1, PARTS[0]),
        objects.put_part(upload, 2, PARTS[1]),
        objects.put_part(upload, 3, b"the end"),
    ]
    objects.complete_upload(upload, sent)
    assert objects.get(bucket, KEY) == b"".join(PARTS)


def test_nothing_is_left_of_what_is_deleted_or_aborted(
    oos: SeaweedFs, objects: SeaweedFsStore, bucket: str
) -> None:
    upload = objects.start_upload(bucket, "aborted")
    objects.put_part(upload, 1, LONG)
    whole(objects, bucket, PARTS)
    wait_for(lambda: live_chunks(oos, bucket) == 6, "six chunks", 20, 0.5)
    objects.abort_upload(upload)
    objects.delete(bucket, KEY)
    wait_for(lambda: live_chunks(oos, bucket) == 0, "no chunk", 20, 0.5)


def test_a_part_that_was_entered_but_not_sent_goes_with_its_upload(
    objects: SeaweedFsStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the region is killed in between."""

    def end(*_arguments: object, **_rest: object) -> None:
        raise SystemExit

    upload = objects.start_upload(bucket, KEY)
    with monkeypatch.context() as patched:
        patched.setattr(HTTPConnection, "connect", end)
        with pytest.raises(SystemExit):
            objects.put_part(upload, 1, PARTS[0])
    assert objects._client.list_parts(**_names(upload))["Parts"][0]["Size"] == len(PARTS[0])
    objects.abort_upload(upload)
    assert objects.uploads(bucket, "") == []


def test_what_is_damaged_on_its_way_goes_by_s3(
    oos: SeaweedFs,
    objects: SeaweedFsStore,
    bucket: str,
    by_s3: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = HTTPConnection.request

    def damage(self: HTTPConnection, method: str, url: str, body: Any = None, **rest: Any) -> None:
        if method == "PUT" and isinstance(body, memoryview):
            body = bytes(body[:-1]) + bytes([body[-1] ^ 1])
        request(self, method, url, body, **rest)

    with monkeypatch.context() as patched, capture_logs() as logged:
        patched.setattr(HTTPConnection, "request", damage)
        whole(objects, bucket, [LONG])
    assert by_s3 == [1]
    assert objects.get(bucket, KEY) == LONG
    assert "CRC-32C" in logged[0]["reason"]
    wait_for(
        lambda: live_chunks(oos, bucket) == 5, "S3's chunks of 4 MiB, and none that was damaged", 20, 0.5
    )


@pytest.mark.parametrize("step", ["entry", "room", "place"])
def test_without_the_filer_it_goes_by_s3(
    objects: SeaweedFsStore, bucket: str, by_s3: list[int], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise FilerFailed(step)

    monkeypatch.setattr(objects._filer, step, fail)
    whole(objects, bucket, PARTS)
    assert by_s3 == [1, 2, 3]
    assert objects.get(bucket, KEY) == b"".join(PARTS)


def test_a_filer_that_nobody_is(oos: SeaweedFs, bucket: str, by_s3: list[int]) -> None:
    objects = own_store(oos, Filer(f"127.0.0.1:{free_port()}", oos._tls))
    whole(objects, bucket, [b"small"])
    assert (by_s3, objects.get(bucket, KEY)) == ([1], b"small")


def test_a_volume_server_that_refuses(
    objects: SeaweedFsStore, bucket: str, by_s3: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token is for one chunk."""
    room = objects._filer.room
    other = room(f"/buckets/{bucket}/other").token
    monkeypatch.setattr(objects._filer, "room", lambda path: replace(room(path), token=other))
    whole(objects, bucket, [b"small"])
    assert (by_s3, objects.get(bucket, KEY)) == ([1], b"small")


def test_a_stranger_has_no_way_to_the_filer(
    oos: SeaweedFs, bucket: str, by_s3: list[int], tmp_path: Path
) -> None:
    """Another region's certificate."""
    make_certificate(tmp_path, SystemClock().now())
    stranger = Filer(f"127.0.0.1:{oos._ports.filer_grpc}", tmp_path)
    with pytest.raises(FilerFailed):
        stranger.identities()
    whole(own_store(oos, stranger), bucket, [b"small"])
    assert by_s3 == [1]


def test_versions_stay_s3s(oos: SeaweedFs, objects: SeaweedFsStore, bucket: str, by_s3: list[int]) -> None:
    """Where a bucket keeps versions, an export over another is a version of it."""
    hers = store_of(oos, ALICE)._client
    hers.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for content in (b"first", b"second"):
        whole(objects, bucket, [content])
    versions = hers.list_object_versions(Bucket=bucket)["Versions"]
    contents = [
        hers.get_object(Bucket=bucket, Key=KEY, VersionId=version["VersionId"])["Body"].read()
        for version in sorted(versions, key=lambda version: version["IsLatest"])
    ]
    assert (contents, by_s3) == ([b"first", b"second"], [])


def test_a_bucket_is_removed_with_its_versions_and_markers(
    oos: SeaweedFs, objects: SeaweedFsStore, bucket: str
) -> None:
    hers = store_of(oos, ALICE)._client
    hers.put_object(Bucket=bucket, Key="before", Body=b"x")
    hers.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("before", "after", "after", "in/a/folder"):
        hers.put_object(Bucket=bucket, Key=key, Body=b"x")
    hers.delete_object(Bucket=bucket, Key="after")
    counted: list[int] = []
    objects.remove_bucket(bucket, counted.append)
    assert counted == [6]
    with pytest.raises(NoSuchBucket):
        objects.keys(bucket, "")


def test_more_than_one_listing_has(oos: SeaweedFs, objects: SeaweedFsStore, bucket: str) -> None:
    """A listing has at most 1000."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: objects.put(bucket, f"n/{number}", b"", metadata={}), range(1005)))
    counted: list[int] = []
    objects.remove_bucket(bucket, counted.append)
    assert counted == [1000, 1005]
    assert oos.accounts.owner(bucket) is None


def test_an_upload_that_is_aborted_by_its_account(
    oos: SeaweedFs, objects: SeaweedFsStore, bucket: str
) -> None:
    upload = objects.start_upload(bucket, KEY)
    objects.put_part(upload, 1, PARTS[0])
    store_of(oos, ALICE).abort_upload(upload)
    with pytest.raises(NoSuchUpload):
        objects.put_part(upload, 2, PARTS[1])
    assert store_of(oos, ALICE).uploads(bucket, "") == []


def live_chunks(oos: SeaweedFs, bucket: str) -> int:
    """How many chunks a bucket's volumes hold, as the volume server tells every few seconds."""
    told = oos.accounts._tell("volume.list")
    counts = re.findall(rf"Collection:{bucket}, .*FileCount:(\d+), DeleteCount:(\d+)", told)
    return sum(int(files) - int(deleted) for files, deleted in counts)
