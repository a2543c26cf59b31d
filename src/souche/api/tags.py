"""Tags on the wire."""

from collections.abc import Iterable, Mapping
from typing import Any

from souche.api.protocol import filters, pages
from souche.api.protocol.dispatch import Call
from souche.app import tags
from souche.model.query import Position
from souche.model.tags import Tag


def create_tags(call: Call) -> Mapping[str, object]:
    """CreateTags: of two tags with the same key in one request, the last counts."""
    request: Mapping[str, Any] = call.request
    pairs = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
    tags.put(call.region, call.who, request["ResourceIds"], pairs)
    return {}


def delete_tags(call: Call) -> Mapping[str, object]:
    """DeleteTags: if a value is given, only the tag with exactly this value is deleted (specification).

    The specification also requires a Value, so an empty one means no value.
    """
    request: Mapping[str, Any] = call.request
    pairs = [(tag["Key"], tag["Value"] or None) for tag in request["Tags"]]
    tags.remove(call.region, call.who, request["ResourceIds"], pairs)
    return {}


def read_tags(call: Call) -> Mapping[str, object]:
    """ReadTags: the tags of the caller's own resources."""
    query = pages.query(call.request, filters.conditions("ReadTags", call.request))
    found, more = tags.find(call.region, call.who, query)
    return {"Tags": [_tag(tag) for tag in found], **pages.following(found, _position, more=more)}


def resource_tags(found: Iterable[Tag]) -> list[dict[str, str]]:
    """The `Tags` field of a resource's view."""
    return [{"Key": tag.key, "Value": tag.value} for tag in found]


def _position(tag: Tag) -> Position:
    return Position(tag.creation_date, tag.position_id)


def _tag(tag: Tag) -> dict[str, str]:
    return {
        "Key": tag.key,
        "ResourceId": tag.resource_id,
        "ResourceType": tag.resource_type,
        "Value": tag.value,
    }
