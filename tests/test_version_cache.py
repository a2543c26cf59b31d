"""A `VersionCache` gives a value at the version that it was kept at, and no other."""

from souche.cache import OVERHEAD_BYTES, VersionCache


def test_a_value_is_kept_for_its_version_alone() -> None:
    cache: VersionCache[bytes] = VersionCache()
    cache.put("a", 1, b"one")
    cache.put("b", 1, b"other")
    assert cache.get([("a", 1), ("b", 2), ("c", 1)]) == {"a": b"one"}
    cache.put("a", 2, b"two")
    assert cache.get([("a", 1)]) == {}
    assert cache.get([("a", 2)]) == {"a": b"two"}


def test_those_that_were_not_used_for_the_longest_make_room() -> None:
    cache: VersionCache[bytes] = VersionCache(most_bytes=2 * (OVERHEAD_BYTES + 5))
    for row_id in ("a", "b"):
        cache.put(row_id, 1, b"12345")
    cache.get([("a", 1)])
    cache.put("c", 1, b"12345")
    assert cache.get((row_id, 1) for row_id in "abc").keys() == {"a", "c"}


def test_a_value_that_takes_the_place_of_another_takes_its_room() -> None:
    cache: VersionCache[bytes] = VersionCache(most_bytes=2 * (OVERHEAD_BYTES + 5))
    cache.put("a", 1, b"12345")
    for version in range(5):
        cache.put("b", version, b"12345")
    assert cache.get([("a", 1), ("b", 4)]).keys() == {"a", "b"}


def test_what_is_larger_than_all_the_room_is_not_kept() -> None:
    cache: VersionCache[bytes] = VersionCache(most_bytes=OVERHEAD_BYTES)
    cache.put("a", 1, b"1")
    assert cache.get([("a", 1)]) == {}
