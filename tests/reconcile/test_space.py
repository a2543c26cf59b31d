"""A filling medium is logged once at each level; the ballast is deleted last, and comes back."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from souche.reconcile.space import LEAST_LEFT_BYTES, Ballast, SpaceWatch
from souche.room import GIB, MIB, Room, Usage


class Scale:
    """A medium of 100 GiB, as full as the test says."""

    def __init__(self) -> None:
        self.used_bytes = 0

    def measure(self) -> Usage:
        return Usage(self.used_bytes, 100 * GIB - self.used_bytes)


@pytest.fixture
def scale() -> Scale:
    return Scale()


@pytest.fixture
def watch(scale: Scale, tmp_path: Path) -> SpaceWatch:
    room = Room(scale.measure, reserve_bytes=GIB)
    return SpaceWatch(room, Ballast(tmp_path / "ballast", room))


def told(watch: SpaceWatch, scale: Scale, *levels: float) -> list[int]:
    """The percents that are logged while the medium is this many GiB full, one after the other; two looks at each."""
    with capture_logs() as lines:
        for level in levels:
            scale.used_bytes = int(level * GIB)
            watch.look()
            watch.look()
    return [line["percent"] for line in lines if line["event"] == "the medium is filling"]


def test_each_level_is_told_once(watch: SpaceWatch, scale: Scale) -> None:
    assert told(watch, scale, 10, 79, 81, 85, 89, 90, 91, 94, 96, 97) == [81, 90, 96]


def test_a_level_that_is_left_is_told_again(watch: SpaceWatch, scale: Scale) -> None:
    assert told(watch, scale, 85, 92, 50, 99) == [85, 92, 99]


def test_a_restart_on_a_full_medium_tells_it(watch: SpaceWatch, scale: Scale) -> None:
    assert told(watch, scale, 96) == [96]


def test_the_reserve_is_told_once(watch: SpaceWatch, scale: Scale) -> None:
    with capture_logs() as lines:
        for used in (98, 99.5, 99.6, 50, 99.2):
            scale.used_bytes = int(used * GIB)
            watch.look()
    assert [line["event"].split(":")[0] for line in lines].count("only the reserve is left") == 2


def test_the_ballast_is_there_until_nothing_else_is_left(
    watch: SpaceWatch, scale: Scale, tmp_path: Path
) -> None:
    ballast = tmp_path / "ballast"
    watch.look()
    assert ballast.stat().st_blocks * 512 >= 64 * MIB
    for left, there in ((GIB // 2, True), (LEAST_LEFT_BYTES - 1, False), (GIB // 2, False), (2 * GIB, True)):
        scale.used_bytes = 100 * GIB - left
        watch.look()
        assert ballast.exists() == there, left


def test_without_a_reserve_there_is_no_ballast(scale: Scale, tmp_path: Path) -> None:
    Ballast(tmp_path / "ballast", Room(scale.measure, 0)).settle()
    assert list(tmp_path.iterdir()) == []
