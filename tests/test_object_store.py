"""A region with its object store, as a process: buckets, an export by the command line, a crash."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from souche.app import image_copies
from souche.app.image_copies import Copy
from souche.app.images import ImageSettings
from souche.main.administration import administer
from souche.model.accounts import Principal
from souche.objects.base import BucketAccessRefused
from souche.objects.s3 import S3Access, S3Store
from tests.objects.server import free_port
from tests.support.polling import eventually
from tests.test_main import Served, serving, souche, told

BUCKET = "incoming"
EXPORT_SECONDS = 60
MARK = b"the marker of this disk"


@dataclass(frozen=True)
class Elsewhere:
    """Another region, its object store, and an account there."""

    region: Served
    oos: str
    account: dict[str, Any]


def private_image(home: Path, account_id: str) -> str:
    """A copy, in the account, of an image that the operator has published."""
    disk = home.with_name("disk.raw")
    disk.write_bytes(MARK.ljust(1 << 20, b"\0"))
    published = told(
        "image", "publish", disk, "--home", home, "--name", "base", "--format", "raw", "--no-verify"
    )
    with administer(home) as administered:
        region = administered.region
        wanted = Copy(ImageSettings("mine"), published["ImageId"], region.name)
        copy = image_copies.copy(region, Principal(account_id), wanted)
        administered.finish(image_copies.copy_operation_id(copy))
    return copy.image_id


def store(endpoint: str, account: dict[str, Any]) -> S3Store:
    return S3Store(S3Access(endpoint, account["AccessKeyId"], account["SecretKey"]))


def has_ready_store(readiness: str) -> bool:
    """Whether the region reports this, without regard to its other parts."""
    try:
        answer = urlopen(readiness)  # noqa: S310 (a URL of ours)
    except HTTPError as unready:
        answer = unready
    with answer:
        return bool(json.load(answer)["Checks"]["object store"] == {"Ready": True})


def test_a_region_with_its_object_store(tmp_path: Path) -> None:
    home, port = tmp_path / "home", free_port()
    alice = told("account", "create", "alice", "--home", home)
    told("bucket", "create", "made-without-a-server", "--account", "alice", "--home", home)
    oos = ("--oos-listen", f"127.0.0.1:{port}")
    with serving(home, *oos) as region:
        endpoint = told("info", "--home", home)["Oos"]
        assert endpoint == f"http://127.0.0.1:{port}"
        told("bucket", "create", "made-beside-it", "--account", alice["AccountId"], "--home", home)
        bob = told("account", "create", "bob", "--home", home)
        for bucket in ("made-without-a-server", "made-beside-it"):
            eventually(partial(reaches, store(endpoint, alice), bucket))
            assert not reaches(store(endpoint, bob), bucket)
        eventually(partial(has_ready_store, region.facts["Api"].replace("/api/v1", "/readyz")))
        image_id = private_image(home, alice["AccountId"])
        exported = told("export", image_id, "--home", home, "--bucket", "exports", "--prefix", "x")
        assert exported["ManifestUrl"].startswith(f"{endpoint}/exports/x/{image_id}/")
        region.process.kill()
        region.process.wait()
    with serving(home, *oos):
        manifest = json.loads(get(exported["ManifestUrl"]))
        assert MARK in gzip.decompress(get(manifest["Image"]["Snapshots"][0]["PreSignedUrl"]))
        assert len(store(endpoint, alice).keys("exports", "x/")) == 3
        signed = told("export", "sign", exported["TaskId"], "--days", "1", "--home", home)
        assert (signed["TaskId"], signed["State"]) == (exported["TaskId"], "completed")
        assert "X-Amz-Expires=86400" in signed["ManifestUrl"]
        again = json.loads(get(signed["ManifestUrl"]))
        assert again != manifest
        assert MARK in gzip.decompress(get(again["Image"]["Snapshots"][0]["PreSignedUrl"]))
        listed = told("export", "list", "--home", home)
        assert (listed["TaskId"], listed["Account"], listed["ExpirationDate"]) == (
            exported["TaskId"],
            "alice",
            signed["ExpirationDate"],
        )
        imported = told("import", signed["ManifestUrl"], "--account", "bob", "--home", home)
        origin = told("image", "origins", imported["ImageId"], "--home", home)
        assert origin["SignedBy"]["KeyFingerprint"] == told("info", "--home", home)["KeyFingerprint"]


def test_the_first_start_knows_the_keys_of_its_first_client(tmp_path: Path) -> None:
    """The API answers before the store does, and a client comes at once. Its key was unknown to a store that had just
    started."""
    home, port = tmp_path / "home", free_port()
    alice = told("account", "create", "alice", "--home", home)
    with serving(home, "--oos-listen", f"127.0.0.1:{port}"):
        client = store(f"http://127.0.0.1:{port}", alice)
        assert client._client.list_buckets()["Buckets"] == []


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    """Another region with an object store, and an account there that has a bucket."""
    home = tmp_path / "elsewhere" / "home"
    home.parent.mkdir()
    account = told("account", "create", "carol", "--home", home)
    told("bucket", "create", BUCKET, "--account", "carol", "--home", home)
    with serving(home, "--oos-listen", f"127.0.0.1:{free_port()}") as region:
        oos = told("info", "--home", home)["Oos"]
        eventually(partial(reaches, store(oos, account), BUCKET))
        yield Elsewhere(region, oos, account)


def test_an_export_by_the_key_of_an_account_elsewhere(tmp_path: Path, elsewhere: Elsewhere) -> None:
    """OsuApiKey with --export-endpoint (reference section 4): into a bucket that this region cannot reach without the
    key; the other region imports it."""
    home = tmp_path / "home"
    alice = told("account", "create", "alice", "--home", home)
    with serving(home, "--oos-listen", "", "--export-endpoint", elsewhere.oos) as region:
        key = {"ApiKeyId": elsewhere.account["AccessKeyId"], "SecretKey": elsewhere.account["SecretKey"]}
        image_id = private_image(home, alice["AccountId"])
        task = exported(region, alice, image_id, OsuApiKey=key)
        assert (task["State"], task["OsuExport"]["OsuBucket"]) == ("completed", BUCKET)
        refused = exported(region, alice, image_id, OsuApiKey=key | {"SecretKey": "A" * 40})
        assert refused["State"] == "failed"
        assert "access is refused" in refused["Comment"]
    assert len(store(elsewhere.oos, elsewhere.account).keys(BUCKET, "")) == 3
    url = task["OsuExport"]["OsuManifestUrl"]
    assert url.startswith(f"{elsewhere.oos}/{BUCKET}/")
    assert imported(elsewhere.region, elsewhere.account, url)["State"] == "available"


def test_a_region_whose_object_store_is_elsewhere(tmp_path: Path, elsewhere: Elsewhere) -> None:
    """An existing bucket belongs to an account when the operator gives it to the account."""
    home, key_file = tmp_path / "home", tmp_path / "key"
    key_file.write_text(f"{elsewhere.account['AccessKeyId']}\n{elsewhere.account['SecretKey']}\n")
    alice = told("account", "create", "alice", "--home", home)
    options = ("--oos-listen", "", "--oos-endpoint", elsewhere.oos, "--oos-key-file", str(key_file))
    with serving(home, *options) as region:
        image_id = private_image(home, alice["AccountId"])
        assert "it is not a bucket of the account" in exported(region, alice, image_id)["Comment"]
        told("bucket", "create", BUCKET, "--account", "alice", "--home", home)
        task = exported(region, alice, image_id)
        assert task["State"] == "completed", task["Comment"]
        again = imported(region, alice, task["OsuExport"]["OsuManifestUrl"])
        assert (again["State"], again["AccountId"]) == ("available", alice["AccountId"])


def exported(region: Served, who: dict[str, Any], image_id: str, **key: object) -> dict[str, Any]:
    """The export task of an image, once it has ended."""
    export = {"DiskImageFormat": "qcow2", "OsuBucket": BUCKET} | key
    task_id = region.call(who, "CreateImageExportTask", ImageId=image_id, OsuExport=export)[
        "ImageExportTask"
    ]["TaskId"]

    def ended() -> dict[str, Any] | None:
        (task,) = region.call(who, "ReadImageExportTasks", Filters={"TaskIds": [task_id]})["ImageExportTasks"]
        return task if task["State"] in ("completed", "failed") else None

    return eventually(ended, EXPORT_SECONDS)


def imported(region: Served, who: dict[str, Any], url: str) -> dict[str, Any]:
    """The image of a manifest, once it has ended."""
    made = region.call(who, "CreateImage", FileLocation=url, ImageName="imported")["Image"]

    def ended() -> dict[str, Any] | None:
        (image,) = region.call(who, "ReadImages", Filters={"ImageIds": [made["ImageId"]]})["Images"]
        return image if image["State"] != "pending" else None

    return eventually(ended, EXPORT_SECONDS)


def reaches(objects: S3Store, bucket: str) -> bool:
    try:
        objects.keys(bucket, "")
    except BucketAccessRefused:
        return False
    return True


def get(url: str) -> bytes:
    with urlopen(url, timeout=10) as response:  # noqa: S310 (a URL of ours)
        body: bytes = response.read()
    return body


def test_a_key_file_that_is_none(tmp_path: Path) -> None:
    options = ["--listen", "127.0.0.1:0", "--oos-listen", "", "--oos-endpoint", "http://127.0.0.1:1"]
    done = souche("serve", "--home", tmp_path, "--compute", "simulated", *options)
    assert (done.returncode, "--oos-key-file" in done.stderr) == (1, True)
