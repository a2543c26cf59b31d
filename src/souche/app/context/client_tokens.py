"""ClientTokens. A token identifies the first request that carried it: repeating that request returns the same resource,
and another request is refused. A resource keeps a digest of its request, since the resource itself changes (a volume
grows)."""

import hashlib
import json
from dataclasses import Field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from souche.refusals import ClientTokenReused

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Command(Protocol):
    """A dataclass with a token."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def client_token(self) -> str | None:
        """The caller's client token, if there is one."""


def digest(command: Command) -> str:
    """The SHA-256, in hex, of a command but for its `client_token`. A field at its default counts as absent, so that a
    version with more fields makes the same digest."""
    return hashlib.sha256(json.dumps(_said(command), sort_keys=True).encode()).hexdigest()


def check(client_token: str | None, earlier: str | None, now: str) -> None:
    """Refuse a token that came with another request before. `earlier` is None if an early version, which kept no
    digests, made the resource.

    Raises:
        ClientTokenReused.
    """
    if earlier not in (None, now):
        raise ClientTokenReused(client_token=client_token)


def _said(command: "DataclassInstance") -> dict[str, Any]:
    said = {
        field.name: getattr(command, field.name) for field in fields(command) if field.name != "client_token"
    }
    defaults = {field.name: field.default for field in fields(command)}
    kept = {name: _plain(value) for name, value in said.items() if value != defaults[name]}
    return {"kind": type(command).__name__, **kept}


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str | int | float | bool | None) else _said(value)
