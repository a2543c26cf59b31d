"""The author's keys and passwords in cloud-init's configuration.

The rest of a file is unchanged, and the file is still YAML. An item of a list is removed. A password becomes an empty
text, which cloud-init ignores. A `chpasswd` that sets passwords is removed completely,
because it would set an empty one.
"""

import re
from collections.abc import Iterator
from typing import Final

from souche.trust.cleaning.changes import Change, CleaningRule, deed, lines_of, whole
from souche.trust.linux import cloud_config
from souche.trust.linux.cloud_config import BLOCK, KEY, PASSWORD, Line
from souche.trust.linux.system import System

ITEM: Final = re.compile(r"\s*-[ \t]+[^:{\[]*$|\s*(?:ssh-|ecdsa-|sk-)")
"""A line that is a complete item of a list or a text."""
TOP_PASSWORD: Final = re.compile(r"[\"']?password\b")


def secrets(system: System) -> Iterator[CleaningRule]:
    """Removes keys and passwords from cloud-init's files, where the report finds them."""
    for path in cloud_config.files(system):
        node = system.tree.node(path)
        content = whole(system.tree, node) if node and node.is_file else None
        if node is None or content is None:
            continue
        lines = [line.decode("latin-1") for line in lines_of(content)]
        found = {line.number: line for line in cloud_config.secrets(lines)}
        if not found:
            continue
        change = Change("write", node, "".join(_without(lines, found)).encode("latin-1"))
        if any(line.keys for line in found.values()):
            text = "Keys that cloud-init let open accounts were removed."
            yield deed("authorized-key", path, text, change)
        if any(line.has_password for line in found.values()):
            text = "Passwords that cloud-init gave accounts were removed."
            yield deed("usable-password", path, text, change)


def _without(lines: list[str], found: dict[int, Line]) -> Iterator[str]:
    dropped = _blocks(lines, found)
    for number, line in enumerate(lines):
        secret = found.get(number)
        if number in dropped:
            continue
        if secret is None:
            yield line
        elif not (secret.keys and ITEM.match(line)) and not TOP_PASSWORD.match(line):
            yield PASSWORD.sub(r'\1\2""', KEY.sub("", line))


def _blocks(lines: list[str], found: dict[int, Line]) -> set[int]:
    """The lines of each `chpasswd` that sets a password."""
    dropped, block, has_secret = set[int](), list[int](), False
    for number, line in enumerate([*lines, "end:"]):
        if line.strip() and not line[0].isspace():
            dropped |= set(block) if has_secret else set()
            block, has_secret = ([number] if BLOCK.match(line) else []), False
        elif block:
            block.append(number)
        has_secret = has_secret or (bool(block) and number in found)
    return dropped
