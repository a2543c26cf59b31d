"""Names of buckets (reference section 11)."""

import pytest

from souche.objects.names import is_bucket_name


@pytest.mark.parametrize("name", ["abc", "a-1", "0a9", "a" * 63])
def test_a_bucket_has_3_to_63_lower_case_letters_digits_and_hyphens(name: str) -> None:
    assert is_bucket_name(name)


@pytest.mark.parametrize(
    "name", ["", "ab", "a" * 64, "Abc", "a_b", "a.b", "a b", "-ab", "ab-", "192.168.1.1", "abc\n", "é-bc"]
)
def test_another_name_is_none_of_a_bucket(name: str) -> None:
    assert not is_bucket_name(name)
