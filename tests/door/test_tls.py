"""Buckets over https: the door ends TLS, and the store behind it gets plain HTTP."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from souche.app import access_keys
from souche.clock import SystemClock
from souche.http import server
from souche.http.certificates import Tls
from souche.http.s3.desk import Desk
from souche.http.s3.door import Door, opened
from souche.objects.addresses import AllowList
from souche.objects.fetch import Fetcher, Limits
from souche.value_refusals import UrlUnreachable
from tests.door.served import Served, configuration
from tests.support.certificates import certificate

BODY = os.urandom(3 * 1024 * 1024 + 17)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return certificate(tmp_path_factory.mktemp("door-tls") / "tls")


@pytest.fixture(scope="module")
def endpoint(door: Served, files: Any) -> Iterator[str]:
    """Another door to the same store."""
    listening = server.listen("127.0.0.1", 0)
    desk = Desk(door.region, door.oos, lambda key: access_keys.lookup(door.region, key))
    with opened(Door(listening, door.oos.address, desk, Tls(files.pair, SystemClock()).context)):
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def alice(door: Served, endpoint: str, files: Any) -> Any:
    key = door.keys["alice"]
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        verify=str(files.authority),
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_key,
        region_name="us-east-1",
        config=configuration(signed=True),
    )


def test_objects_come_and_go_by_https(alice: Any, bucket: str) -> None:
    alice.put_object(Bucket=bucket, Key="k", Body=BODY)
    assert alice.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY
    assert bucket in [each["Name"] for each in alice.list_buckets()["Buckets"]]
    alice.delete_object(Bucket=bucket, Key="k")


def test_a_pre_signed_url_is_https_and_opens(
    alice: Any, bucket: str, files: Any, door: Served, endpoint: str
) -> None:
    alice.put_object(Bucket=bucket, Key="k", Body=BODY)
    url = alice.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert url.startswith(endpoint)
    assert requests.get(url, verify=str(files.authority), timeout=10).content == BODY


def test_the_region_trusts_its_own_store(
    alice: Any, bucket: str, files: Any, endpoint: str, tmp_path: Path
) -> None:
    alice.put_object(Bucket=bucket, Key="k", Body=b"abc")
    url = alice.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    allowed, limits = AllowList(frozenset({("127.0.0.1", int(endpoint.rpartition(":")[2]))})), Limits(10, 10)
    for trusted in (files.authority, files.pair.certificate):
        assert Fetcher(allowed, trusted=trusted).read(url, "FileLocation", limits)[0] == b"abc"
    other = certificate(tmp_path / "other").authority
    with pytest.raises(UrlUnreachable, match="certificate verify failed"):
        Fetcher(allowed, trusted=other).read(url, "FileLocation", limits)


def test_a_certificate_that_is_away_stays_trusted_and_no_url_is_told_of_it(
    alice: Any, bucket: str, files: Any, endpoint: str, tmp_path: Path
) -> None:
    alice.put_object(Bucket=bucket, Key="k", Body=b"abc")
    url = alice.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    allowed, limits = AllowList(frozenset({("127.0.0.1", int(endpoint.rpartition(":")[2]))})), Limits(10, 10)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(files.authority.read_bytes())
    fetcher = Fetcher(allowed, trusted=trusted)
    assert fetcher.read(url, "FileLocation", limits)[0] == b"abc"
    trusted.write_text("half")
    assert fetcher.read(url, "FileLocation", limits)[0] == b"abc"
    trusted.unlink()
    assert fetcher.read(url, "FileLocation", limits)[0] == b"abc"
    with pytest.raises(UrlUnreachable) as refused:
        Fetcher(allowed, trusted=trusted).read(url, "FileLocation", limits)
    assert str(tmp_path) not in str(refused.value)


def test_a_refused_upload_is_told_before_the_connection_ends(alice: Any) -> None:
    with pytest.raises(alice.exceptions.NoSuchBucket):
        alice.put_object(Bucket="no-such-bucket-here", Key="k", Body=BODY)
