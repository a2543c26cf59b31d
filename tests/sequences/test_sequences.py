"""Sequences of operations, a few of those of `python -m tests.sequences`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import structlog

from tests.sequences.machine import Figures, Machine
from tests.sequences.sequence_state import Violation

SEQUENCES: Final = 200
LENGTH: Final = 10
OF_ONE_TEST: Final = 25


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    made = Machine(tmp_path / "home")
    yield made
    made.close()
    structlog.reset_defaults()


@pytest.mark.parametrize("first", range(0, SEQUENCES, OF_ONE_TEST))
def test_every_disk_holds_its_bytes_whatever_is_done_around_it(machine: Machine, first: int) -> None:
    figures = Figures(0, 0, 0, 0)
    for seed in range(first, first + OF_ONE_TEST):
        figures += machine.sequence(seed, LENGTH)
    assert (figures.sequences, figures.operations) == (OF_ONE_TEST, OF_ONE_TEST * LENGTH)
    assert figures.compares > OF_ONE_TEST


def test_a_lost_byte_is_a_violation(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine detects each kind of fault."""
    monkeypatch.setattr(Machine, "write", lambda *_: None)
    with pytest.raises(Violation, match="does not hold its bytes"):
        machine.sequence(0, LENGTH)
