"""The forms of identifiers (reference section 1, "Identifiers")."""

import re

import pytest

from souche import ids
from souche.ids import IdSource

SOURCE = IdSource()


@pytest.mark.parametrize(
    ("prefix", "digits"),
    [
        ("ami", 8),
        ("snap", 8),
        ("vol", 8),
        ("i", 8),
        ("r", 8),
        ("sg", 8),
        ("pty", 8),
        ("image-export", 8),
        ("snap-export", 8),
        ("vol-update", 8),
        ("key", 32),
    ],
)
def test_an_id_is_its_prefix_and_lowercase_hex_digits(prefix: str, digits: int) -> None:
    made = {SOURCE.new(prefix) for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(rf"{prefix}-[0-9a-f]{{{digits}}}", each) for each in made)
    assert all(ids.is_well_formed(each, prefix) for each in made)


@pytest.mark.parametrize(
    "text",
    ["ami-1234567", "ami-123456789", "ami-1234567G", "ami-1234567A", "ami-12345678\n", "snap-12345678"],
)
def test_another_form_is_no_id_of_the_kind(text: str) -> None:
    assert not ids.is_well_formed(text, ids.IMAGE)


def test_accounts_have_12_digits_keys_20_characters_and_secrets_40() -> None:
    for _ in range(50):
        assert re.fullmatch(r"[1-9][0-9]{11}", SOURCE.account_id())
        assert re.fullmatch(r"[A-Z0-9]{20}", SOURCE.access_key_id())
        assert re.fullmatch(r"[A-Z0-9]{40}", SOURCE.secret_key())


def test_a_request_id_is_a_uuid() -> None:
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", SOURCE.request_id())
