"""Names of buckets (reference section 11), and the prefixes that an export may have."""

import pytest

from souche.errors import SoucheError
from souche.objects.names import flaw_of_prefix, is_bucket_name
from souche.objects.seaweedfs.server import SeaweedFs
from tests.objects.server import OPERATOR, store


@pytest.mark.parametrize("name", ["abc", "a-1", "0a9", "a" * 63])
def test_a_bucket_has_3_to_63_lower_case_letters_digits_and_hyphens(name: str) -> None:
    assert is_bucket_name(name)


@pytest.mark.parametrize(
    "name", ["", "ab", "a" * 64, "Abc", "a_b", "a.b", "a b", "-ab", "ab-", "192.168.1.1", "abc\n", "é-bc"]
)
def test_another_name_is_none_of_a_bucket(name: str) -> None:
    assert not is_bucket_name(name)


FLAWED = {
    "./backups": "refused",
    "a/../b/": "refused",
    "../x": "refused",
    "a\0b": "refused",
    "\ud800": "refused",
    "/lead": "lead",
    "a//b/": "a/b/",
    "a\\b": "a/b",
    ".uploads/": "not listed",
    "a/.uploads/": "not listed",
    "a.versions/": "not listed",
    "a.versions/v_": "a",
    "line\nbreak": "chosen",
    "\x1b[31m": "chosen",
    "\x85": "chosen",
    "\uffff": "chosen",
}
"""The embedded store's reaction to each prefix: it refuses it, or stores keys below it under another key, or does not
list it; or none of these, and the refusal is a choice."""
GOOD = (
    "",
    "a",
    "a/",
    "a/b",
    "...",
    "a/.",
    ".hidden/",
    "..x/",
    "é 日本/😀",
    "a+b%2f?c#d&e",
    " a /",
    "x" * 300 + "/",
)


@pytest.mark.parametrize("prefix", FLAWED)
def test_a_prefix_that_the_store_refuses_changes_or_hides_is_refused(prefix: str) -> None:
    assert flaw_of_prefix(prefix)


@pytest.mark.parametrize("prefix", GOOD)
def test_another_prefix_is_taken(prefix: str) -> None:
    assert flaw_of_prefix(prefix) is None


@pytest.mark.parametrize("prefix", [*GOOD, *FLAWED])
def test_what_the_embedded_store_does_with_a_prefix(oos: SeaweedFs, bucket_name: str, prefix: str) -> None:
    there = store(oos, *OPERATOR)
    there.ensure_bucket(bucket_name)
    key = f"{prefix}snap-0000abcd.raw.gz"
    try:
        there.put(bucket_name, key, b"disk", metadata={})
        listed = there.keys(bucket_name, "")
    except (SoucheError, UnicodeEncodeError):
        assert FLAWED.get(prefix) == "refused"
        return
    there.delete(bucket_name, key)
    expected = FLAWED.get(prefix, "chosen")
    if expected == "chosen":
        assert listed == [key]
    elif expected == "not listed":
        assert listed == []
    else:
        assert listed != [key]
        assert listed[0].startswith(expected)
