"""Names of buckets, and prefixes of keys."""

import re
from typing import Final

BUCKET: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]")
RESERVED: Final = frozenset({"healthz", "metrics", "status"})
"""Names that the embedded store, SeaweedFS, uses for its own status pages."""
OF_S3: Final = re.compile("^xn--|-s3alias$")
UNLISTED: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Control characters, and characters that XML 1.0 or UTF-8 cannot represent: a list of keys may omit them."""


def is_bucket_name(name: str) -> bool:
    """Whether a name is a valid bucket name of OOS: 3 to 63 lower-case letters, digits and hyphens, beginning and
    ending with a letter or a digit (reference section 11). Without dots, no name looks like an IP address."""
    return BUCKET.fullmatch(name) is not None


def is_name_for_oos(name: str) -> bool:
    """Whether a bucket of the embedded store can have this name. As in S3, names that begin with `xn--` or end with
    `-s3alias` are refused."""
    return is_bucket_name(name) and name not in RESERVED and not OF_S3.search(name)


def flaw_of_prefix(prefix: str) -> str | None:
    """Why the embedded store, SeaweedFS 4.48, would refuse a key with this prefix, store it under another name, or not
    list it; None: it does none of these. tests/objects/test_names.py checks this against the server."""
    if UNLISTED.search(prefix):
        return "control characters, and characters that UTF-8 or XML cannot encode, are refused"
    return _flaw_of_folders(prefix)


def flaw_of_key(key: str) -> str | None:
    """The same for a whole key that a client has chosen. Keys that the store does not list are allowed here."""
    return _flaw_of_folders(key if key.endswith("/") else f"{key}/")


def flaw_of_list(prefix: str) -> str | None:
    """Why the store would list keys without this prefix. A client that deletes the listed keys would delete other
    keys."""
    if "//" in prefix or "\\" in prefix:
        return "the object store would list keys with one '/' instead"
    return None


def _flaw_of_folders(prefix: str) -> str | None:
    *folders, _ = prefix.split("/")
    if "\\" in prefix:
        return "a backslash is refused: it would be written as '/'"
    if "" in folders:
        return "it must not begin with '/' nor have '//' in it: one '/' would be lost"
    if not {".", ".."}.isdisjoint(folders):
        return "'.' and '..' are refused between slashes"
    if any(folder == ".uploads" or folder.endswith(".versions") for folder in folders):
        return "folders named '.uploads', or that end with '.versions', are reserved for the object store"
    return None
