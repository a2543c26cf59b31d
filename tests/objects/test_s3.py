"""S3 against a real SeaweedFS."""

import io
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from souche.objects.base import (
    BucketAccessRefused,
    NoSuchBucket,
    ObjectsFailed,
    ObjectsUnavailable,
    Upload,
)
from souche.objects.s3 import S3Access, S3Store
from souche.objects.seaweedfs.server import SeaweedFs
from tests.objects.contract import ObjectsContract
from tests.objects.server import ALICE, BOB, OPERATOR, free_port, store, store_of


def operators(oos: SeaweedFs, *, crc32: bool) -> S3Store:
    return S3Store(S3Access(oos.endpoint, *OPERATOR, crc32=crc32))


class TestOperatorsStore(ObjectsContract):
    """The region itself, which may do everything."""

    @pytest.fixture(params=[False, True], ids=["md5", "crc32"])
    def objects(self, oos: SeaweedFs, request: pytest.FixtureRequest) -> S3Store:
        return operators(oos, crc32=request.param)

    @pytest.fixture
    def bucket(self, objects: S3Store, bucket_name: str) -> str:
        objects.ensure_bucket("o" + bucket_name)
        return "o" + bucket_name


@pytest.mark.parametrize("crc32", [False, True], ids=["md5", "crc32"])
def test_what_is_damaged_on_its_way_is_not_taken(oos: SeaweedFs, crc32: bool) -> None:  # noqa: FBT001
    objects = operators(oos, crc32=crc32)
    objects.ensure_bucket("damaged")

    def damage(request: Any, **_context: object) -> None:
        request.body = b"hers, or nearly"

    objects._client.meta.events.register("before-send.s3.PutObject", damage)
    objects._client.meta.events.register("before-send.s3.UploadPart", damage)
    with pytest.raises(ObjectsUnavailable, match="BadDigest"):
        objects.put("damaged", "key", b"hers, and exact", metadata={})
    upload = objects.start_upload("damaged", "key")
    with pytest.raises(ObjectsUnavailable, match="BadDigest"):
        objects.put_part(upload, 1, b"hers, and exact")
    objects.abort_upload(upload)
    assert objects.keys("damaged", "") == []


def test_a_streamed_part_that_is_damaged_on_its_way_is_not_taken(oos: SeaweedFs) -> None:
    objects = operators(oos, crc32=False)
    objects.ensure_bucket("damaged")

    def damage(request: Any, **_context: object) -> None:
        request.body = io.BytesIO(request.body.read(4).upper())

    upload = objects.start_upload("damaged", "streamed")
    objects._client.meta.events.register("before-send.s3.UploadPart", damage)
    with pytest.raises(ObjectsUnavailable, match="damaged"):
        objects.put_part_stream(upload, 1, 4, [b"hers"])
    objects.abort_upload(upload)


def test_a_streamed_part_that_nobody_takes_is_not_tried_again() -> None:
    """What was read is gone."""
    objects = S3Store(S3Access(f"http://127.0.0.1:{free_port()}", *OPERATOR), attempts=3)
    with pytest.raises(ObjectsUnavailable):
        objects.put_part_stream(Upload("bucket", "key", "upload"), 1, 4, [b"hers"])


def test_profiles_of_whoever_runs_the_region_do_not_count(tmp_path: Path) -> None:
    """One that is missing would end the server; others name endpoints and keys of their own."""
    (tmp_path / "config").write_text("[default]\nregion = eu-west-3\nendpoint_url = http://127.0.0.1:9\n")
    program = (
        "from souche.objects.s3 import S3Access, S3Store;"
        "made = S3Store(S3Access('http://127.0.0.1:1', 'KEY', 'secret'));"
        "print(made.presign('bucket', 'key', 60))"
    )
    variables = {"AWS_PROFILE": "missing", "AWS_CONFIG_FILE": str(tmp_path / "config")}
    argv = [sys.executable, "-c", program]
    url = subprocess.run(argv, env=os.environ | variables, capture_output=True, text=True, check=True).stdout
    assert url.startswith("http://127.0.0.1:1/bucket/key?")
    assert "%2Fus-east-1%2F" in url


@pytest.fixture(scope="module")
def alices(oos: SeaweedFs) -> str:
    """A bucket of hers with one object."""
    oos.accounts.ensure_bucket("alices", ALICE.account_id)
    store_of(oos, ALICE).put("alices", "key", b"hers", metadata={"note": "see http://x/?a=1&b=2"})
    return "alices"


def test_a_key_without_the_right_removes_nothing(oos: SeaweedFs, alices: str) -> None:
    with pytest.raises(BucketAccessRefused, match=alices):
        store_of(oos, BOB).remove_bucket(alices, lambda _deleted: None)
    assert store_of(oos, ALICE).get(alices, "key") == b"hers"


def get(url: str) -> tuple[bytes, str | None]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  the URL is this test's own
        return answer.read(), answer.headers["x-amz-meta-note"]


def status(url: str) -> int:
    try:
        get(url)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    return 200


def test_a_presigned_url_needs_nothing_else(oos: SeaweedFs, alices: str) -> None:
    url = store_of(oos, ALICE).presign(alices, "key", 604_800)
    assert url.startswith(f"{oos.endpoint}/{alices}/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&")
    assert get(url) == (b"hers", "see http://x/?a=1&b=2")


def test_a_presigned_url_ends(oos: SeaweedFs, alices: str) -> None:
    url = store_of(oos, ALICE).presign(alices, "key", 1)
    deadline = time.monotonic() + 10
    while (answered := status(url)) == 200:
        assert time.monotonic() < deadline
    assert answered == 403


def test_a_changed_or_missing_signature_is_refused(oos: SeaweedFs, alices: str) -> None:
    url = store_of(oos, ALICE).presign(alices, "key", 60)
    assert status(url.replace("/key?", "/kex?")) == 403
    assert status(url.partition("?")[0]) == 403


@pytest.mark.parametrize(
    "caller", [BOB, S3Access("", "ALICEKEY", "wrong"), S3Access("", "NOSUCHKEY", "wrong")]
)
def test_others_are_refused(oos: SeaweedFs, alices: str, caller: S3Access) -> None:
    theirs = store(oos, caller.access_key_id, caller.secret_key)
    for call in (
        lambda: theirs.get(alices, "key"),
        lambda: theirs.put(alices, "key", b"theirs", metadata={}),
        lambda: theirs.keys(alices, ""),
        lambda: theirs.delete(alices, "key"),
        lambda: theirs.start_upload(alices, "key"),
        lambda: theirs.uploads(alices, ""),
        lambda: theirs.ensure_bucket(alices),
    ):
        with pytest.raises(BucketAccessRefused):
            call()
    assert store_of(oos, ALICE).get(alices, "key") == b"hers"


def test_an_account_does_everything_in_its_own_bucket(oos: SeaweedFs, alices: str) -> None:
    hers = store_of(oos, ALICE)
    hers.ensure_bucket(alices)
    upload = hers.start_upload(alices, "large")
    assert hers.uploads(alices, "large") == [upload]
    hers.complete_upload(upload, [hers.put_part(upload, 1, b"part")])
    assert hers.keys(alices, "") == ["key", "large"]
    hers.abort_upload(hers.start_upload(alices, "aborted"))
    hers.delete(alices, "large")


def test_nobody_there() -> None:
    nobody = S3Store(S3Access(f"http://127.0.0.1:{free_port()}", "KEY", "secret"), attempts=1)
    with pytest.raises(ObjectsUnavailable):
        nobody.keys("bucket", "")


def test_the_secret_is_not_shown() -> None:
    assert "hush" not in repr(S3Access("http://x", "KEY", "hush"))


REFUSING = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>No</Message></Error>"
ANSWERS: dict[tuple[int, str], type[Exception]] = {
    (400, "InvalidRequest"): ObjectsFailed,
    (400, "RequestTimeout"): ObjectsUnavailable,
    (400, "BadDigest"): ObjectsUnavailable,
    (403, "RequestTimeTooSkewed"): ObjectsUnavailable,
    (403, "AccessDenied"): BucketAccessRefused,
    (403, "SignatureDoesNotMatch"): BucketAccessRefused,
    (403, "AccountProblem"): BucketAccessRefused,
    (404, "NoSuchBucket"): NoSuchBucket,
    (409, "OperationAborted"): ObjectsUnavailable,
    (429, "Throttled"): ObjectsUnavailable,
    (500, "InternalError"): ObjectsUnavailable,
    (503, "SlowDown"): ObjectsUnavailable,
}


class Answering(BaseHTTPRequestHandler):
    """Answers `/bucket/STATUS-CODE` so."""

    def do_PUT(self) -> None:
        status, _, code = self.path.rpartition("/")[2].partition("?")[0].partition("-")
        body = REFUSING % code.encode()
        self.send_response(int(status))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


@pytest.mark.parametrize(("status", "code"), ANSWERS)
def test_what_passes_is_worth_another_try_and_what_is_refused_is_not(status: int, code: str) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        access = S3Access(f"http://127.0.0.1:{server.server_port}", "KEY", "secret")
        try:
            with pytest.raises(ANSWERS[status, code]):
                S3Store(access, attempts=1).put("bucket", f"{status}-{code}", b"", metadata={})
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (("UNKNOWNKEY", "secret"), "InvalidAccessKeyId"),
        ((ALICE.access_key_id, "wrong"), "SignatureDoesNotMatch"),
        ((BOB.access_key_id, BOB.secret_key), "AccessDenied"),
    ],
)
def test_a_bucket_that_does_not_open_says_why(oos: SeaweedFs, key: tuple[str, str], code: str) -> None:
    oos.accounts.ensure_bucket("of-alice", ALICE.account_id)
    with pytest.raises(BucketAccessRefused, match=rf"\({code}\)"):
        store(oos, *key).ensure_bucket("of-alice")
