"""Decides what happens to a request: passed to the store, answered by the door, or refused.

The store mistakes requests that it does not support for others (`PUT ?logging` makes a bucket), accepts settings that
it does not obey, and stores two keys as one. docs/buckets.md has the list.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final
from urllib.parse import unquote

from souche.http.s3.answers import Refused
from souche.http.s3.heads import Request
from souche.objects.names import flaw_of_key, flaw_of_list, is_bucket_name

PRIVATE: Final = frozenset({"private", "bucket-owner-full-control"})
"""ACLs that describe the default"""
READS: Final = frozenset({"GET", "HEAD"})
CHANGES: Final = frozenset({"GET", "PUT", "DELETE"})
SIGNING: Final = frozenset({"AWSAccessKeyId", "Expires", "Signature", "x-id"})
OF_SERVICE: Final = frozenset({"max-buckets", "continuation-token", "prefix", "bucket-region"})
OF_BUCKET: Final[Mapping[str, frozenset[str]]] = {
    "accelerate": READS,
    "acl": READS,
    "cors": CHANGES,
    "encryption": frozenset({"GET", "DELETE"}),
    "lifecycle": frozenset({"GET", "DELETE"}),
    "location": READS,
    "notification": READS,
    "object-lock": frozenset({"GET", "PUT"}),
    "ownershipControls": READS,
    "policyStatus": READS,
    "replication": READS,
    "requestPayment": READS,
    "tagging": CHANGES,
    "uploads": READS,
    "versioning": frozenset({"GET", "PUT"}),
    "versions": READS,
}
"""Subresources of a bucket, and how they are forwarded."""
UNKNOWN_TO_STORE: Final = frozenset(
    {
        *(
            "abac",
            "analytics",
            "attributes",
            "delete",
            "intelligent-tiering",
            "inventory",
            "journal",
            "logging",
        ),
        *(
            "metadataConfiguration",
            "metadataTable",
            "metrics",
            "policy",
            "publicAccessBlock",
            "session",
            "website",
        ),
    }
)
OF_OBJECT_REFUSED: Final = frozenset({"encryption", "renameObject", "restore", "select", "torrent"})
NO_HEADERS: Final = ("x-amz-server-side-encryption", "x-amz-website-redirect-location")
ONLY_AS_HEADERS: Final = (
    *(
        "x-amz-acl",
        "x-amz-grant-",
        "x-amz-copy-source",
        "x-amz-meta-",
        "x-amz-metadata-directive",
        "x-amz-object-lock-",
    ),
    *("x-amz-server-side-encryption", "x-amz-tagging", "x-amz-website-redirect-location"),
)
"""Prefixes of headers that control how an object is written."""
FOLDER_WITH_CONTENT: Final = (
    "A key that ends with '/' is an empty folder: the object store would keep no content of it."
)
NO_SOURCE: Final = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey."
NO_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")
NOT_IMPLEMENTED: Final = (
    "A header or query you provided implies functionality that is not implemented: {what}"
)


class Kind(Enum):
    """Who answers."""

    PASS = auto()
    INSPECT = auto()
    """forwarded after its body was checked"""
    CREATE = auto()
    DELETE = auto()
    """forwarded, and recorded once it is done"""
    POLICY = auto()


@dataclass(frozen=True)
class Target:
    """The bucket of a request, and its decoded key, if there is one."""

    bucket: str
    key: str


def target(request: Request) -> Target:
    """Which bucket, and which key.

    Raises:
        Refused: there can be no such bucket, or the path is no text in UTF-8.
    """
    bucket, _, key = request.path[1:].partition("/")
    if bucket and not is_bucket_name(bucket):
        raise Refused("InvalidBucketName", "A bucket has 3 to 63 lower-case letters, digits and hyphens.")
    if not bucket and key:
        raise Refused("InvalidBucketName", "The name of the bucket is missing.")
    if NO_ESCAPE.search(key):
        raise _no_uri()
    return Target(bucket, _key(key))


def _key(encoded: str) -> str:
    """A key. The store would replace all bytes that are not UTF-8 by one character, and so merge several keys."""
    try:
        return unquote(encoded, errors="strict")
    except UnicodeDecodeError as error:
        raise _no_uri() from error


def _no_uri() -> Refused:
    return Refused("InvalidURI", "Couldn't parse the specified URI.")


def route(request: Request, about: Target) -> Kind:
    """What happens to a request.

    Raises:
        Refused.
    """
    names = {unquote(each.partition("=")[0]) for each in request.query.split("&") if each}
    names = {each for each in names if each not in SIGNING and not each.startswith("X-Amz-")}
    _check_headers(request.headers)
    _check_query(request.query)
    if not about.bucket:
        return _of_service(request, names)
    if about.key:
        return _of_object(request, about.key, names)
    return _of_bucket(request, names)


def _of_service(request: Request, names: set[str]) -> Kind:
    if request.method not in READS or not names <= OF_SERVICE:
        raise Refused("MethodNotAllowed", "The specified method is not allowed against this resource.")
    return Kind.PASS


def _of_bucket(request: Request, names: set[str]) -> Kind:
    method = request.method
    known = sorted(names & (OF_BUCKET.keys() | UNKNOWN_TO_STORE))
    if known == ["policy"] and method in CHANGES:
        return Kind.POLICY
    if (known == ["delete"] and method == "POST") or (
        known in (["acl"], ["ownershipControls"]) and method == "PUT"
    ):
        return Kind.INSPECT
    if any(method not in OF_BUCKET.get(each, ()) for each in known if method != "OPTIONS"):
        raise not_implemented(f"{method} ?{known[0]}")
    if method in READS or method == "OPTIONS" or known:
        return Kind.PASS
    if method not in ("PUT", "DELETE") or names:
        raise not_implemented(f"{method} of a bucket")
    return Kind.CREATE if method == "PUT" else Kind.DELETE


def _of_object(request: Request, key: str, names: set[str]) -> Kind:
    if flaw := flaw_of_key(key):
        if request.method in READS:
            raise Refused("NoSuchKey", "The specified key does not exist.")
        raise Refused("InvalidArgument", f"The key is not valid: {flaw}.")
    if refused := sorted(names & OF_OBJECT_REFUSED):
        raise not_implemented(f"?{refused[0]}")
    if key.endswith("/") and _brings_content(request, names):
        raise Refused("InvalidArgument", FOLDER_WITH_CONTENT)
    if key.endswith("/") and request.method == "PUT" and "tagging" in names:
        raise not_implemented("tags of a folder")
    return Kind.INSPECT if "acl" in names and request.method == "PUT" else Kind.PASS


def _brings_content(request: Request, names: set[str]) -> bool:
    """Whether a request would write bytes, or begin to."""
    if request.method == "POST":
        return "uploads" in names
    if request.method != "PUT" or not names.isdisjoint(("acl", "tagging")):
        return False
    if "x-amz-copy-source" in request.headers:
        return True
    decoded = request.headers.get("x-amz-decoded-content-length")
    return request.has_body if decoded is None else decoded != "0"


def _check_headers(headers: Mapping[str, str]) -> None:
    if headers.get("x-amz-acl", "private") not in PRIVATE or any(
        each.startswith("x-amz-grant-") for each in headers
    ):
        raise no_acls()
    for each in NO_HEADERS:
        if each in headers:
            raise not_implemented(each)
    if "x-amz-copy-source" in headers:
        _check_source(headers["x-amz-copy-source"])


def _check_source(encoded: str) -> None:
    """The store would treat a copy without a key as the upload of an empty object."""
    bucket, _, key = _key(encoded.partition("?")[0]).removeprefix("/").partition("/")
    if not bucket or not key:
        raise Refused("InvalidArgument", NO_SOURCE)
    if flaw := flaw_of_key(key):
        raise Refused("InvalidArgument", f"The source is not valid: {flaw}.")


def _check_query(query: str) -> None:
    """S3 accepts headers in the query of a pre-signed URL, and some SDKs put them there. The store ignores them."""
    given = _values(query)
    headers = {name: value for name, value in given.items() if name.startswith(ONLY_AS_HEADERS)}
    _check_headers(headers)
    if wrong := sorted(headers.keys() - {"x-amz-acl"}):
        raise not_implemented(f"{wrong[0]} in the query; send it as a header, and sign it")
    if flaw := flaw_of_list(given.get("prefix", "")):
        raise Refused("InvalidArgument", f"The prefix is not valid: {flaw}.")


def _values(query: str) -> dict[str, str]:
    """The parameters, by their names in lower case."""
    given = [each.partition("=") for each in query.split("&")]
    try:
        return {
            unquote(name, errors="strict").lower(): unquote(value, errors="strict")
            for name, _, value in given
        }
    except UnicodeDecodeError as error:
        raise Refused("InvalidArgument", "The query is not UTF-8.") from error


def not_implemented(what: str) -> Refused:
    """A refusal of a feature that the store does not support."""
    return Refused("NotImplemented", NOT_IMPLEMENTED.format(what=what))


def no_acls() -> Refused:
    """A refusal of an ACL that admits anyone else."""
    return Refused("AccessControlListNotSupported", "The bucket does not allow ACLs; use a bucket policy.")
