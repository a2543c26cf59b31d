"""The code of a page, as a reader of the rendered page sees it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

UNQUOTED_LINE = re.compile(r"(?:'[^']*'|[^\n'])+")
SHELL = ("", "sh", "bash", "console")


@dataclass(frozen=True)
class Block:
    """A code block, indented or fenced, below the heading `section`. An indented block has no language."""

    section: str
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The code blocks of a page, in order."""
    return blocks_in(page.read_text())


def blocks_in(text: str) -> list[Block]:
    """The code blocks of a page's text, in order."""
    return list(_blocks(_parse(text)))


def inline_code(page: Path) -> list[str]:
    """The text in backticks of a page, with line breaks as spaces."""
    return inline_code_in(page.read_text())


def inline_code_in(text: str) -> list[str]:
    """The text in backticks of a text, with line breaks as spaces."""
    return [child.content for child in _inside(text) if child.type == "code_inline"]


def links_in(text: str) -> list[str]:
    """The targets of a text's links, in order."""
    return [str(child.attrs["href"]) for child in _inside(text) if child.type == "link_open"]


def headings_in(text: str) -> list[tuple[str, str]]:
    """The headings of a text, each with its level: `("h2", "Backup")`."""
    tokens = _parse(text)
    return [
        (token.tag, following.content)
        for token, following in pairwise(tokens)
        if token.type == "heading_open"
    ]


def parts_in(text: str) -> list[str]:
    """The tags of a text's headings, paragraphs, lists and tables, in order."""
    return [token.tag for token in _parse(text) if token.nesting == 1]


def command_lines(text: str) -> list[str]:
    """The commands of a shell block, one per item. A continued line, or a line break in quotes, does not end a
    command."""
    lines = UNQUOTED_LINE.findall(text.replace("\\\n", ""))
    return [line.strip() for line in lines if line.strip()]


def _parse(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def _inside(text: str) -> Iterator[Token]:
    """The inline tokens of a text."""
    return (child for token in _parse(text) for child in token.children or ())


def _blocks(tokens: list[Token]) -> Iterator[Block]:
    section = ""
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and following:
            section = following.content
        elif token.type in ("fence", "code_block"):
            yield Block(section, token.info.strip(), token.content)
