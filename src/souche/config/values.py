"""Settings with structured values: letters, addresses, URLs."""

import re
from urllib.parse import urlsplit

from souche.errors import Invalid


class BadSetting(Invalid):
    """The setting {flag} is not valid: {reason}"""


def letters_of(text: str) -> tuple[str, ...]:
    """The letters of subregions, written with commas between.

    Raises:
        BadSetting: not letters from a to z, each once.
    """
    letters = tuple(each.strip() for each in text.split(","))
    if not all(re.fullmatch("[a-z]", letter) for letter in letters) or len(set(letters)) < len(letters):
        reason = f"letters from a to z with commas between are expected, each once, not '{text}'"
        raise BadSetting(flag="--subregions", reason=reason)
    return letters


def host_and_port(flag: str, text: str) -> tuple[str, int]:
    """Take HOST:PORT apart; the host in lower case.

    Raises:
        BadSetting: it is something else.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise BadSetting(flag=flag, reason=f"HOST:PORT is expected, not '{text}'")
    return host.strip("[]").lower(), int(port)


def check_url(flag: str, text: str) -> None:
    """Refuse a value that is not an http or https URL.

    Raises:
        BadSetting.
    """
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port
        good = False
    if not good:
        raise BadSetting(flag=flag, reason=f"a URL such as https://HOST:PORT is expected, not {text!r}")
