"""The OUTSCALE section of user data: orders for the platform, between two lines, one `key=value` on each line
(reference section 9).

    -----BEGIN OUTSCALE SECTION-----
    private_only=true
    tags.Name=web
    -----END OUTSCALE SECTION-----

`tags.KEY` tags the VM at its launch; `osc.fcu.eip.auto-attach` links the public IP that it names (`app/public_ips`).
`private_only` hides the public address where no public IP is linked. `filter_private_section` hides the section from
the guest. `pin`, and the other tags of the platform's own (`osc.fcu.…`), have nothing to act on here.

User data that is compressed (gzip, which cloud-init takes) may have a section inside.
"""

import functools
import gzip
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from souche.value_refusals import BadUserData

BEGIN: Final = b"-----BEGIN OUTSCALE SECTION-----"
END: Final = b"-----END OUTSCALE SECTION-----"
TAG_PREFIX: Final = "tags."
FLAGS: Final = ("private_only", "filter_private_section")
WITHOUT_EFFECT: Final = ("pin",)
TRUTH: Final = {"true": True, "false": False}
GZIP: Final = b"\x1f\x8b"
GZIP_WINDOW: Final = 31
"""zlib's number for gzip"""
MOST_BYTES: Final = 16 * 1024 * 1024
"""limit for decompressed user data: ours, 32 times the limit for uncompressed data"""
MOST_MEMBERS: Final = 16
REMEMBERED: Final = 32
"""cached sections of compressed data, each of at most 500 KiB: every read of a VM needs its own"""


@dataclass(frozen=True)
class Section:
    """The orders of a section."""

    private_only: bool = False
    filter_private_section: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


NO_SECTION: Final = Section()


def section(data: bytes) -> Section:
    """The section in user data; an empty one if there is none.

    Raises:
        BadUserData: an unknown key, a flag that is neither true nor false, no end, or compressed data that expands too
            far (`_expanded`).
    """
    return _section_inside(data) if data.startswith(GZIP) else _section(data)


def of_vm(data: bytes) -> Section:
    """As `section`, for an existing VM. User data that an earlier release accepted, and this one refuses, has no
    orders."""
    try:
        return section(data)
    except BadUserData:
        return NO_SECTION


@functools.lru_cache(maxsize=REMEMBERED)
def _section_inside(data: bytes) -> Section:
    return _section(_expanded(data))


def _section(text: bytes) -> Section:
    if BEGIN not in text:
        return NO_SECTION
    flags: dict[str, bool] = {}
    tags: dict[str, str] = {}
    for key, value in _orders(text):
        if key.startswith(TAG_PREFIX):
            tags[key.removeprefix(TAG_PREFIX)] = value
        elif key in FLAGS:
            flags[key] = _flag(key, value)
        elif key not in WITHOUT_EFFECT:
            raise BadUserData(reason=f"Invalid tag name {key}")
    return Section(**flags, tags=tags)


def for_guest(data: bytes) -> bytes:
    """User data as the guest sees it: without the section if the section hides itself, and compressed if it was
    compressed."""
    if not of_vm(data).filter_private_section:
        return data
    if not data.startswith(GZIP):
        return _without_section(data)
    left = _without_section(_expanded(data))
    return gzip.compress(left, mtime=0) if left else b""


def _without_section(text: bytes) -> bytes:
    before, _, rest = text.partition(BEGIN)
    return before + rest.partition(END)[2].removeprefix(b"\r").removeprefix(b"\n")


def _expanded(data: bytes) -> bytes:
    """The content of compressed data; empty if it only begins like compressed data.

    Raises:
        BadUserData: it is more than MOST_BYTES, or in more than MOST_MEMBERS pieces.
    """
    pieces: list[bytes] = []
    room = MOST_BYTES
    while data.startswith(GZIP):
        member = zlib.decompressobj(wbits=GZIP_WINDOW)
        try:
            pieces.append(member.decompress(data, room + 1))
        except zlib.error:
            return b""
        room -= len(pieces[-1])
        if room < 0 or len(pieces) > MOST_MEMBERS:
            raise BadUserData(
                reason=f"it expands to more than {MOST_BYTES} bytes, or has more than {MOST_MEMBERS} gzip members"
            )
        if not member.eof:
            return b""
        data = member.unused_data
    return b"".join(pieces)


def _orders(data: bytes) -> Iterator[tuple[str, str]]:
    text, end, _ = data.partition(BEGIN)[2].partition(END)
    if not end:
        raise BadUserData(reason="the OUTSCALE section has no end")
    for line in filter(None, map(str.strip, text.decode(errors="replace").splitlines())):
        key, sign, value = line.partition("=")
        if not sign:
            raise BadUserData(reason=f"in the OUTSCALE section '{line}' is not key=value")
        yield key.strip(), value.strip()


def _flag(key: str, value: str) -> bool:
    if value.lower() not in TRUTH:
        raise BadUserData(reason=f"{key} must be true or false, not '{value}'")
    return TRUTH[value.lower()]
