"""Keys and passwords that an image's own cloud-init configuration gives every launch.

The files are read line by line, not as YAML. So no file is too strange or too large to parse, and cleaning can change
single lines.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from souche.model.image_reports import Finding
from souche.trust.codes import finding
from souche.trust.linux.accounts import fingerprint
from souche.trust.linux.system import System

SEEDS: Final = "/var/lib/cloud/seed"
SEED_FILES: Final = ("user-data", "vendor-data", "meta-data")
MOST: Final = 200
"""findings per file"""
KEY: Final = re.compile(r"((?:ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-)[\w@.-]+)[ \t]+(AAAA[A-Za-z0-9+/=]+)")
HOST_KEY: Final = re.compile(r"^\s*[\"']?\w+_public[\"']?\s*:")
"""The public halves of host keys (ssh_keys) open no account."""
PASSWORD: Final = re.compile(
    r"(?<![\w-])(passwd|hashed[_-]passwd|plain[_-]text[_-]passwd|password)([\"']?[ \t]*:[ \t]+)"
    r"(\"[^\"\r\n]*\"|'[^'\r\n]*'|[^\s#,}\"'][^#,}\r\n]*)"
)
NO_PASSWORDS: Final = ("", "~", "null", "r", "random", "false", "true")
BLOCK: Final = re.compile(r"^[\"']?chpasswd[\"']?\s*:")
IN_LIST: Final = re.compile(r"(?:^|[\s\"'\[,])([A-Za-z_][\w.-]*):([^\s,\"'\]]+)")


@dataclass(frozen=True)
class Line:
    """A line with secrets. `in_block`: it is part of `chpasswd`. `keys`: the type and the Base64 of each key."""

    number: int
    in_block: bool
    keys: tuple[tuple[str, str], ...]
    has_password: bool


def files(system: System) -> list[str]:
    """The paths of cloud-init's configuration, and of the seeds in its format."""
    parts = system.tree.children("/etc/cloud/cloud.cfg.d")
    paths = ["/etc/cloud/cloud.cfg", *(node.path for node in parts if node.name.endswith(".cfg"))]
    for folder in system.tree.children(SEEDS):
        for name in SEED_FILES:
            path = f"{folder.path}/{name}"
            if name == "meta-data" or system.tree.text(path).startswith("#cloud-config"):
                paths.append(path)
    return paths


def secrets(lines: list[str]) -> Iterator[Line]:
    """The lines with a key or a password."""
    in_block = False
    for number, line in enumerate(lines):
        if line.strip() and not line[0].isspace():
            in_block = BLOCK.match(line) is not None
        if line.lstrip().startswith("#"):
            continue
        keys = () if HOST_KEY.match(line) else tuple((found[1], found[2]) for found in KEY.finditer(line))
        values = [found[3] for found in PASSWORD.finditer(line)]
        if in_block:
            values += [found[2] for found in IN_LIST.finditer(line)]
        has_password = any(map(_is_password, values))
        if keys or has_password:
            yield Line(number, in_block, keys, has_password)


def _is_password(value: str) -> bool:
    """Whether a value sets a password. `!` and `*` at the beginning lock an account; `R` requests a random password."""
    bare = value.strip().strip("\"'").strip()
    return bare.lower() not in NO_PASSWORDS and not bare.startswith(("!", "*"))


def cloud_config(system: System) -> Iterator[Finding]:
    """Keys and passwords that cloud-init gives accounts of every launch."""
    for path in files(system):
        found = list(secrets(system.tree.lines(path)))
        keys = [key for line in found for key in line.keys]
        for kind, key in keys[:MOST]:
            text = f"cloud-init lets a key of type {kind} open an account of every launch."
            yield finding("authorized-key", path, text, fingerprint=fingerprint(key))
        if any(line.has_password for line in found):
            text = "cloud-init gives an account a password, the same in every launch."
            yield finding("usable-password", path, text)
