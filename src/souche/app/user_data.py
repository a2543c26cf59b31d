"""The OUTSCALE section of user data: orders for the platform, between two lines, one `key=value` on each line
(reference section 9).

    -----BEGIN OUTSCALE SECTION-----
    private_only=true
    tags.Name=web
    -----END OUTSCALE SECTION-----

`tags.KEY` tags the VM at its launch; `osc.fcu.eip.auto-attach` links the public IP that it names (`app/public_ips`).
`private_only` hides the public address where no public IP is linked. `filter_private_section` hides the section from
the guest. `pin`, and the other tags of the platform's own (`osc.fcu.…`), have nothing to act on here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from souche.refusals import BadUserData

BEGIN: Final = b"-----BEGIN OUTSCALE SECTION-----"
END: Final = b"-----END OUTSCALE SECTION-----"
TAG_PREFIX: Final = "tags."
FLAGS: Final = ("private_only", "filter_private_section")
WITHOUT_EFFECT: Final = ("pin",)
TRUTH: Final = {"true": True, "false": False}


@dataclass(frozen=True)
class Section:
    """What a section orders."""

    private_only: bool = False
    filter_private_section: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


NO_SECTION: Final = Section()


def section(data: bytes) -> Section:
    """What the section in user data orders; without one, nothing.

    Raises:
        BadUserData: an unknown key, a flag that is neither true nor false, or no end.
    """
    if BEGIN not in data:
        return NO_SECTION
    flags: dict[str, bool] = {}
    tags: dict[str, str] = {}
    for key, value in _orders(data):
        if key.startswith(TAG_PREFIX):
            tags[key.removeprefix(TAG_PREFIX)] = value
        elif key in FLAGS:
            flags[key] = _flag(key, value)
        elif key not in WITHOUT_EFFECT:
            raise BadUserData(reason=f"Invalid tag name {key}")
    return Section(**flags, tags=tags)


def for_guest(data: bytes) -> bytes:
    """User data as the guest sees it: without the section where that says so."""
    if not section(data).filter_private_section:
        return data
    before, _, rest = data.partition(BEGIN)
    return before + rest.partition(END)[2].removeprefix(b"\r").removeprefix(b"\n")


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
        raise BadUserData(reason=f"{key} is true or false, not '{value}'")
    return TRUTH[value.lower()]
