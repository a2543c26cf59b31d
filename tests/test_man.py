"""The manual pages: groff understands them, and they describe everything that the command line takes."""

import re
import subprocess
from pathlib import Path

import pytest
from tools import gen_man

from souche.config import SETTINGS
from tests.cli.test_help import COMMANDS

PAGES = gen_man.pages()
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "FILES", "ENVIRONMENT", "SEE ALSO"]


def shown(page: str) -> str:
    """The rendered page, with lines of any length. groff must not warn."""
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=2000n"],
        input=PAGES[page],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_there_is_a_page_for_the_program_and_for_each_command() -> None:
    assert set(PAGES) == {"souche.1", *(f"souche-{path[0]}.1" for path in COMMANDS if len(path) == 1)}


@pytest.mark.parametrize("page", PAGES)
def test_groff_understands_a_page(page: str) -> None:
    text = shown(page)
    headings = re.findall(r"^[A-Z][A-Z ]+$", text, re.MULTILINE)
    assert [each for each in headings if each in SECTIONS] == SECTIONS
    named = {f"{name}.1" for name in re.findall(r"(souche[\w-]*)\(1\)", text)}
    assert named <= set(PAGES)


@pytest.mark.parametrize("path", [path for path in COMMANDS if path], ids=" ".join)
def test_a_page_tells_of_all_that_a_command_takes(path: tuple[str, ...]) -> None:
    text = " ".join(shown(f"souche-{path[0]}.1").split())
    words = set(re.split("[ ,]+", text))
    command = COMMANDS[path]
    options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    assert {each for each in options if each.startswith("-")} - words == set()
    helps = [command.help, *(each.help for each in command.params)]
    assert [each for each in helps if " ".join(each.replace("`", "").split()[:6]) not in text] == []


def test_pages_name_the_variables_the_files_and_the_statuses() -> None:
    program = shown("souche.1")
    assert [each.variable for each in SETTINGS if each.variable not in program] == []
    assert "vault.key" in program
    assert re.search(r"^ +3 +update: another update", shown("souche-image.1"), re.MULTILINE)


def test_pages_are_the_same_each_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    monkeypatch.setattr("sys.argv", ["gen_man", str(tmp_path)])
    assert gen_man.main() == 0
    assert ' 1 "1970-01-02" "souche 0.' in (tmp_path / "souche.1").read_text()
    assert {path.name for path in tmp_path.iterdir()} == set(PAGES)
