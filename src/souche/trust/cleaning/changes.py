"""Changes to files, and their descriptions.

A change names a file of the tree that was reached through directories only. Links are followed to find files, never to
change them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from souche.model.image_cleanings import CleaningResult
from souche.trust.codes import NOBODYS_NAMES
from souche.trust.disks.tree import Node, Tree
from souche.trust.linux.system import System

MOST_REWRITTEN: Final = 8 << 20

How = Literal["remove", "remove tree", "empty", "write"]


@dataclass(frozen=True)
class Change:
    """`write` replaces a file's content by `content`; `empty` truncates it; `remove` removes a file or a link, and
    `remove tree` a directory."""

    how: How
    node: Node
    content: bytes = b""


@dataclass(frozen=True)
class CleaningRule:
    """A result, and its changes. A result without changes names something that stays."""

    done: CleaningResult
    changes: tuple[Change, ...] = ()


def deed(code: str, path: str, text: str, *changes: Change, user: str | None = None) -> CleaningRule:
    """A result; names of users other than root are not public."""
    return CleaningRule(CleaningResult(code, path, text, None if user in NOBODYS_NAMES else user), changes)


def removal(tree: Tree, path: str) -> tuple[Change, ...]:
    """Removes the file of a path. A link itself is removed, not its target. A missing file needs nothing."""
    node = tree.node(path, follow=False)
    return (Change("remove", node),) if node and node.entry.kind in ("file", "link") else ()


def whole(tree: Tree, node: Node) -> bytes | None:
    """The whole content of a file; None: it is too large to be rewritten, or cannot be read."""
    if node.entry.size > MOST_REWRITTEN:
        return None
    content = tree.content(node, MOST_REWRITTEN)
    return content if content is not None and len(content) == node.entry.size else None


def lines_of(content: bytes) -> list[bytes]:
    """The lines with their ends, as C programs split a text."""
    return [line for line in re.split(rb"(?<=\n)", content) if line]


def real_folder(tree: Tree, path: str) -> bool:
    """Whether a path leads to a directory without any link: the target of a link is not emptied."""
    node = tree.node(path)
    return node is not None and node.is_directory and node.path == path


def files_of(system: System, folder: str, depth: int) -> Iterator[Node]:
    """The files and links below a real folder."""
    if real_folder(system.tree, folder):
        for node in system.tree.walk(folder, depth):
            if node.entry.kind in ("file", "link"):
                yield node


def left(system: System, code: str, folder: str) -> Iterator[CleaningRule]:
    """The result for a folder that is a link and therefore stays."""
    node = system.tree.node(folder)
    if node is not None and node.path != folder:
        yield deed(code, folder, f"It leads to {node.path or '/'} by a link, and was left as it is.")
