"""The examples of the published document, and the fields that values of its schemas have."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tools import gen_api

from souche.api.actions import ACTIONS
from souche.api.protocol import spec

Field = tuple[str, str]  # of a schema


@cache
def _document() -> Mapping[str, Any]:
    return gen_api.document()


def request_examples() -> list[tuple[str, str, dict[str, Any]]]:
    """Action, name and body, of every example of a supported action."""
    return [
        (action, name, body)
        for action in sorted(ACTIONS)
        for name, body in _examples(_post(action)["requestBody"])
    ]


def response_examples() -> list[tuple[str, str, dict[str, Any]]]:
    """Action, name and answer, of every example of a supported action."""
    return [
        (action, name, answer)
        for action in sorted(ACTIONS)
        for name, answer in _examples(_post(action)["responses"]["200"])
    ]


def _post(action: str) -> Mapping[str, Any]:
    post: Mapping[str, Any] = _document()["paths"][f"/{action}"]["post"]
    return post


def _examples(holder: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, example in holder["content"]["application/json"].get("examples", {}).items():
        yield name, example["value"]


def answered_fields(action: str, answer: Mapping[str, Any]) -> set[Field]:
    """The fields of every schema that an answer of the action has."""
    return set(_fields(spec.document()["actions"][action]["response"], answer))


def _fields(name: str, value: Mapping[str, Any]) -> Iterator[Field]:
    properties = spec.document()["schemas"][name].get("properties", {})
    for field, item in value.items():
        yield name, field
        yield from _below(properties.get(field, {}), item)


def _below(schema: Mapping[str, Any], value: Any) -> Iterator[Field]:
    reference = schema.get("$ref", "")
    if reference and isinstance(value, dict):
        yield from _fields(reference.removeprefix("#/schemas/"), value)
    elif isinstance(value, list):
        for item in value:
            yield from _below(schema.get("items", {}), item)
