"""JSON schemas (draft 4) of the requests of Souche's own actions. Those of OUTSCALE's come from its specification."""

from collections.abc import Mapping
from typing import Any, Final

TEXT: Final[Mapping[str, Any]] = {"type": "string"}
TEXTS: Final[Mapping[str, Any]] = {"type": "array", "items": TEXT}
PAGE: Final[Mapping[str, Any]] = {"NextPageToken": TEXT, "ResultsPerPage": {"type": "integer"}}


def of_object(properties: Mapping[str, Any], *required: str) -> Mapping[str, Any]:
    """An object with these properties and no others; some are required."""
    wanted = {"required": list(required)} if required else {}  # draft 4 takes no empty list
    return {"type": "object", "additionalProperties": False, "properties": dict(properties), **wanted}


def of_request(properties: Mapping[str, Any], *required: str) -> Mapping[str, Any]:
    """A request, which may be a dry run."""
    return of_object({"DryRun": {"type": "boolean"}, **properties}, *required)


def of_filtered_read(filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """A request for a page of what satisfies these filters."""
    return of_request({"Filters": of_object(filters), **PAGE})
