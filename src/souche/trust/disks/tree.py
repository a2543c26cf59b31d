"""The files as the guest sees them: one tree of several file systems, with symbolic links followed inside it.

Nothing here raises if a file system is damaged or a file is missing: unreadable parts are noted in `unread`, and the
check continues with the rest.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from souche.trust.disks.files import Entry, FileSystem
from souche.trust.disks.layout import FoundFileSystem

MOST_LINKS: Final = 40
MOST_BYTES: Final = 1 << 20
MOST_UNREAD: Final = 20
MOST_WALKED: Final = 100_000
MOST_DIRECTORIES_KEPT: Final = 2_000
MOST_MATCHES: Final = 256
WILD: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Node:
    """A file of the tree: its path in the guest, and its properties."""

    path: str
    entry: Entry
    found: FoundFileSystem

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def is_file(self) -> bool:
        return self.entry.kind == "file"

    @property
    def is_directory(self) -> bool:
        return self.entry.kind == "directory"


@dataclass
class Tree:
    """`mounts` has the file systems by their mount points, with `/` among them."""

    mounts: dict[str, FoundFileSystem]
    unread: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    """files that were only partially read"""
    _kept: dict[tuple[int, int], dict[str, Entry]] = field(default_factory=dict)
    _walked: int = 0

    def node(self, path: str, *, follow: bool = True) -> Node | None:
        """The file of a path; None if there is none. With `follow`, links are followed."""
        return self._resolve(path, follow=follow)

    def exists(self, path: str) -> bool:
        return self.node(path) is not None

    def read(self, path: str, most: int = MOST_BYTES) -> bytes | None:
        """The first bytes of a regular file; None: there is none."""
        node = self.node(path)
        if node is None or not node.is_file:
            return None
        if node.entry.size > most:
            self.cut_short(path)
        return self.content(node, most)

    def content(self, node: Node, most: int = MOST_BYTES) -> bytes | None:
        """The first bytes of a regular file; None: they cannot be read."""
        try:
            return node.found.files.read(node.entry, most)
        except (OSError, ValueError, OverflowError, MemoryError):
            self._cannot(node.path)
            return None

    def text(self, path: str, most: int = MOST_BYTES) -> str:
        """The text of a regular file; empty if there is none."""
        return (self.read(path, most) or b"").decode("utf-8", "replace")

    def lines(self, path: str, most: int = MOST_BYTES) -> list[str]:
        """The lines of a text, as C programs split it: str.splitlines would split at a dozen other characters."""
        return [line.rstrip("\r") for line in self.text(path, most).split("\n")]

    def glob(self, pattern: str) -> list[Node]:
        """The first 256 files that match a pattern, as in glob(3)."""
        found = [self._root()]
        for part in pattern.split("/"):
            if WILD.search(part):
                found = [each for parent in found for each in self._matching(parent, part)]
            elif part:
                inner = (self.node(f"{parent.path}/{part}", follow=False) for parent in found)
                found = [each for each in inner if each is not None]
            if len(found) > MOST_MATCHES:
                self.cut_short(pattern)
            found = found[:MOST_MATCHES]
        return found

    def _matching(self, parent: Node, part: str) -> list[Node]:
        return [
            each
            for each in self.children(parent.path or "/")
            if fnmatchcase(each.name, part) and each.name.startswith(".") <= part.startswith(".")
        ]

    def target(self, link: Node) -> str:
        """The target of a symbolic link; empty for anything else."""
        return (self._target(link) or "") if link.entry.kind == "link" else ""

    def cut_short(self, path: str) -> None:
        """Note that a file was only partly read."""
        if path not in self.cut and len(self.cut) < MOST_UNREAD:
            self.cut.append(path)

    def children(self, path: str) -> list[Node]:
        """The entries of a directory, by name; empty if there is none."""
        node = self.node(path)
        if node is None or not node.is_directory:
            return []
        base = path.rstrip("/")
        names = self._names(node.found.files, node.entry, node.path)
        return [Node(f"{base}/{entry.name}", entry, node.found) for _, entry in sorted(names.items())]

    def walk(self, path: str, depth: int) -> Iterator[Node]:
        """Everything below a directory, down to a depth, without following links. All walks together end after 100,000
        files."""
        for child in self.children(path):
            self._walked += 1
            if self._walked > MOST_WALKED:
                self._cannot(path)
                return
            yield child
            if child.is_directory and depth > 1:
                yield from self.walk(child.path, depth - 1)

    def _resolve(self, path: str, *, follow: bool) -> Node | None:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        done: list[Node] = [self._root()]
        links = 0
        while parts:
            part = parts.pop(0)
            if part == "..":
                done = done[:-1] or done
                continue
            child = self._child(done[-1], part)
            if child is None:
                return None
            if child.entry.kind == "link" and (parts or follow):
                links += 1
                target = self._target(child)
                if target is None or links > MOST_LINKS:
                    return None
                done = [self._root()] if target.startswith("/") else done
                parts = [each for each in target.split("/") if each not in ("", ".")] + parts
                continue
            done.append(child)
        return done[-1]

    def _root(self) -> Node:
        found = self.mounts["/"]
        return Node("", self._root_entry(found), found)

    def _root_entry(self, found: FoundFileSystem) -> Entry:
        try:
            return found.files.root()
        except OSError:
            self._cannot("/")
            return Entry("", "other", 0, 0, 0, 0)

    def _child(self, parent: Node, name: str) -> Node | None:
        path = f"{parent.path}/{name}"
        mounted = self.mounts.get(path)
        if mounted is not None:
            return Node(path, self._root_entry(mounted), mounted)
        if not parent.is_directory:
            return None
        files = parent.found.files
        entry = self._names(files, parent.entry, parent.path).get(name.lower() if files.folds_case else name)
        return None if entry is None else Node(path, entry, parent.found)

    def _names(self, files: FileSystem, directory: Entry, path: str) -> dict[str, Entry]:
        key = id(files), directory.key
        if key not in self._kept:
            if len(self._kept) >= MOST_DIRECTORIES_KEPT:
                self._kept.clear()
            self._kept[key] = self._read_names(files, directory, path)
        return self._kept[key]

    def _read_names(self, files: FileSystem, directory: Entry, path: str) -> dict[str, Entry]:
        try:
            entries: Sequence[Entry] = files.entries(directory)
        except (OSError, ValueError, OverflowError, MemoryError):
            self._cannot(path or "/")
            return {}
        for each in entries:
            if each.kind == "damaged":
                self._cannot(f"{path}/{each.name}")
        named: dict[str, Entry] = {}
        for each in entries:
            first = named.setdefault(each.name.lower() if files.folds_case else each.name, each)
            if first.key != each.key:  # two files with one name: the guest may use either
                self._cannot(f"{path}/{each.name}")
        return named

    def _target(self, link: Node) -> str | None:
        try:
            return link.found.files.target(link.entry) or None
        except (OSError, ValueError):
            self._cannot(link.path)
            return None

    def _cannot(self, path: str) -> None:
        if path not in self.unread and len(self.unread) < MOST_UNREAD:
            self.unread.append(path)
