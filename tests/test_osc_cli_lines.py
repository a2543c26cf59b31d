"""The osc-cli commands that pages show: each action takes the parameters that osc-cli makes of them."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from fire.parser import DefaultParseValue

from souche.api.protocol import spec
from tests.support.markdown import SHELL, blocks, command_lines, inline_code

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

Request = dict[str, object]


def _shown(page: Path) -> Iterator[tuple[str, Request]]:
    shell = (line for block in blocks(page) if block.language in SHELL for line in command_lines(block.text))
    for line in (*shell, *inline_code(page)):
        if line.startswith("osc-cli "):
            yield _request(shlex.split(line))


def _request(words: list[str]) -> tuple[str, Request]:
    """The action and the parameters of `[OPTION VALUE]... api ACTION [--PARAMETER VALUE]...`: osc-cli is made with
    fire, which reads a value as Python's where it can be that, and as a text where not (so `true` is a text)."""
    api = words.index("api")
    flags = words[api + 2 :]
    assert all(flag.startswith("--") for flag in flags[::2]), flags
    values = [DefaultParseValue(value) for value in flags[1::2]]
    return words[api + 1], {flag[2:]: value for flag, value in zip(flags[::2], values, strict=True)}


SHOWN = [(page.name, *request) for page in PAGES for request in _shown(page)]


@pytest.mark.parametrize(("page", "action", "request_"), SHOWN)
def test_an_action_takes_what_a_page_gives_it(page: str, action: str, request_: Request) -> None:
    spec.check_request(action, request_)


def test_pages_show_osc_cli() -> None:
    """The test above looks at something."""
    assert ("README.md", "ReadImages", {}) in SHOWN
    assert {"CreateImage", "CreateImageExportTask", "CreateSnapshot"} <= {action for _, action, _ in SHOWN}
