"""Logs of programs that write to them all the time."""

from pathlib import Path

import pytest

from souche.objects.rotation import last_words, rotate


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_a_log_that_is_too_long_is_put_aside_and_its_writer_goes_on(log: Path) -> None:
    with log.open("ab", buffering=0) as writer:
        for number in range(3):
            writer.write(b"%d" % number * 101)
            rotate(log, 100)
            writer.write(b"after")
            assert log.read_bytes() == b"after"
            assert log.with_name("log.1").read_bytes().endswith(b"%d" % number * 101)
    assert len(list(log.parent.iterdir())) == 2


def test_a_log_within_its_bounds_is_left_alone(log: Path) -> None:
    rotate(log, 100)
    log.write_bytes(b"x" * 100)
    rotate(log, 100)
    assert log.read_bytes() == b"x" * 100
    assert list(log.parent.iterdir()) == [log]


def test_the_end_of_a_log_is_read_without_the_rest(log: Path) -> None:
    log.write_bytes("é".encode() * 100 + b" the end\n")
    assert last_words(log, 9) == "the end"
    assert last_words(log, 1000).startswith("éé")
