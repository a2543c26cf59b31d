"""`--help` of every command, and every command line that a page shows."""

import re
import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import typer.main

from souche.cli import commands
from souche.main import command_line
from tests.support.markdown import SHELL, blocks, command_lines, inline_code

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
PROGRAMS = ("souche", ".venv/bin/souche")
FRAME = re.compile(r"[│╭╮╰╯─]")

# typer has click within it, without a public name.
Command = Any


def application() -> Command:
    """The commands, without what they do: only their parsers and their help are asked."""
    root = typer.main.get_command(commands.build(command_line.composition()))
    for _path, command in tree(root):
        command.callback = None
    return root


def tree(command: Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    """A command and all below it, each with the words that lead to it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from tree(getattr(below, "loaded", below), (*path, name))


COMMANDS = dict(tree(application()))


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "souche")
def test_help_tells_of_the_command_and_of_all_that_it_takes(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    assert _run([*path, "--help"]) == 0
    shown = " ".join(FRAME.sub(" ", capsys.readouterr().out).split())
    command = COMMANDS[path]
    assert _beginning(command.help) in shown
    for parameter in command.params:
        assert parameter.help, f"{parameter.name} has no help"
        assert _beginning(parameter.help) in shown, parameter.name
        assert parameter.param_type_name == "argument" or set(parameter.opts) <= set(re.split("[ ,]+", shown))


def test_every_command_prints_json_but_those_that_run_or_show_something_else() -> None:
    without = {
        " ".join(path)
        for path, command in COMMANDS.items()
        if not hasattr(command, "commands")
        and "--json" not in {name for each in command.params for name in each.opts}
    }
    assert without == {"serve", "api", "vm console", "vm screenshot"}


def test_only_the_program_itself_installs_completion() -> None:
    options = {
        path: {name for each in command.params for name in each.opts} for path, command in COMMANDS.items()
    }
    assert [path for path, names in options.items() if "--install-completion" in names] == [()]


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_the_list_of_commands_begins_as_the_help_of_each(name: str) -> None:
    """The list does not import them."""
    assert COMMANDS[(name,)].help.startswith(commands.COMMANDS[name][1].rstrip("."))


def test_the_help_of_backup_has_the_options_of_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    """`souche backup TO` is `souche backup make TO`."""
    assert _run(["backup", "--help"]) == 0
    shown = capsys.readouterr().out
    assert [
        each for each in ("--oos-endpoint", "--oos-key-file", "--home", "verify") if each not in shown
    ] == []


def _beginning(text: str) -> str:
    return " ".join(text.split()[:4])


def _run(words: list[str]) -> int:
    """The status that a command line ends with."""
    with pytest.raises(SystemExit) as end:
        application().main(words, prog_name="souche")
    return int(end.value.code or 0)


def _shown(page: Path) -> Iterator[tuple[str, bool]]:
    """The command lines of `souche` on a page, and whether each is whole: one in a text may only name a command,
    or several (`a|b`)."""
    for block in blocks(page):
        if block.language in SHELL:
            yield from ((line, True) for line in command_lines(block.text) if _is_ours(line))
    for code in inline_code(page):
        if _is_ours(code):
            yield from (
                (" ".join(words), False) for words in product(*(word.split("|") for word in code.split()))
            )


def _is_ours(line: str) -> bool:
    program, _, words = line.partition(" ")
    return program in PROGRAMS and bool(words)


SHOWN = [(page, *line) for page in PAGES for line in _shown(page)]


@pytest.mark.parametrize(
    ("page", "line", "whole"), SHOWN, ids=[f"{page.name}: {line}" for page, line, _ in SHOWN]
)
def test_a_command_line_of_a_page_is_understood(
    page: Path,
    line: str,
    *,
    whole: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the command's own parser, which knows the options and what they take. The folder of a region may stand in
    SOUCHE_HOME, as on docs/official-images.md."""
    monkeypatch.setenv("SOUCHE_HOME", "DIR")
    status = _run(shlex.split(line, comments=True)[1:])
    said = capsys.readouterr().err
    assert status == 0 or (not whole and "Missing " in said), said


def test_pages_show_command_lines() -> None:
    """The two tests above look at something."""
    whole = {(page.name, line) for page, line, whole in SHOWN if whole}
    assert ("README.md", ".venv/bin/souche image build debian-12 --home /srv/souche") in whole
    assert ("official-images.md", "souche quota show alice") in whole
    assert len(COMMANDS) > 20


@pytest.mark.parametrize(
    "line", ["souche serve --hom X", "souche quota set alice vm_limit many", "souche sing"]
)
def test_a_wrong_command_line_is_not_understood(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(shlex.split(line)[1:]) == 2
    assert "Missing " not in capsys.readouterr().err
