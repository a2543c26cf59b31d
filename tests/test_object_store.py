"""A region with its object store, as a process: buckets, an export by the command line, a crash."""

import gzip
import json
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from souche.app import image_copies
from souche.app.image_copies import Copy
from souche.app.images import ImageSettings
from souche.main import administer
from souche.model.accounts import Principal
from souche.objects.base import BucketAccessRefused
from souche.objects.s3 import S3Access, S3Store
from tests.objects.server import free_port
from tests.support.polling import eventually
from tests.test_main import serving, souche, told

MARK = b"the marker of this disk"


def private_image(home: Path, account_id: str) -> str:
    """A copy, in the account, of an image that the operator has published."""
    disk = home.with_name("disk.raw")
    disk.write_bytes(MARK.ljust(1 << 20, b"\0"))
    published = told("image", "publish", disk, "--home", home, "--name", "base", "--format", "raw")
    with administer(home) as administered:
        region = administered.region
        wanted = Copy(ImageSettings("mine"), published["ImageId"], region.name)
        copy = image_copies.copy(region, Principal(account_id), wanted)
        administered.finish(image_copies.copy_operation_id(copy))
    return copy.image_id


def store(endpoint: str, account: dict[str, Any]) -> S3Store:
    return S3Store(S3Access(endpoint, account["AccessKeyId"], account["SecretKey"]))


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
        image_id = private_image(home, alice["AccountId"])
        exported = told("export", image_id, "--home", home, "--bucket", "exports", "--prefix", "x")
        assert exported["ManifestUrl"].startswith(f"{endpoint}/exports/x/{image_id}/")
        region.process.kill()
        region.process.wait()
    with serving(home, *oos):
        manifest = json.loads(get(exported["ManifestUrl"]))
        assert MARK in gzip.decompress(get(manifest["Image"]["Snapshots"][0]["PreSignedUrl"]))
        assert len(store(endpoint, alice).keys("exports", "x/")) == 3


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
