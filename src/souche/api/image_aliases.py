"""Souche's own CreateImageAlias, ReadImageAliases, UpdateImageAlias and DeleteImageAlias."""

from collections.abc import Mapping
from typing import Final

from souche.api.protocol import dates, filters, pages, schemas
from souche.api.protocol.dispatch import Call
from souche.app import image_aliases
from souche.model.image_aliases import AliasChange, ImageAlias
from souche.value_refusals import IncompatibleParameters, MissingParameter

_NAMED: Final = {"AliasName": schemas.TEXT}
CREATE_SCHEMA: Final = schemas.of_request({**_NAMED, "ImageId": schemas.TEXT}, "AliasName", "ImageId")
UPDATE_SCHEMA: Final = schemas.of_request(
    {**_NAMED, "ImageId": schemas.TEXT, "Rollback": {"type": "boolean"}}, "AliasName"
)
DELETE_SCHEMA: Final = schemas.of_request(_NAMED, "AliasName")
READ_SCHEMA: Final = schemas.of_filtered_read({"AliasNames": schemas.TEXTS})


def create_image_alias(call: Call) -> Mapping[str, object]:
    """Make an alias of the caller's."""
    request = call.request
    made = image_aliases.create(call.region, call.who, str(request["AliasName"]), str(request["ImageId"]))
    return {"ImageAlias": view(made, call.who.account_id)}


def update_image_alias(call: Call) -> Mapping[str, object]:
    """Point an alias to another image, or to its previous one (`Rollback`)."""
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
    names = filters.given_values(call.request).get("AliasNames")
    query = pages.query(call.request, (), default=pages.MOST_RESULTS)
    found = image_aliases.find(call.region, call.who, names or None, query)
    following = pages.following(found.resources, image_aliases.position, more=found.more)
    return {"ImageAliases": [view(each, call.who.account_id) for each in found.resources], **following}


def view(alias: ImageAlias, account_id: str | None = None) -> dict[str, object]:
    """An alias as the API and the command line show it, with its name for an account (None: for any account but its
    owner)."""
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
