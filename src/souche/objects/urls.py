"""Strict parsing of URLs given by users."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from souche.value_refusals import BadUrl

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
LONGEST: Final = 8192
PLAIN: Final = re.compile(r"[\x21-\x7e]+")
"""Printable ASCII without spaces: the characters of a request line."""


@dataclass(frozen=True)
class Target:
    """Where a URL leads. `path` has the query with it, which may be a secret; `host_header` the port, if the URL
    names one."""

    tls: bool
    host: str
    port: int
    path: str
    host_header: str


def parse_url(url: str, parameter: str) -> Target:
    """Parse a URL.

    Raises:
        BadUrl: it is not an http or https URL, or has a part that none needs; the message names it.
    """
    if len(url) > LONGEST or PLAIN.fullmatch(url) is None:
        raise BadUrl(
            parameter=parameter, reason=f"at most {LONGEST} printable ASCII characters are expected."
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadUrl(parameter=parameter, reason=f"{error}.") from error
    if parts.scheme not in DEFAULT_PORTS:
        raise BadUrl(parameter=parameter, reason="it should begin with http:// or https://.")
    if not host or parts.username is not None or parts.password is not None:
        raise BadUrl(parameter=parameter, reason="a host is expected, without a user name or password.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme == "https", host, port or DEFAULT_PORTS[parts.scheme], path, parts.netloc)


def shown(target: Target) -> str:
    """The URL as logs and messages may show it: without the query, which holds the signature."""
    scheme = "https" if target.tls else "http"
    return f"{scheme}://{target.host_header}{target.path.partition('?')[0]}"
