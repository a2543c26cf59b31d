"""The SSH server's configuration: sshd_config(5)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from souche.trust.disks.tree import Node, Tree

CONFIGURATION: Final = "/etc/ssh/sshd_config"
STARTED_WITH: Final = ("/etc/default/ssh", "/etc/sysconfig/sshd")
"""Debian's and Red Hat's files with sshd's command-line options."""
ASSIGNS_OPTIONS: Final = re.compile(r"^\s*(?:export\s+)?(?:SSHD_OPTS|OPTIONS)=")
ON_COMMAND_LINE: Final = re.compile(r"-([of])\s*[\"']?([^\s\"']+)(?:\s+([^\s\"'-][^\s\"']*))?")
LINE: Final = re.compile(r"^[ \t\f]*\"?([A-Za-z0-9]+)\"?(?:[ \t]*=[ \t]*|[ \t]+)(.*)$")
OTHER_NAMES: Final = {"challengeresponseauthentication": "kbdinteractiveauthentication"}
DEEPEST_INCLUDE: Final = 16
"""sshd's own limit"""
MOST_FILES: Final = 256

Words: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class SshServer:
    """Options by lower-case name, as (words, whether they apply only to some clients), in the order of their lines. The
    latter are those of Match blocks and of the command line."""

    options: Mapping[str, list[tuple[Words, bool]]]

    @classmethod
    def read(cls, tree: Tree) -> "SshServer":
        """The configuration with its included files, and the server's command line."""
        options: dict[str, list[tuple[Words, bool]]] = {}
        for name, words, is_conditional in _Reader(tree).all():
            if words:
                options.setdefault(OTHER_NAMES.get(name, name), []).append((words, is_conditional))
        return cls(options)

    def for_everybody(self, name: str, default: str) -> str:
        """The first word outside of Match blocks, in the configuration: the first line counts."""
        return self._words(name, (default,))[0]

    def in_blocks(self, name: str) -> list[str]:
        """The first words for some users, hosts or addresses, in Match blocks or on a command line."""
        return [words[0] for words, conditional in self.options.get(name, []) if conditional]

    def anywhere(self, name: str, *default: str) -> list[str]:
        """Every word that applies to anyone."""
        blocks = [words for words, conditional in self.options.get(name, []) if conditional]
        return [word for words in (self._words(name, default), *blocks) for word in words]

    def every(self, name: str) -> list[str]:
        """The first word of every line of a repeatable option."""
        return [words[0] for words, _ in self.options.get(name, [])]

    def _words(self, name: str, default: Words) -> Words:
        return next((words for words, conditional in self.options.get(name, []) if not conditional), default)


def split(text: str) -> Words:
    """The words of an option, as OpenSSH splits them (misc.c, argv_split): quoted by ' or ", a backslash before one of
    these, before a backslash or a space; `#` begins a comment."""
    words, word, quote, at = list[str](), None, "", 0
    while at < len(text):
        letter, following = text[at], text[at + 1 : at + 2]
        if letter == "\\" and following and (following in "'\"\\" or (following == " " and not quote)):
            word, at = (word or "") + following, at + 1
        elif quote and letter == quote:
            quote = ""
        elif not quote and letter in "'\"":
            quote, word = letter, word or ""
        elif not quote and letter in " \t\r\f":
            words += [] if word is None else [word]
            word = None
        elif letter == "#" and word is None:
            break
        else:
            word = (word or "") + letter
        at += 1
    return tuple(words if word is None else [*words, word])


class _Reader:
    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._files = 0

    def all(self) -> Iterator[tuple[str, Words, bool]]:
        """Every option. Those of the command line are uncertain: no guest reads both files with it, and a line may be
        overridden. So they add to the configuration's options and replace none."""
        yield from self.lines(CONFIGURATION)
        for name, words in self._command_line():
            yield name, words, True

    def _command_line(self) -> Iterator[tuple[str, Words]]:
        """The command line's options, and those of the files that it names instead of the configuration."""
        files = dict[str, None]()
        for path in STARTED_WITH:
            for line in filter(ASSIGNS_OPTIONS.match, self._tree.lines(path)):
                for letter, word, more in ON_COMMAND_LINE.findall(line):
                    if letter == "f":
                        files[word] = None
                    else:
                        name, equals, value = word.partition("=")
                        yield name.lower(), ((value if equals else more),)
        for file in files:
            if self._files >= MOST_FILES:
                self._tree.cut_short(CONFIGURATION)
                return
            yield from ((name, words) for name, words, _ in self.lines(file))

    def lines(
        self, path: str, depth: int = 0, *, conditional: bool = False
    ) -> Iterator[tuple[str, Words, bool]]:
        """A Match block ends at the next one or with its file; `Match all` applies to everyone."""
        self._files += 1
        for line in self._tree.lines(path):
            found = LINE.match(line)
            if found is None:
                continue
            name, words = found[1].lower(), split(found[2])
            if name == "match":
                conditional = [word.lower() for word in words] != ["all"]
            elif name == "include" and depth < DEEPEST_INCLUDE:
                for each in self._included(words):
                    if self._files >= MOST_FILES:
                        self._tree.cut_short(CONFIGURATION)
                        return
                    yield from self.lines(each.path, depth + 1, conditional=conditional)
            else:
                yield name, words, conditional

    def _included(self, patterns: Words) -> Iterator[Node]:
        for pattern in patterns:
            yield from self._tree.glob(pattern if pattern.startswith("/") else f"/etc/ssh/{pattern}")
