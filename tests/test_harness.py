"""How the demonstration and the guest tests wait."""

from itertools import count

import pytest
from tools import harness
from tools.harness import Wrong, wait_for


def test_what_makes_progress_is_waited_for_beyond_the_timeout() -> None:
    looks, moves = count(), count()
    assert wait_for(lambda: next(looks) >= 20, "a boot", 0.02, 0.005, lambda: next(moves))


def test_what_stands_still_is_given_up_in_time() -> None:
    with pytest.raises(Wrong, match="there is still not a boot"):
        wait_for(lambda: None, "a boot", 0.02, 0.005, lambda: "the same")
    with pytest.raises(Wrong, match="there is still not a boot"):
        wait_for(lambda: None, "a boot", 0.02, 0.005)


def test_progress_without_end_is_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "MOST_EXTENSION", 3)
    moves = count()
    with pytest.raises(Wrong):
        wait_for(lambda: None, "a boot", 0.02, 0.005, lambda: next(moves))
    assert next(moves) < 6
