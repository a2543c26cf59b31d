"""Pieces are given again at the version that they were kept at, and no other."""

from souche.db.pieces import OVERHEAD_BYTES, Pieces
from tests.support import databases

on_both = databases.on_sqlite  # no database


def test_a_piece_is_known_at_its_version_alone() -> None:
    pieces = Pieces()
    pieces.put("a", 1, b"one")
    pieces.put("b", 1, b"other")
    assert pieces.known([("a", 1), ("b", 2), ("c", 1)]) == {"a": b"one"}
    pieces.put("a", 2, b"two")
    assert pieces.known([("a", 1)]) == {}
    assert pieces.known([("a", 2)]) == {"a": b"two"}


def test_those_not_asked_for_the_longest_make_room() -> None:
    pieces = Pieces(most_bytes=2 * (OVERHEAD_BYTES + 5))
    for row_id in ("a", "b"):
        pieces.put(row_id, 1, b"12345")
    pieces.known([("a", 1)])
    pieces.put("c", 1, b"12345")
    assert pieces.known((row_id, 1) for row_id in "abc").keys() == {"a", "c"}


def test_a_piece_that_takes_the_place_of_another_takes_its_room() -> None:
    pieces = Pieces(most_bytes=2 * (OVERHEAD_BYTES + 5))
    pieces.put("a", 1, b"12345")
    for version in range(5):
        pieces.put("b", version, b"12345")
    assert pieces.known([("a", 1), ("b", 4)]).keys() == {"a", "b"}


def test_what_is_larger_than_all_the_room_is_not_kept() -> None:
    pieces = Pieces(most_bytes=OVERHEAD_BYTES)
    pieces.put("a", 1, b"1")
    assert pieces.known([("a", 1)]) == {}
