"""The published specification at run time: its actions, and the shapes of their requests."""

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

import jsonschema_rs
import msgspec

from souche.api.protocol import dates
from souche.api.protocol.request_errors import MalformedBody, UnknownParameter, WrongJsonType
from souche.errors import UserError
from souche.value_refusals import BadValue, MissingParameter

Check = Callable[[object], None]

# If a request breaks several rules, the first of these is reported.
RANKS: Final = ("additionalProperties", "required", "type")

JSON_TYPES: Final = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


@cache
def document() -> Mapping[str, Any]:
    """What tools/gen_api.py wrote: `version`, `actions` and `schemas`."""
    text = files("souche.api").joinpath("spec.json").read_bytes()
    decoded: Mapping[str, Any] = msgspec.json.decode(text)
    return decoded


def version() -> str:
    """The specification's version, such as "1.42.0"."""
    return str(document()["version"])


def action_names() -> list[str]:
    """Every action of the specification, by name."""
    return sorted(document()["actions"])


def knows(action: str) -> bool:
    """Whether the specification has such an action."""
    return action in document()["actions"]


def access(action: str) -> str:
    """Which credentials the action takes: "none", "key" or "password"."""
    return str(document()["actions"][action]["access"])


def optional_ids(action: str) -> frozenset[str]:
    """The ids that a request of the action may have at its top level but need not."""
    request = document()["schemas"][document()["actions"][action]["request"]]
    needed = request.get("required", ())
    return frozenset(name for name in request["properties"] if name.endswith("Id") and name not in needed)


def check_request(action: str, body: object) -> None:
    """Refuse a body of another shape than the action's request.

    Raises:
        MalformedBody, UnknownParameter, MissingParameter, WrongJsonType, BadValue: with the parameter's path.
    """
    request_check(action)(body)


@cache
def request_check(action: str) -> Check:
    """The compiled check of an action's requests."""
    name = document()["actions"][action]["request"]
    return compile_check({"$ref": f"#/schemas/{name}", "schemas": document()["schemas"]})


def compile_check(schema: Mapping[str, Any]) -> Check:
    """A check of bodies against a JSON schema of an object (draft 4), raising as `check_request` does."""
    formats = {"date": _is_date, "date-time": _is_date}
    validator = jsonschema_rs.Draft4Validator(dict(schema), validate_formats=True, formats=formats, mask="it")

    def check(body: object) -> None:
        if not validator.is_valid(body):
            raise _worst(validator, schema, body)

    return check


def _is_date(text: str) -> bool:
    """Clients write dates, date-times, `Z`, `+0000` and `+00:00` alike."""
    return dates.read(text) is not None


def _worst(validator: jsonschema_rs.Draft4Validator, schema: Mapping[str, Any], body: object) -> UserError:
    """The one error to report: by rank, then in the order of the request."""
    if not isinstance(body, dict):
        return MalformedBody(reason=f"it is of the type {_type_name(body)}")
    try:
        found = list(validator.iter_errors(body))
    except ValueError:  # the validator's own bound on depth, 255
        return MalformedBody(reason="it is nested too deeply")
    return _refusal(min(found, key=_rank), schema, body)


def _rank(error: jsonschema_rs.ValidationError) -> int:
    name = error.kind.name
    return RANKS.index(name) if name in RANKS else len(RANKS)


def _refusal(error: jsonschema_rs.ValidationError, schema: Mapping[str, Any], body: object) -> UserError:
    path = list(error.instance_path)
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=unexpected):
            known = _value_at(schema, error.schema_path[:-1]).get("properties", {})
            return UnknownParameter(
                parameter=_spell([*path, unexpected[0]]), hint=_hint(unexpected[0], known)
            )
        case jsonschema_rs.ValidationErrorKind.Required(property=name):
            return MissingParameter(parameter=_spell([*path, name]))
        case jsonschema_rs.ValidationErrorKind.Type(types=types):
            found = _type_name(_value_at(body, path))
            return WrongJsonType(parameter=_spell(path), expected=" or ".join(types), found=found)
        case jsonschema_rs.ValidationErrorKind.Enum(options=options):
            return BadValue(
                parameter=_spell(path), reason=f"supported values: {', '.join(map(str, options))}."
            )
        case jsonschema_rs.ValidationErrorKind.AnyOf() if not isinstance(_value_at(body, path), str):
            found = _type_name(_value_at(body, path))
            return WrongJsonType(parameter=_spell(path), expected="string", found=found)
        case (
            jsonschema_rs.ValidationErrorKind.Format(format="date" | "date-time")
            | jsonschema_rs.ValidationErrorKind.AnyOf()  # only dates use it: with a time or without
        ):
            reason = "a date is expected, such as 2026-11-24 or 2026-11-24T10:00:00.000Z."
            return BadValue(parameter=_spell(path), reason=reason)
    return BadValue(parameter=_spell(path), reason=f"{error.message}.")


def _hint(unknown: str, known: Collection[str]) -> str:
    """The expected parameters, for the refusal of an unknown one."""
    spelt = {name.lower(): name for name in known}
    near = difflib.get_close_matches(unknown.lower(), spelt, n=1)
    if near:
        return f"Did you mean '{spelt[near[0]]}'?"
    return f"Expected: {', '.join(sorted(known)) or 'none'}."


def _value_at(body: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        body = body[step]
    return body


def _type_name(value: object) -> str:
    return JSON_TYPES.get(type(value), "null")


def _spell(path: list[str | int]) -> str:
    """A path in readable form: `BlockDeviceMappings[0].Bsu.VolumeSize`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
