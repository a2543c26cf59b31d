"""What commands print for people."""

import pytest
import typer

from souche.cli.output import errors_shown, plain, plain_lines, show
from souche.errors import Invalid


class BadName(Invalid):
    """The name '{name}' is bad."""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Debian 12 é", "Debian 12 é"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("one\ntwo\r", "one\\ntwo\\r"),
        ("\u202eexe.txt", "\\u202eexe.txt"),
        (True, "True"),
    ],
)
def test_a_value_moves_no_cursor_and_begins_no_line(value: object, shown: str) -> None:
    assert plain(value) == shown


def test_lines_stay_lines() -> None:
    assert plain_lines("one\x1b[A\r\ntwo\n") == "one\\x1b[A\ntwo"


def test_facts_have_no_words_of_python(capsys: pytest.CaptureFixture[str]) -> None:
    show({"Database": None, "Oos": "", "Ready": True, "Guests": 0}, as_json=False)
    assert capsys.readouterr().out == "Database  -\nOos       -\nReady     yes\nGuests    0\n"


def test_facts_and_errors_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    show({"Region": "\x1b[2J\nSignedBy  me"}, as_json=False)
    with pytest.raises(typer.Exit), errors_shown():
        raise BadName(name="\x1b[2J")
    printed = capsys.readouterr()
    assert printed.out == "Region  \\x1b[2J\\nSignedBy  me\n"
    assert printed.err == "souche: The name '\\x1b[2J' is bad.\n"
