"""Lists of checksums as distributions publish them: `SHA256SUMS` (sha256sum(1)) and `CHECKSUM` (its --tag form).

9f86d081…  noble-server-cloudimg-amd64.img      or  9f86d081… *noble.img
SHA256 (Fedora-Cloud-Base.qcow2) = 9f86d081…
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Algorithm: TypeAlias = Literal["sha256", "sha512"]
ALGORITHMS: Final[Mapping[int, Algorithm]] = {64: "sha256", 128: "sha512"}
"""by the number of hex digits; other algorithms are too weak or unused"""
_PLAIN: Final = re.compile(r"(?P<digest>[0-9a-fA-F]{64}|[0-9a-fA-F]{128}) [ *](?:\./)?(?P<name>.+)")
_TAGGED: Final = re.compile(r"SHA(?:256|512) \((?:\./)?(?P<name>.+)\) = (?P<digest>[0-9a-fA-F]+)")


@dataclass(frozen=True)
class Checksum:
    """The expected checksum of a file; `digest` in lower case hex."""

    algorithm: Algorithm
    digest: str


def parse(text: str) -> Mapping[str, Checksum]:
    """The checksums by file names; the stronger one if a file has two. Lines of another form are ignored."""
    found: dict[str, Checksum] = {}
    for name, digest in _lines(text):
        algorithm = ALGORITHMS.get(len(digest))
        if algorithm and (name not in found or len(digest) > len(found[name].digest)):
            found[name] = Checksum(algorithm, digest.lower())
    return found


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        match = _PLAIN.fullmatch(line) or _TAGGED.fullmatch(line)
        if match:
            yield match["name"], match["digest"]
