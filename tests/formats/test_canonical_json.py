"""One text for each value."""

import json

import pytest

from souche.formats.canonical_json import canonical
from souche.formats.json_fields import NotJson, read_object


def test_the_text_is_of_the_value_and_not_of_its_spelling() -> None:
    one = json.loads('{"b": [1, {"d": null, "c": true}], "a": "\\u00e9\\n"}')
    other = json.loads('{"a":"é\\u000a","b":[1,{"c":true,"d":null}]}')
    assert canonical(one) == canonical(other) == '{"a":"é\\n","b":[1,{"c":true,"d":null}]}'.encode()


def test_keys_are_sorted_by_utf_16_as_rfc_8785_says() -> None:
    assert canonical({"\ufb33": 1, "\U0001f600": 2, "1": 3}) == '{"1":3,"😀":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize("value", [1.0, 1e400, float("nan")])
def test_a_number_with_many_spellings_has_no_text(value: float) -> None:
    with pytest.raises(NotJson, match="not an integer"):
        canonical({"a": [value]})


def test_what_is_nested_too_deeply_has_no_text() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(NotJson, match="deeply"):
        canonical(deep)


def test_a_key_that_is_there_twice_is_refused() -> None:
    """One reader would take the first, and another one the last."""
    with pytest.raises(NotJson, match="'Size' occurs twice"):
        read_object(b'{"Image": {"Size": 1, "Name": "a", "Size": 2}}')
