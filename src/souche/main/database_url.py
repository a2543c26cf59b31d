"""The URL of the database with a region's records, from the settings."""

from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from souche import small_file
from souche.config import BadSetting
from souche.small_file import TooLarge

OTHERS: Final = 0o077
"""mode bits of the group and of others"""

EXPECTED: Final = (
    "a URL such as postgresql://USER@HOST:PORT/NAME is expected; in a password, write / @ # ? [ ] : % as %2F %40 %23"
    " %3F %5B %5D %3A %25"
)


def database_url(url: str, file: str) -> str | None:
    """The URL of the database with the records, from `--database` or `--database-file`. None: both are empty, and the
    records are in the home.

    Raises:
        BadSetting: it is no such URL, or has a password where none may be.
    """
    if url and file:
        raise BadSetting(flag="--database-file", reason="either this or --database is expected")
    if file:
        return read_database_file(file)
    if not url:
        return None
    if _check_database_url("--database", url):
        reason = "it has a password, which other users of this machine see: put the URL in a file, for --database-file"
        raise BadSetting(flag="--database", reason=reason)
    return url


def read_database_file(file: str) -> str:
    """The URL in a file of `--database-file`.

    Raises:
        BadSetting: it cannot be read, has no such URL, or has a password that others can read.
    """
    flag = "--database-file"
    try:
        (url,) = small_file.read(Path(file)).decode().split()
        mode = Path(file).stat().st_mode
    except OSError as error:
        raise BadSetting(flag=flag, reason=f"{file}: {error.strerror}") from error
    except (ValueError, TooLarge) as error:
        raise BadSetting(flag=flag, reason=f"{file} should have one line, the URL") from error
    if _check_database_url(flag, url) and mode & OTHERS:
        raise BadSetting(flag=flag, reason=f"other users can read the password in {file}: chmod 600 {file}")
    return url


def _check_database_url(flag: str, url: str) -> bool:
    """Refuse a text that is no URL of a PostgreSQL database. Returns whether it has a password."""
    try:
        parts = urlsplit(url)
        good = url.startswith("postgresql://") and parts.port != 0
        has_password = parts.password is not None or any(
            "password" in key for key, _ in parse_qsl(parts.query)
        )
    except ValueError:  # of the port
        good = has_password = False
    # In these places, such characters are most often part of a password. No message may show the URL then.
    if not good or not parts.path.strip("/") or set("/@") & set(parts.path[1:]) or parts.fragment:
        raise BadSetting(flag=flag, reason=EXPECTED)
    return has_password
