"""Souche's own CreateImageAlias, ReadImageAliases, UpdateImageAlias and DeleteImageAlias."""

from collections.abc import Mapping
from typing import Any, Final, cast

from souche.api import dates, pages
from souche.api.dispatch import Call
from souche.api.filters import MAX_VALUES
from souche.app import image_aliases
from souche.model.image_aliases import AliasChange, ImageAlias
from souche.refusals import BadValue, IncompatibleParameters, MissingParameter

_TEXT: Final = {"type": "string"}
_DRY_RUN: Final = {"DryRun": {"type": "boolean"}}


def _schema(properties: Mapping[str, Any], *required: str) -> Mapping[str, Any]:
    wanted = {"required": list(required)} if required else {}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {**_DRY_RUN, **properties},
        **wanted,
    }


_NAMED: Final = {"AliasName": _TEXT}
CREATE_SCHEMA: Final = _schema({**_NAMED, "ImageId": _TEXT}, "AliasName", "ImageId")
UPDATE_SCHEMA: Final = _schema({**_NAMED, "ImageId": _TEXT, "Rollback": {"type": "boolean"}}, "AliasName")
DELETE_SCHEMA: Final = _schema(_NAMED, "AliasName")
READ_SCHEMA: Final = _schema(
    {
        "Filters": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"AliasNames": {"type": "array", "items": _TEXT}},
        },
        "NextPageToken": _TEXT,
        "ResultsPerPage": {"type": "integer"},
    }
)


def create_image_alias(call: Call) -> Mapping[str, object]:
    """Make an alias of the caller's."""
    request = call.request
    made = image_aliases.create(call.region, call.who, str(request["AliasName"]), str(request["ImageId"]))
    return {"ImageAlias": view(made, call.who.account_id)}


def update_image_alias(call: Call) -> Mapping[str, object]:
    """Have an alias name another image, or the one before (`Rollback`)."""
    request, alias = call.request, str(call.request["AliasName"])
    back = request.get("Rollback") is True
    if back and "ImageId" in request:
        raise IncompatibleParameters(reason="ImageId and Rollback cannot be given at the same time")
    if not back and "ImageId" not in request:
        raise MissingParameter(parameter="ImageId")
    if back:
        changed = image_aliases.roll_back(call.region, call.who, alias)
    else:
        changed = image_aliases.update(call.region, call.who, alias, str(request["ImageId"]))
    return {"ImageAlias": view(changed, call.who.account_id)}


def delete_image_alias(call: Call) -> Mapping[str, object]:
    """Delete an alias of the caller's; the image stays."""
    image_aliases.delete(call.region, call.who, str(call.request["AliasName"]))
    return {}


def read_image_aliases(call: Call) -> Mapping[str, object]:
    """The caller's aliases, and those of images that it may use."""
    given = cast("Mapping[str, list[str]]", call.request.get("Filters") or {}).get("AliasNames")
    if given and len(given) > MAX_VALUES:
        raise BadValue(parameter="Filters", reason=f"it has more than {MAX_VALUES} values.")
    query = pages.query(call.request, (), default=pages.MOST_RESULTS)
    found = image_aliases.find(call.region, call.who, given or None, query)
    following = pages.following(found.resources, image_aliases.position, more=found.more)
    return {"ImageAliases": [view(each, call.who.account_id) for each in found.resources], **following}


def view(alias: ImageAlias, account_id: str | None = None) -> dict[str, object]:
    """An alias as the API and the command line show it, with the name by which an account uses it (None: any that is
    not its owner)."""
    return {
        "AliasName": alias.told_to(account_id),
        "AccountId": alias.account_id,
        "ImageId": alias.image_id,
        "State": "available" if alias.live else "dangling",
        "FollowsFamily": alias.follows_family,
        "CreationDate": dates.shown(alias.creation_date),
        "Date": dates.shown(alias.date),
        "History": [change(each) for each in alias.history],
    }


def change(each: AliasChange) -> dict[str, str]:
    """A change as the API and the command line show it."""
    return {"ImageId": each.image_id, "Date": dates.shown(each.date)}
