"""Reads JSON written by others: each value by its type, each error with its path."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeVar, cast

from souche.value_refusals import BadManifest

Value = TypeVar("Value")

MOST_SHOWN: Final = 80
NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class NotJson(BadManifest):
    """The manifest is not a JSON object: {reason}"""


class Fields:
    """One JSON object and its path (`Image.Snapshots[0]`). Unknown keys are ignored."""

    def __init__(self, values: Mapping[str, object], path: str = "") -> None:
        self.values = values
        self._path = path

    def need(self, key: str, kind: type[Value]) -> Value:
        """A required value.

        Raises:
            BadManifest: it is missing, or of another type.
        """
        value = self.get(key, kind)
        if value is None:
            raise self.bad(key, "it is required")
        return value

    def get(self, key: str, kind: type[Value]) -> Value | None:
        """A value, None if it is missing or null. A bool is no int.

        Raises:
            BadManifest: it is of another type.
        """
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.bad(key, f"{_name(kind)} is expected")
        return value

    def fields(self, key: str) -> "Fields":
        """A required object."""
        return Fields(cast("dict[str, object]", self.need(key, dict)), self._at(key))

    def each(self, key: str) -> Iterator["Fields"]:
        """The objects of a required list."""
        for number, value in enumerate(self.need(key, list)):
            if not isinstance(value, dict):
                raise self.bad(f"{key}[{number}]", f"{_name(dict)} is expected")
            yield Fields(value, f"{self._at(key)}[{number}]")

    def texts(self, key: str) -> tuple[str, ...]:
        """The strings of a required list."""
        values = self.need(key, list)
        if not all(isinstance(value, str) for value in values):
            raise self.bad(key, "a list of strings is expected")
        return tuple(values)

    def bad(self, key: str, reason: str) -> BadManifest:
        """The error for a value."""
        return BadManifest(reason=f"{self._at(key)}: {reason}")

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key


def read_object(data: bytes) -> Fields:
    """Parse a JSON object.

    Raises:
        NotJson: it is not one. BadManifest: a text in it has a NUL character.
    """
    try:
        values = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object)
        _check_texts(json.dumps(values, ensure_ascii=False))
    except (ValueError, RecursionError) as error:
        raise NotJson(reason=str(error)) from error
    if not isinstance(values, dict):
        raise NotJson(reason=f"{_name(dict)} is expected")
    return Fields(values)


def _check_texts(written: str) -> None:
    """Refuse text that no database stores: surrogates, and NUL, which JSON writes as an escape."""
    written.encode()
    if NUL.search(written):
        raise BadManifest(reason="a text has a NUL character")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuses duplicate keys: different readers would use different values."""
    values: dict[str, object] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the key {key[:MOST_SHOWN]!r} occurs twice")
        values[key] = value
    return values


def write_object(values: Mapping[str, object]) -> bytes:
    """JSON for people."""
    return json.dumps(values, indent=2, ensure_ascii=False).encode() + b"\n"


def _name(kind: type) -> str:
    return {str: "a string", int: "an integer", bool: "true or false", dict: "an object", list: "a list"}[
        kind
    ]
