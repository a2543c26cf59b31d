"""The SSH server's configuration: sshd_config(5)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from souche.trust.disks.tree import Node, Tree

CONFIGURATION: Final = "/etc/ssh/sshd_config"
DEEPEST_INCLUDE: Final = 16
"""as sshd itself"""
MOST_FILES: Final = 256


@dataclass(frozen=True)
class SshServer:
    """Options by name, in lower case, as (value, whether a Match block holds it), in the order of their lines."""

    options: Mapping[str, list[tuple[str, bool]]]

    @classmethod
    def read(cls, tree: Tree) -> "SshServer":
        """The configuration with the files that it includes."""
        options: dict[str, list[tuple[str, bool]]] = {}
        for name, value, is_conditional in _Reader(tree).lines(CONFIGURATION):
            options.setdefault(name, []).append((value, is_conditional))
        return cls(options)

    def for_everybody(self, name: str, default: str) -> str:
        """The value outside of Match blocks: the first one counts."""
        return next((value for value, conditional in self.options.get(name, []) if not conditional), default)

    def in_blocks(self, name: str) -> list[str]:
        """The values that hold for some users, hosts or addresses, by Match blocks."""
        return [value for value, conditional in self.options.get(name, []) if conditional]

    def anywhere(self, name: str, default: str) -> list[str]:
        """Every value that holds for anybody."""
        return [self.for_everybody(name, default), *self.in_blocks(name)]


class _Reader:
    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._files = 0

    def lines(
        self, path: str, depth: int = 0, *, conditional: bool = False
    ) -> Iterator[tuple[str, str, bool]]:
        """A Match block ends at the next one or with its file; `Match all` holds for everybody."""
        self._files += 1
        for line in self._tree.text(path).splitlines():
            name, _, value = line.strip().replace("=", " ", 1).replace("\t", " ").partition(" ")
            name, value = name.lower(), value.strip().strip('"')
            if name == "match":
                conditional = value.lower() != "all"
            elif name == "include" and depth < DEEPEST_INCLUDE:
                for each in self._included(value):
                    if self._files < MOST_FILES:
                        yield from self.lines(each.path, depth + 1, conditional=conditional)
            elif name and not name.startswith("#"):
                yield name, value, conditional

    def _included(self, patterns: str) -> Iterator[Node]:
        for pattern in patterns.split()[:16]:
            whole = pattern.strip('"') if pattern.startswith(("/", '"/')) else f"/etc/ssh/{pattern}"
            folder, _, name = whole.rpartition("/")
            yield from (node for node in self._tree.children(folder) if fnmatchcase(node.name, name))
