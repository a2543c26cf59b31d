"""The code that a page shows, as a reader of the rendered page sees it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

UNQUOTED_LINE = re.compile(r"(?:'[^']*'|[^\n'])+")
SHELL = ("", "sh", "bash", "console")


@dataclass(frozen=True)
class Block:
    """A block of code, indented or fenced, below the heading `section`. An indented one names no language."""

    section: str
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The blocks of code of a page, in order."""
    return list(_blocks(_parse(page)))


def inline_code(page: Path) -> list[str]:
    """What stands in backticks within the text of a page, line breaks as spaces."""
    inside = (child for token in _parse(page) for child in token.children or ())
    return [child.content for child in inside if child.type == "code_inline"]


def command_lines(text: str) -> list[str]:
    """The commands of a block of shell, one a line; one that is continued, or has a line break in quotes, is one."""
    lines = UNQUOTED_LINE.findall(text.replace("\\\n", ""))
    return [line.strip() for line in lines if line.strip()]


def _parse(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text())


def _blocks(tokens: list[Token]) -> Iterator[Block]:
    section = ""
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and following:
            section = following.content
        elif token.type in ("fence", "code_block"):
            yield Block(section, token.info.strip(), token.content)
