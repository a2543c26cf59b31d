"""This machine's Debian mirrors, so that images are built from the same ones.

Reads both formats of sources.list(5). Only plain http(s) Debian archives count: other vendors' repositories and
`mirror+file:` lists are ignored. deb.debian.org replaces missing mirrors.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

APT_DIRECTORY = Path("/etc/apt")
DEBIAN_MAIN = "http://deb.debian.org/debian"
DEBIAN_SECURITY = "http://deb.debian.org/debian-security"

_ONE_LINE = re.compile(r"^deb\s+(?:\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>[^#]+)")
_PLAIN_SUITE = re.compile(r"^[a-z]+$")


@dataclass(frozen=True)
class Mirrors:
    """Base URLs of the Debian archive and of its security archive."""

    main: str = DEBIAN_MAIN
    security: str = DEBIAN_SECURITY


@dataclass(frozen=True)
class Source:
    """One (URL, suite) pair that apt reads, with its components."""

    uri: str
    suite: str
    components: tuple[str, ...]


def host_mirrors(apt_directory: Path = APT_DIRECTORY) -> Mirrors:
    """The mirrors that the machine's own apt configuration names. Files that do not exist are no error."""
    lists = [apt_directory / "sources.list", *sorted(apt_directory.glob("sources.list.d/*.list"))]
    one_line = (path.read_text(errors="replace") for path in lists if path.exists())
    deb822 = (
        path.read_text(errors="replace") for path in sorted(apt_directory.glob("sources.list.d/*.sources"))
    )
    return mirrors(
        [
            *(source for text in one_line for source in parse_list(text)),
            *(source for text in deb822 for source in parse_deb822(text)),
        ]
    )


def mirrors(sources: Iterable[Source]) -> Mirrors:
    """The first Debian archive and the first Debian security archive among `sources`."""
    usable = [s for s in sources if "main" in s.components and urlsplit(s.uri).scheme in ("http", "https")]
    main = (s.uri for s in usable if _PLAIN_SUITE.match(s.suite) and _path_ends(s.uri, "debian"))
    security = (s.uri for s in usable if s.suite.endswith("-security"))
    return Mirrors(
        main=next(main, DEBIAN_MAIN).rstrip("/"),
        security=next(security, DEBIAN_SECURITY).rstrip("/"),
    )


def parse_list(text: str) -> Iterator[Source]:
    """The binary sources of a one-line-style file."""
    for line in text.splitlines():
        if match := _ONE_LINE.match(line.strip()):
            yield Source(match["uri"], match["suite"], tuple(match["components"].split()))


def parse_deb822(text: str) -> Iterator[Source]:
    """The binary, enabled sources of a deb822-style file."""
    for paragraph in re.split(r"\n\s*\n", text):
        fields = _fields(paragraph)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(uri, suite, tuple(fields.get("components", "").split()))


def _fields(paragraph: str) -> dict[str, str]:
    """Field name in lower case -> value; comments dropped, continuation lines joined by a space."""
    lines = [line for line in paragraph.splitlines() if line.strip() and not line.startswith("#")]
    unfolded = re.sub(r"\n[ \t]+", " ", "\n".join(lines))
    pairs = (line.partition(":") for line in unfolded.splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _path_ends(uri: str, name: str) -> bool:
    return urlsplit(uri).path.rstrip("/").rpartition("/")[2] == name
