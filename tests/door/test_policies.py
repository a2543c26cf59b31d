"""A policy that is accepted is obeyed, exactly; another is refused: against the real store, action by action."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from souche.db import buckets
from souche.formats import bucket_policy
from souche.reconcile.bucket_records import BucketRecords
from tests.door.served import Served, refusal
from tests.support.polling import eventually

Do = Callable[[Any, str, Any], Any]


def upload(client: Any, bucket: str) -> str:
    upload_id: str = client.create_multipart_upload(Bucket=bucket, Key="mine")["UploadId"]
    return upload_id


TAGS = {"TagSet": [{"Key": "a", "Value": "b"}]}
ACTIONS: dict[str, Do] = {
    "AbortMultipartUpload": lambda c, b, o: c.abort_multipart_upload(
        Bucket=b, Key="mine", UploadId=upload(o, b)
    ),
    "DeleteObject": lambda c, b, _: c.delete_object(Bucket=b, Key="spare"),
    "DeleteObjectTagging": lambda c, b, _: c.delete_object_tagging(Bucket=b, Key="key"),
    "GetObject": lambda c, b, _: c.get_object(Bucket=b, Key="key"),
    "GetObjectTagging": lambda c, b, _: c.get_object_tagging(Bucket=b, Key="key"),
    "ListMultipartUploadParts": lambda c, b, o: c.list_parts(Bucket=b, Key="mine", UploadId=upload(o, b)),
    "PutObject": lambda c, b, _: c.put_object(Bucket=b, Key="spare", Body=b"x"),
    "PutObjectTagging": lambda c, b, _: c.put_object_tagging(Bucket=b, Key="key", Tagging=TAGS),
    "GetBucketLocation": lambda c, b, _: c.get_bucket_location(Bucket=b),
    "GetBucketVersioning": lambda c, b, _: c.get_bucket_versioning(Bucket=b),
    "ListBucket": lambda c, b, _: c.list_objects_v2(Bucket=b),
    "ListBucketMultipartUploads": lambda c, b, _: c.list_multipart_uploads(Bucket=b),
    "ListBucketVersions": lambda c, b, _: c.list_object_versions(Bucket=b),
    "PutBucketVersioning": lambda c, b, _: c.put_bucket_versioning(
        Bucket=b, VersioningConfiguration={"Status": "Suspended"}
    ),
    "DeleteBucket": lambda c, b, _: c.delete_bucket(Bucket=b),
}
"""What each action allows: done by one client in a bucket, with the help of its owner."""


def statement(
    bucket: str, principal: Any, *actions: str, effect: str = "Allow", **more: Any
) -> dict[str, Any]:
    arn = f"arn:aws:s3:::{bucket}"
    return {
        "Effect": effect,
        "Principal": principal,
        "Action": [f"s3:{each}" for each in actions],
        "Resource": [arn, f"{arn}/*"],
    } | more


def put(client: Any, bucket: str, *statements: dict[str, Any]) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    client.put_bucket_policy(Bucket=bucket, Policy=document)


def is_allowed(do: Callable[[], Any]) -> bool:
    try:
        do()
    except ClientError as error:
        if refusal(error)[0] != 403:
            raise
        return False
    return True


def check(do: Callable[[], Any], *, allowed: bool) -> None:
    """The store obeys a policy within moments."""
    eventually(lambda: is_allowed(do) is allowed, 10)


@pytest.mark.parametrize("action", sorted(bucket_policy.OBEYED))
def test_an_action_is_allowed_alone_and_denied_alone(door: Served, bucket: str, action: str) -> None:
    """Allowed: others are not. Denied among all that are allowed: others still are."""
    alice, bob = door.client("alice"), door.client("bob")
    principal, do = {"AWS": door.keys["bob"].account_id}, ACTIONS[action]
    for key in ("key", "spare"):
        alice.put_object(Bucket=bucket, Key=key, Body=b"x")
    other = "GetObject" if action != "GetObject" else "GetObjectTagging"
    every = statement(bucket, principal, "*")
    put(alice, bucket, every, statement(bucket, principal, action, effect="Deny"))
    check(lambda: ACTIONS[other](bob, bucket, alice), allowed=True)
    check(lambda: do(bob, bucket, alice), allowed=False)
    if action == "DeleteBucket":
        alice.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "key"}, {"Key": "spare"}]})
    put(alice, bucket, statement(bucket, principal, action))
    assert not is_allowed(lambda: ACTIONS[other](bob, bucket, alice))
    check(lambda: do(bob, bucket, alice), allowed=True)


def test_every_action_is_tried() -> None:
    assert ACTIONS.keys() == bucket_policy.OBEYED


@pytest.mark.parametrize(
    "form",
    [
        '{"AWS": "ID"}',
        '{"AWS": "arn:aws:iam::ID:root"}',
        '{"AWS": ["arn:aws:iam::ID:user/bob"]}',
        '{"AWS": "arn:aws:iam:::user/ID"}',
        '{"CanonicalUser": "ID"}',
    ],
)
def test_a_principal_is_named_in_every_form(door: Served, bucket: str, form: str) -> None:
    alice = door.client("alice")
    alice.put_object(Bucket=bucket, Key="key", Body=b"x")
    principal = json.loads(form.replace("ID", door.keys["bob"].account_id))
    put(alice, bucket, statement(bucket, principal, "GetObject"))
    check(lambda: door.client("bob").get_object(Bucket=bucket, Key="key"), allowed=True)
    for other in ("carol", None):
        check(lambda other=other: door.client(other).get_object(Bucket=bucket, Key="key"), allowed=False)  # type: ignore[misc]


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}])
def test_everybody(door: Served, bucket: str, principal: Any) -> None:
    """Accounts, too, which a bucket ACL of the store shut out; by keys, and not beyond them."""
    alice = door.client("alice")
    for key in ("open/key", "key"):
        alice.put_object(Bucket=bucket, Key=key, Body=b"x")
    resource = f"arn:aws:s3:::{bucket}/open/*"
    put(alice, bucket, statement(bucket, principal, "GetObject", Resource=resource))
    for name in ("bob", None, "alice"):
        client = door.client(name)
        check(lambda client=client: client.get_object(Bucket=bucket, Key="open/key"), allowed=True)  # type: ignore[misc]
        check(lambda client=client: client.get_object(Bucket=bucket, Key="key"), allowed=name == "alice")  # type: ignore[misc]


@pytest.mark.parametrize("action", sorted(bucket_policy.TO_EVERYBODY))
def test_what_everybody_is_allowed_needs_no_key(door: Served, bucket: str, action: str) -> None:
    """For all other actions the same policy admits accounts, and no request without a key."""
    alice = door.client("alice")
    alice.put_object(Bucket=bucket, Key="key", Body=b"x")
    put(alice, bucket, statement(bucket, "*", action))
    for name in ("bob", None):
        client = door.client(name)
        check(lambda client=client: ACTIONS[action](client, bucket, alice), allowed=True)  # type: ignore[misc]
    with pytest.raises(ClientError) as caught:
        put(alice, bucket, statement(bucket, "*", "PutObject"))
    assert refusal(caught.value) == (501, "NotImplemented")


def test_a_prefix(door: Served, bucket: str) -> None:
    alice, bob = door.client("alice"), door.client("bob")
    principal = {"AWS": door.keys["bob"].account_id}
    condition = {"StringLike": {"s3:prefix": "logs/*"}}
    put(alice, bucket, statement(bucket, principal, "ListBucket", Condition=condition))
    check(lambda: bob.list_objects_v2(Bucket=bucket, Prefix="logs/2026"), allowed=True)
    for prefix in ("", "log", "other/"):
        assert not is_allowed(lambda prefix=prefix: bob.list_objects_v2(Bucket=bucket, Prefix=prefix))  # type: ignore[misc]


def test_an_owner_cannot_shut_itself_out(door: Served, bucket: str) -> None:
    """With a policy that denies everything, the store itself let no one remove it, not even the region."""
    alice = door.client("alice")
    alice.put_object(Bucket=bucket, Key="key", Body=b"x")
    put(alice, bucket, statement(bucket, "*", "*", effect="Deny"))
    check(lambda: alice.get_object(Bucket=bucket, Key="key"), allowed=False)
    assert "Deny" in alice.get_bucket_policy(Bucket=bucket)["Policy"]
    alice.delete_bucket_policy(Bucket=bucket)
    check(lambda: alice.get_object(Bucket=bucket, Key="key"), allowed=True)


def test_a_policy_is_its_owners(door: Served, bucket: str) -> None:
    """Whatever it allows to others; it is shown as it was sent."""
    alice, bob = door.client("alice"), door.client("bob")
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": statement(bucket, {"AWS": door.keys["bob"].account_id}, "*")}
    )
    alice.put_bucket_policy(Bucket=bucket, Policy=document)
    assert alice.get_bucket_policy(Bucket=bucket)["Policy"] == document
    assert not is_allowed(lambda: bob.get_bucket_policy(Bucket=bucket))
    assert not is_allowed(lambda: bob.put_bucket_policy(Bucket=bucket, Policy=document))
    assert not is_allowed(lambda: bob.delete_bucket_policy(Bucket=bucket))


def test_a_policy_that_a_crash_cut_off_holds_after_the_sweep(door: Served, bucket: str) -> None:
    """It is on record before the store has it."""
    alice, bob = door.client("alice"), door.client("bob")
    alice.put_object(Bucket=bucket, Key="key", Body=b"x")
    account = door.keys["bob"].account_id
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": [statement(bucket, {"AWS": account}, "GetObject")]}
    ).encode()
    with door.region.begin() as work:
        obeyed = bucket_policy.obeyed(document, bucket, lambda each: each)
        buckets.set_policy(work.connection, bucket, document.decode(), obeyed.decode())
    assert not is_allowed(lambda: bob.get_object(Bucket=bucket, Key="key"))
    BucketRecords(door.region.store, door.oos).settle()
    check(lambda: bob.get_object(Bucket=bucket, Key="key"), allowed=True)
    with door.region.store.read() as connection:
        assert bucket not in [each.bucket for each in buckets.policies(connection, pending_only=True)]


def test_of_two_policies_at_once_the_one_on_record_holds(door: Served, bucket: str) -> None:
    alice, bob = door.client("alice"), door.client("bob")
    alice.put_object(Bucket=bucket, Key="key", Body=b"x")
    account = door.keys["bob"].account_id
    documents = [
        json.dumps({"Statement": [statement(bucket, {"AWS": account}, action)]})
        for action in ("GetObject", "PutObject")
    ]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda each: alice.put_bucket_policy(Bucket=bucket, Policy=each), documents * 5))
    shown = alice.get_bucket_policy(Bucket=bucket)["Policy"]
    check(lambda: bob.get_object(Bucket=bucket, Key="key"), allowed="GetObject" in shown)
    check(lambda: bob.put_object(Bucket=bucket, Key="other", Body=b""), allowed="PutObject" in shown)


def test_a_bad_policy_is_refused_by_s3s_codes(door: Served, bucket: str) -> None:
    alice = door.client("alice")
    everybody = statement(bucket, "*", "GetObject")
    cases = {
        (400, "MalformedPolicy"): statement(bucket, {"AWS": "999999999999"}, "GetObject"),
        (501, "NotImplemented"): everybody | {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
    }
    for expected, wrong in cases.items():
        with pytest.raises(ClientError) as caught:
            put(alice, bucket, wrong)
        assert refusal(caught.value) == expected
    with pytest.raises(ClientError) as caught:
        alice.get_bucket_policy(Bucket=bucket)
    assert refusal(caught.value) == (404, "NoSuchBucketPolicy")
