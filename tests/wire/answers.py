"""Checks answers against the published specification."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema_rs

from souche.api.protocol import spec


def check_answer(action: str, answer: Mapping[str, Any]) -> None:
    """Fail unless `answer` is what the specification lets the action answer, dates in RFC 3339 included."""
    _check(spec.document()["actions"][action]["response"], answer)


def check_error(answer: Mapping[str, Any]) -> None:
    """Fail unless `answer` is the specification's error envelope, whole."""
    _check("ErrorResponse", answer)
    assert set(answer) == {"Errors", "ResponseContext"}
    assert all(set(error) == {"Code", "Type", "Details"} for error in answer["Errors"])


def _check(schema: str, answer: Mapping[str, Any]) -> None:
    problems = [f"{error.instance_path}: {error.message}" for error in _validator(schema).iter_errors(answer)]
    assert not problems, problems


@cache
def _validator(schema: str) -> jsonschema_rs.Draft4Validator:
    document = {"$ref": f"#/schemas/{schema}", "schemas": spec.document()["schemas"]}
    return jsonschema_rs.Draft4Validator(document, validate_formats=True)
