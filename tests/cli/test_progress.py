"""The progress of a transfer without a terminal."""

import pytest

from souche.cli.progress import transfer_bar


def test_a_tenth_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Also where a part is sent again, which takes the progress back."""
    with transfer_bar() as tell:
        for percent in (*range(51), *range(35, 101)):
            tell("copying", percent, 100)
    assert capsys.readouterr().err.splitlines() == [f"{tenth * 10:3}%  copying" for tenth in range(11)]


def test_what_is_done_next_is_told_from_its_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    with transfer_bar() as tell:
        for what in ("downloading", "taking the disks in"):
            tell(what, 0, None)
            tell(what, 5, 10)
    assert capsys.readouterr().err.splitlines() == [
        "  0%  downloading",
        " 50%  downloading",
        "  0%  taking the disks in",
        " 50%  taking the disks in",
    ]
