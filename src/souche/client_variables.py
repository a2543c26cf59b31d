"""The variables that lead clients to a region, and those that lead them to another cloud."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from souche import small_file
from souche.small_file import TooLarge

API_VARIABLE: Final = "OSC_ENDPOINT_API"
PROFILES: Final = ("OSC_PROFILE", "OSC_CONFIG_FILE", "OSC_CONFIG_PATH", "OUTSCALE_PROFILE", "AWS_PROFILE")
"""variables that select a profile, which clients prefer to other variables or use to complete them"""
SESSIONS: Final = ("AWS_SESSION_TOKEN", "OSC_LOGIN", "OSC_PASSWORD")
"""credentials of another kind"""
REAL: Final = ("outscale.com", "outscale.hm")
"""domains of the real cloud"""


def variables(api: str, buckets: str | None, region: str, access_key_id: str, secret: str) -> dict[str, str]:
    """The variables that the SDKs, octl, osc-cli, Terraform's provider, Packer's plugin and clients of S3 read. `api`
    is the URL with /api/v1; `buckets` None: the region has no object store."""
    found = {
        "OSC_ACCESS_KEY": access_key_id,
        "OSC_SECRET_KEY": secret,
        "OSC_REGION": region,
        API_VARIABLE: api,
        "OUTSCALE_ACCESSKEYID": access_key_id,
        "OUTSCALE_SECRETKEYID": secret,
        "OUTSCALE_REGION": region,
        "OUTSCALE_OAPI_URL": api,
    }
    if buckets is None:
        return found
    return found | {
        "AWS_ACCESS_KEY_ID": access_key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_ENDPOINT_URL_S3": buckets,
    }


def unwanted(environment: Mapping[str, str]) -> list[str]:
    """The variables that are set and conflict with those of `variables`."""
    return [name for name in (*PROFILES, *SESSIONS) if name in environment]


def without_unwanted(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables without those that `unwanted` names."""
    return {name: value for name, value in environment.items() if name not in (*PROFILES, *SESSIONS)}


def leading_away(environment: Mapping[str, str], user_home: Path | None = None) -> Iterator[str]:
    """Why a client with these variables would send requests to the real cloud. `user_home` None: the user's own home,
    which may not exist, as in a container."""
    user_home = user_home or Path(os.path.expanduser("~"))  # noqa: PTH111  Path.home() raises where there is none
    for name in (API_VARIABLE, "OUTSCALE_OAPI_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        if _is_real(environment.get(name, "")):
            yield f"{name} is {environment[name]}"
    if "OSC_ACCESS_KEY" in environment and not environment.get(API_VARIABLE):
        yield f"OSC_ACCESS_KEY is set and {API_VARIABLE} is not: clients go to the real cloud then"
    if "OUTSCALE_ACCESSKEYID" in environment and not environment.get("OUTSCALE_OAPI_URL"):
        yield "OUTSCALE_ACCESSKEYID is set and OUTSCALE_OAPI_URL is not: clients go to the real cloud then"
    profile = environment.get("OSC_PROFILE") or environment.get("OUTSCALE_PROFILE")
    file = Path(environment.get("OSC_CONFIG_FILE") or user_home / ".osc/config.json")
    if profile or not environment.get("OSC_ACCESS_KEY"):
        yield from _of_profile(file, profile or "default")


def _of_profile(file: Path, name: str) -> Iterator[str]:
    try:
        profile = json.loads(small_file.read(file))[name]
        endpoint = profile.get("endpoints", {}).get("api") or profile.get("endpoint", "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, TooLarge, RecursionError):
        return
    if not endpoint or _is_real(str(endpoint)):
        yield f"the profile {name} of {file} leads to {endpoint or 'the real cloud: it has no endpoint'}"


def _is_real(url: str) -> bool:
    try:
        host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    except ValueError:
        return False
    return any(host == domain or host.endswith(f".{domain}") for domain in REAL)
