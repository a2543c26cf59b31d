"""Buckets that clients create and delete, and requests that the store behind the door would serve wrongly."""

import hashlib
import http.client
import io
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import requests
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from souche.app import accounts, quotas
from souche.db import buckets
from souche.objects.oos import AccountKey
from souche.reconcile.bucket_records import BucketRecords
from tests.door.served import Served, refusal

ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
EMPTY = hashlib.sha256(b"").hexdigest()


def refused(do: Any, /, **parameters: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        do(**parameters)
    return refusal(caught.value)


def sent(
    door: Served,
    key: AccountKey,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    """A signed request of any form."""
    request = AWSRequest(method, door.endpoint + path, data=body, headers=headers or {})
    request.headers["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest()
    S3SigV4Auth(Credentials(key.access_key_id, key.secret_key), "s3", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(urlsplit(door.endpoint).netloc, timeout=30)
    connection.request(method, path, body, dict(request.headers.items()))
    response = connection.getresponse()
    said = response.read()
    connection.close()
    return response.status, said


def test_a_client_makes_its_own_bucket(door: Served) -> None:
    alice, bob = door.client("alice"), door.client("bob")
    alice.create_bucket(Bucket="hers", CreateBucketConfiguration={"LocationConstraint": "eu-test-1"})
    alice.put_object(Bucket="hers", Key="key", Body=b"x")
    assert "hers" in [each["Name"] for each in alice.list_buckets()["Buckets"]]
    assert "hers" not in [each["Name"] for each in bob.list_buckets()["Buckets"]]
    for do in (bob.list_objects_v2, bob.delete_bucket, bob.get_bucket_policy):
        assert refused(do, Bucket="hers") == (403, "AccessDenied")
    assert refused(bob.get_object, Bucket="hers", Key="key") == (403, "AccessDenied")
    with door.region.store.read() as connection:
        assert buckets.owner(connection, "hers") == door.keys["alice"].account_id


def test_a_bucket_that_is_not_there_is_404_and_another_accounts_403(door: Served, bucket: str) -> None:
    alice, bob = door.client("alice"), door.client("bob")
    assert refused(alice.head_bucket, Bucket="nowhere") == (404, "404")
    assert refused(bob.head_bucket, Bucket=bucket) == (403, "403")
    for do, more in ((alice.list_objects_v2, {}), (alice.put_object, {"Key": "k", "Body": b"x" * 70_000})):
        assert refused(do, Bucket="nowhere", **more) == (404, "NoSuchBucket")
    liar = AccountKey("", door.keys["alice"].access_key_id, "wrong")
    assert sent(door, liar, "GET", "/nowhere")[0] == 403


def test_a_name_is_taken_once(door: Served, bucket: str) -> None:
    assert refused(door.client("bob").create_bucket, Bucket=bucket) == (409, "BucketAlreadyExists")
    assert refused(door.client("alice").create_bucket, Bucket=bucket) == (409, "BucketAlreadyOwnedByYou")
    assert refused(door.client("alice").create_bucket, Bucket="healthz") == (400, "InvalidBucketName")
    assert refused(door.client("alice").create_bucket, Bucket="with.dots") == (400, "InvalidBucketName")
    assert refused(door.client(None).create_bucket, Bucket="nobodys") == (403, "AccessDenied")


def test_a_name_that_was_deleted_can_be_made_again(door: Served, bucket: str) -> None:
    """By its account or another, which begins with an empty bucket and no policy; the former account is shut out."""
    alice, bob = door.client("alice"), door.client("bob")
    allow = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",'
        f' "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{bucket}/*"}}]}}'
    )
    alice.put_bucket_policy(Bucket=bucket, Policy=allow)
    for client in (alice, alice, bob):
        alice.delete_bucket(Bucket=bucket)
        assert refused(alice.head_bucket, Bucket=bucket) == (404, "404")
        client.create_bucket(Bucket=bucket)
    bob.put_object(Bucket=bucket, Key="key", Body=b"his")
    assert refused(alice.get_object, Bucket=bucket, Key="key") == (403, "AccessDenied")
    assert refused(bob.get_bucket_policy, Bucket=bucket) == (404, "NoSuchBucketPolicy")


def test_a_bucket_with_objects_stays(door: Served, bucket: str) -> None:
    alice = door.client("alice")
    alice.put_object(Bucket=bucket, Key="key", Body=b"x")
    assert refused(alice.delete_bucket, Bucket=bucket) == (409, "BucketNotEmpty")
    assert alice.get_object(Bucket=bucket, Key="key")["Body"].read() == b"x"


def test_an_account_has_so_many_buckets(door: Served) -> None:
    account = accounts.known(door.region, door.keys["carol"].account_id)
    quotas.set_limit(door.region, account, "bucket_limit", 1)
    carol = door.client("carol")
    with ThreadPoolExecutor(3) as threads:
        made = list(threads.map(lambda name: outcome(carol, name), ["carols-1", "carols-2", "carols-3"]))
    assert Counter(made) == {None: 1, (400, "TooManyBuckets"): 2}
    carol.delete_bucket(Bucket=f"carols-{made.index(None) + 1}")
    carol.create_bucket(Bucket="carols-4")


def outcome(client: Any, name: str) -> tuple[int, str] | None:
    try:
        client.create_bucket(Bucket=name)
    except ClientError as error:
        return refusal(error)
    return None


def test_one_of_many_gets_a_name(door: Served) -> None:
    clients = [door.client(name) for name in ("alice", "bob", "alice", "bob")]
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda client: outcome(client, "wanted"), clients))
    assert made.count(None) >= 1
    owner = door.oos.owner("wanted")
    assert {None if owner == door.keys[name].account_id else 1 for name in ("alice", "bob")} == {None, 1}
    with door.region.store.read() as connection:
        assert buckets.owner(connection, "wanted") == owner


def test_records_follow_the_store(door: Served) -> None:
    """A bucket of an export or of an earlier Souche is noted; one whose deletion was not noted is forgotten."""
    alice = door.keys["alice"].account_id
    door.oos.ensure_bucket("unnoted", alice)
    with door.region.store.begin() as connection:
        buckets.record(connection, "long-gone", alice)
    BucketRecords(door.region.store, door.oos).settle()
    with door.region.store.read() as connection:
        known = buckets.every(connection)
    assert known["unnoted"] == alice
    assert "long-gone" not in known
    assert door.oos.buckets()["unnoted"] == alice


def test_an_acl_that_lets_others_in_is_refused(door: Served, bucket: str) -> None:
    """Bucket ACL public-read opened every object to everybody, and closed it to accounts."""
    for path in ("?acl", "/key?acl"):
        check_acl(door, bucket, path)


def check_acl(door: Served, bucket: str, path: str) -> None:
    alice, key = door.client("alice"), door.keys["alice"]
    alice.put_object(Bucket=bucket, Key="key", Body=b"x", ACL="private")
    bob = door.keys["bob"].account_id
    for headers in ({"x-amz-acl": "public-read"}, {"x-amz-grant-read": f"id={bob}"}):
        status, said = sent(door, key, "PUT", f"/{bucket}{path}", headers=headers)
        assert (status, b"AccessControlListNotSupported" in said) == (400, True)
    grants = acl(key.account_id, key.account_id, "FULL_CONTROL"), acl(key.account_id, bob, "READ")
    assert sent(door, key, "PUT", f"/{bucket}{path}", grants[0]) == (200, b"")
    assert b"AccessControlListNotSupported" in sent(door, key, "PUT", f"/{bucket}{path}", grants[1])[1]
    assert sent(door, key, "PUT", f"/{bucket}{path}", headers={"x-amz-acl": "private"})[0] == 200
    assert refused(door.client(None).get_object, Bucket=bucket, Key="key") == (403, "AccessDenied")
    assert alice.get_object(Bucket=bucket, Key="key")["Body"].read() == b"x"


def acl(owner: str, account_id: str, permission: str) -> bytes:
    """An AccessControlPolicy as s3cmd writes it."""
    kind = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"'
    grantee = f"<Grantee {kind}><ID>{account_id}</ID></Grantee>"
    return (
        f"<AccessControlPolicy><Owner><ID>{owner}</ID></Owner><AccessControlList><Grant>{grantee}<Permission>{permission}</Permission></Grant>"
        "</AccessControlList></AccessControlPolicy>"
    ).encode()


def test_objects_with_acls_are_refused(door: Served, bucket: str) -> None:
    alice = door.client("alice")
    for do, more in (
        (alice.put_object, {"Key": "k", "Body": b"x" * 200_000}),
        (alice.create_multipart_upload, {"Key": "k"}),
        (alice.create_bucket, {}),
    ):
        where = {"Bucket": bucket} | more
        assert refused(do, **where, ACL="public-read") == (400, "AccessControlListNotSupported")
    assert alice.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_encryption_is_refused(door: Served, bucket: str) -> None:
    """PutBucketEncryption was taken, and every PUT was then answered by 500."""
    alice = door.client("alice")
    put = alice.put_bucket_encryption
    assert refused(put, Bucket=bucket, ServerSideEncryptionConfiguration=ENCRYPTION) == (
        501,
        "NotImplemented",
    )
    for algorithm in ("AES256", "aws:kms"):
        put = alice.put_object
        found = refused(put, Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption=algorithm)
        assert found == (501, "NotImplemented")
    alice.put_object(Bucket=bucket, Key="k", Body=b"x")


def test_what_the_store_does_not_have_is_not_implemented(door: Served, bucket: str) -> None:
    """It took a PUT of each for CreateBucket."""
    methods = {"website": ("GET", "PUT", "DELETE"), "logging": ("GET", "PUT", "DELETE")}
    for what in (
        "website",
        "logging",
        "replication",
        "accelerate",
        "analytics",
        "publicAccessBlock",
        "lifecycle",
    ):
        for method in methods.get(what, ("PUT",)):
            status, said = sent(door, door.keys["alice"], method, f"/{bucket}?{what}", b"<X/>")
            assert (status, b"<Code>NotImplemented</Code>" in said) == (501, True), (method, what)


def test_two_keys_are_never_one_object(door: Served, bucket: str) -> None:
    """The store keeps z//y as z/y."""
    alice, key = door.client("alice"), door.keys["alice"]
    alice.put_object(Bucket=bucket, Key="z/y", Body=b"first")
    for path in ("z//y", "/z/y", "z/./y", "z%2F%2Fy", "z%5Cy", "./z/y", "z/x/../y"):
        status, said = sent(door, key, "PUT", f"/{bucket}/{path}", b"second")
        assert (status, b"InvalidArgument" in said) == (400, True), path
        assert sent(door, key, "GET", f"/{bucket}/{path}")[0] == 404, path
        assert sent(door, key, "DELETE", f"/{bucket}/{path}")[0] == 400, path
    copy = {"Bucket": bucket, "Key": "z//y"}
    assert refused(alice.copy_object, Bucket=bucket, Key="c", CopySource=copy) == (400, "InvalidArgument")
    objects = {"Objects": [{"Key": "z//y"}]}
    assert refused(alice.delete_objects, Bucket=bucket, Delete=objects) == (400, "InvalidArgument")
    assert alice.get_object(Bucket=bucket, Key="z/y")["Body"].read() == b"first"
    alice.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "z/y"}]})
    assert refused(alice.get_object, Bucket=bucket, Key="z/y") == (404, "NoSuchKey")


def test_a_key_that_is_not_utf_8_is_refused(door: Served, bucket: str) -> None:
    """The store takes all bytes that are none for the same character, and answers what is no escape by plain text."""
    alice, key = door.client("alice"), door.keys["alice"]
    alice.put_object(Bucket=bucket, Key="\ufffd", Body=b"stays")
    for path in ("%FF", "%FE", "%EF%BF", "%ED%A0%80", "%zz", "a%"):
        for method in ("GET", "PUT", "DELETE"):
            status, said = sent(door, key, method, f"/{bucket}/{path}", b"" if method != "PUT" else b"x")
            assert (status, b"<Code>InvalidURI</Code>" in said) == (400, True), (method, path)
    copied = sent(door, key, "PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": f"/{bucket}/%FF"})
    assert (copied[0], b"<Code>InvalidURI</Code>" in copied[1]) == (400, True)
    assert alice.get_object(Bucket=bucket, Key="\ufffd")["Body"].read() == b"stays"


def test_a_copy_of_nothing_leaves_the_object_as_it_is(door: Served, bucket: str) -> None:
    """A source that was encoded twice names no key: the store put an empty object there, and answered 200."""
    alice = door.client("alice")
    for key in ("from", "to"):
        alice.put_object(Bucket=bucket, Key=key, Body=b"stays")
    for source in (f"{bucket}%252Ffrom", bucket, f"/{bucket}/", "/", ""):
        headers = {"x-amz-copy-source": source}
        status, said = sent(door, door.keys["alice"], "PUT", f"/{bucket}/to", headers=headers)
        assert (status, b"<Code>InvalidArgument</Code>" in said) == (400, True), source
    assert alice.get_object(Bucket=bucket, Key="to")["Body"].read() == b"stays"
    alice.copy_object(Bucket=bucket, Key="to", CopySource=f"/{bucket}/from")


@pytest.mark.parametrize("prefix", ["z%2F%2F", "z//", "z%5C"])
def test_a_prefix_that_no_key_can_have_lists_no_other(door: Served, bucket: str, prefix: str) -> None:
    """The store lists z/y for z//, and what is listed is deleted (`aws s3 rm --recursive`)."""
    door.client("alice").put_object(Bucket=bucket, Key="z/y", Body=b"stays")
    status, said = sent(door, door.keys["alice"], "GET", f"/{bucket}?prefix={prefix}")
    assert (status, b"InvalidArgument" in said) == (400, True)


def test_a_query_that_is_not_utf_8_is_refused(door: Served, bucket: str) -> None:
    status, said = sent(door, door.keys["alice"], "GET", f"/{bucket}?marker=%FF")
    assert (status, b"InvalidArgument" in said) == (400, True)


@pytest.mark.parametrize("name", ["xn--bucket", "bucket-s3alias"])
def test_names_that_s3_keeps_for_itself_are_refused(door: Served, name: str) -> None:
    """The store refuses them too, which was 503."""
    assert refused(door.client("alice").create_bucket, Bucket=name) == (400, "InvalidBucketName")


def test_a_folder_has_no_content(door: Served, bucket: str) -> None:
    """The store answers 200 and keeps a key that ends with a slash without its bytes."""
    alice = door.client("alice")
    alice.put_object(Bucket=bucket, Key="content", Body=b"content")
    alice.put_object(Bucket=bucket, Key="folder/", Body=b"")
    to_folder = {"Bucket": bucket, "Key": "folder/"}
    content = {"Bucket": bucket, "Key": "content"}
    for call, arguments in (
        (alice.put_object, {"Body": b"lost"}),
        (alice.put_object, {"Body": io.BytesIO(b"lost"), "ChecksumAlgorithm": "CRC32"}),
        (alice.copy_object, {"CopySource": content}),
        (alice.create_multipart_upload, {}),
    ):
        assert refused(call, **to_folder, **arguments) == (400, "InvalidArgument")
    tags: dict[str, Any] = {"TagSet": []}
    assert refused(alice.put_object_tagging, **to_folder, Tagging=tags) == (501, "NotImplemented")
    shown = [each["Key"] for each in alice.list_objects_v2(Bucket=bucket)["Contents"]]
    assert shown == ["content", "folder/"]


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("x-amz-acl", "public-read", (400, "AccessControlListNotSupported")),
        ("X-Amz-Acl", "public-read", (400, "AccessControlListNotSupported")),
        ("x-amz-grant-read", "uri=x", (400, "AccessControlListNotSupported")),
        ("x-amz-server-side-encryption", "AES256", (501, "NotImplemented")),
        ("x-amz-copy-source", "a/b", (501, "NotImplemented")),
        ("x-amz-meta-colour", "red", (501, "NotImplemented")),
        ("x-amz-tagging", "a=b", (501, "NotImplemented")),
        ("x-amz-acl", "private", None),
        ("x-amz-checksum-crc32", "26gLsg==", None),
        ("x-amz-sdk-checksum-algorithm", "CRC32", None),
    ],
)
def test_headers_that_a_presigned_url_has_in_its_query_are_obeyed_or_refused(
    door: Served, bucket: str, name: str, value: str, found: tuple[int, str] | None
) -> None:
    """The store ignores them: metadata was lost, a copy became an empty object. The SDK for JavaScript moves them
    there."""
    key = door.keys["alice"]
    url = f"{door.endpoint}/{bucket}/presigned?{urlencode({name: value})}"
    request = AWSRequest(method="PUT", url=url)
    S3SigV4QueryAuth(Credentials(key.access_key_id, key.secret_key), "s3", "us-east-1").add_auth(request)
    answer = requests.put(request.url, b"body", timeout=20)
    status, code = found or (200, "")
    assert (answer.status_code, code in answer.text) == (status, True)


def test_only_bucket_owner_enforced_is_taken(door: Served, bucket: str) -> None:
    alice = door.client("alice")
    controls = alice.put_bucket_ownership_controls
    alice.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=ownership("BucketOwnerEnforced"))
    found = refused(controls, Bucket=bucket, OwnershipControls=ownership("ObjectWriter"))
    assert found == (501, "NotImplemented")


def ownership(what: str) -> Any:
    return {"Rules": [{"ObjectOwnership": what}]}


def test_a_form_is_not_implemented(door: Served, bucket: str) -> None:
    """OOS has no pre-signed POST (reference section 11)."""
    assert sent(door, door.keys["alice"], "POST", f"/{bucket}", b"form")[0] == 501


def test_objects_of_every_size_pass(door: Served, bucket: str) -> None:
    """Empty, in one segment, in many; in parts, in chunks, by ranges, by HEAD, by a URL; on one connection."""
    alice = door.client("alice")
    for size in (0, 1, 65_536, 5 * 1024 * 1024 + 1):
        body = hashlib.shake_128(bytes([size % 251])).digest(size)
        alice.put_object(Bucket=bucket, Key=f"k{size}", Body=body)
        assert alice.get_object(Bucket=bucket, Key=f"k{size}")["Body"].read() == body
        assert alice.head_object(Bucket=bucket, Key=f"k{size}")["ContentLength"] == size
    found = alice.get_object(Bucket=bucket, Key="k65536", Range="bytes=10-19")
    assert found["Body"].read() == hashlib.shake_128(bytes([65_536 % 251])).digest(20)[10:]
    upload = {"Bucket": bucket, "Key": "parts"}
    upload["UploadId"] = alice.create_multipart_upload(**upload)["UploadId"]
    tag = alice.upload_part(**upload, PartNumber=1, Body=b"part")["ETag"]
    alice.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    url = alice.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "parts"})
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    for _ in range(3):
        connection.request("GET", url.removeprefix(door.endpoint))
        assert connection.getresponse().read() == b"part"
    connection.close()


def test_a_body_in_chunks_passes(door: Served, bucket: str) -> None:
    alice = door.client("alice")
    url = alice.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "chunks"})
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    pieces = (b"piece%d" % number * 10_000 for number in range(20))
    connection.request("PUT", url.removeprefix(door.endpoint), pieces, encode_chunked=True)
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"")
    connection.close()
    assert alice.head_object(Bucket=bucket, Key="chunks")["ContentLength"] == sum(
        len(b"piece%d" % number) * 10_000 for number in range(20)
    )
