"""Names of buckets."""

import re
from typing import Final

BUCKET: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]")


def is_bucket_name(name: str) -> bool:
    """Whether a name suits a bucket of OOS: 3 to 63 lower-case letters, digits and hyphens, beginning and ending
    with a letter or a digit (reference section 11; without dots, none looks like an IP address)."""
    return BUCKET.fullmatch(name) is not None
