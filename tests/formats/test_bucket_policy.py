"""What a policy is refused for, and in which form it is passed on."""

import json
import time
from typing import Any

import pytest

from souche.formats.bucket_policy import MalformedPolicy, PolicyNotObeyed, obeyed

BOB = "000000000002"
NAMES = {"bob": BOB, BOB: BOB}
STATEMENT: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"AWS": BOB},
    "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::hers/*",
}


def passed_on(statement: Any, **policy: Any) -> Any:
    document = json.dumps({"Version": "2012-10-17", "Statement": statement} | policy).encode()
    return json.loads(obeyed(document, "hers", NAMES.get))["Statement"]


def test_a_policy_is_passed_on_action_by_action() -> None:
    both = ["arn:aws:s3:::hers", "arn:aws:s3:::hers/*"]
    (made,) = passed_on([STATEMENT | {"Sid": "x", "Action": ["s3:get*", "s3:ListBucket"], "Resource": both}])
    assert made == {
        "Effect": "Allow",
        "Principal": {"AWS": ["arn:aws:iam::000000000000:user/000000000002"]},
        "Action": [
            *(
                "s3:GetBucketLocation",
                "s3:GetBucketVersioning",
                "s3:GetObject",
                "s3:GetObjectTagging",
                "s3:ListBucket",
            ),
        ],
        "Resource": both,
    }


def test_an_action_of_the_policy_itself_is_denied_to_nobody() -> None:
    (made,) = passed_on({**STATEMENT, "Effect": "Deny", "Action": "*", "Principal": "*"})
    assert not [each for each in made["Action"] if "Policy" in each]


@pytest.mark.parametrize(
    "change",
    [
        {"Effect": "Perhaps"},
        {"Principal": {"AWS": "000000000009"}},
        {"Principal": {"AWS": "arn:aws:iam::000000000009:user/bob"}},
        {"Principal": {"AWS": "arn:aws:iam:::root"}},
        {"Principal": {"Service": "s3.amazonaws.com"}},
        {"Principal": {"AWS": []}},
        {"Principal": {"CanonicalUser": "*"}},
        {"Principal": BOB},
        {"Action": "ec2:RunInstances"},
        {"Action": "s3:ListBucket"},
        {"Action": []},
        {"Resource": "arn:aws:s3:::his/*"},
        {"Resource": "arn:aws:s3:::hers*"},
        {"Resource": "*"},
        {"Condition": "none"},
        {"Colour": "red"},
    ],
)
def test_a_malformed_policy_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedPolicy):
        passed_on([STATEMENT | change])


@pytest.mark.parametrize(
    "document",
    [b"", b"{", b"[]", b"\xff", b'{"Statement": 1}', b'{"Statement": [], "Statement": []}', b"[" * 20_000],
)
def test_what_is_no_policy_is_refused(document: bytes) -> None:
    with pytest.raises(MalformedPolicy):
        obeyed(document, "hers", NAMES.get)


def test_an_action_of_many_stars_is_looked_up_at_once() -> None:
    """Where every way to share letters among them is tried, this one takes years."""
    began = time.thread_time()
    with pytest.raises(PolicyNotObeyed):
        passed_on([STATEMENT | {"Action": "s3:" + "*e" * 40 + "*" * 9_000 + "z"}])
    assert time.thread_time() - began < 1


def test_a_policy_beyond_20_kib_is_refused() -> None:
    with pytest.raises(MalformedPolicy, match="20480"):
        passed_on([STATEMENT], Id="x" * 20_480)


@pytest.mark.parametrize(
    "change",
    [
        {"NotAction": "s3:GetObject"},
        {"NotPrincipal": {"AWS": BOB}},
        {"NotResource": "arn:aws:s3:::hers/x"},
        {"Action": "s3:PutObjectRetention"},
        {"Principal": "*", "Action": "s3:PutObject"},
        {"Principal": {"AWS": ["*", BOB]}, "Action": ["s3:GetObject", "s3:GetObjectTagging"]},
        {"Resource": "arn:aws:s3:::hers/${aws:username}/*"},
        {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {"Condition": {"StringLike": {"s3:prefix": "x/*"}}},
        {
            "Action": "s3:ListBucket",
            "Resource": "arn:aws:s3:::hers",
            "Condition": {"StringLike": {"s3:prefix": ["", "x/*"]}},
        },
    ],
)
def test_what_the_store_would_not_obey_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(PolicyNotObeyed):
        passed_on([STATEMENT | change])
