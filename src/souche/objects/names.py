"""Names of buckets, and what keys of objects may begin with."""

import re
from typing import Final

BUCKET: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]")
RESERVED: Final = frozenset({"healthz", "metrics", "status"})
"""Names under which the embedded store, SeaweedFS, tells of itself."""
OF_S3: Final = re.compile("^xn--|-s3alias$")
UNLISTED: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Control characters, and what XML 1.0 or UTF-8 cannot have: no list of keys is sure to show them."""


def is_bucket_name(name: str) -> bool:
    """Whether a name suits a bucket of OOS: 3 to 63 lower-case letters, digits and hyphens, beginning and ending
    with a letter or a digit (reference section 11; without dots, none looks like an IP address)."""
    return BUCKET.fullmatch(name) is not None


def is_name_for_oos(name: str) -> bool:
    """Whether a bucket of the embedded store can be made and reached by the name. Like S3 it refuses names that begin
    with `xn--` or end with `-s3alias`."""
    return is_bucket_name(name) and name not in RESERVED and not OF_S3.search(name)


def flaw_of_prefix(prefix: str) -> str | None:
    """Why the embedded store, SeaweedFS 4.48, would refuse a key that begins so, write it under another name, or not
    list it; None: it would do none of that. Seen by tests/objects/test_names.py."""
    if UNLISTED.search(prefix):
        return "control characters, and those that UTF-8 or XML cannot have, are refused"
    return _flaw_of_folders(prefix)


def flaw_of_key(key: str) -> str | None:
    """The same of a whole key that a client has chosen. What cannot be listed is the client's to know."""
    return _flaw_of_folders(key if key.endswith("/") else f"{key}/")


def flaw_of_list(prefix: str) -> str | None:
    """Why the store would list keys that do not begin so. A client that deletes what is listed would delete others."""
    if "//" in prefix or "\\" in prefix:
        return "it would list keys with one '/' in place of it"
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
        return "folders named '.uploads', or that end with '.versions', are the object store's own"
    return None
