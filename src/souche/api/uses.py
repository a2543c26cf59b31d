"""Souche's own ReadImageUses and ReadSnapshotUses."""

from collections.abc import Mapping
from typing import Final, cast

from souche.api.protocol import schemas
from souche.api.protocol.dispatch import Call
from souche.app import uses
from souche.model.uses import Users, Uses

MOST_IDS: Final = 100


_IDS: Final = {**schemas.TEXTS, "maxItems": MOST_IDS}
IMAGES_SCHEMA: Final = schemas.of_request({"ImageIds": _IDS}, "ImageIds")
SNAPSHOTS_SCHEMA: Final = schemas.of_request({"SnapshotIds": _IDS}, "SnapshotIds")


def read_image_uses(call: Call) -> Mapping[str, object]:
    """What depends on images."""
    found = uses.of_images(call.region, call.who, cast("list[str]", call.request["ImageIds"]))
    return {"ImageUses": [view(each, "ImageId") for each in found]}


def read_snapshot_uses(call: Call) -> Mapping[str, object]:
    """What depends on snapshots."""
    found = uses.of_snapshots(call.region, call.who, cast("list[str]", call.request["SnapshotIds"]))
    return {"SnapshotUses": [view(each, "SnapshotId") for each in found]}


def view(each: Uses, key: str) -> dict[str, object]:
    """What depends on a resource, as the API and the command line show it; the id under `key`."""
    users: dict[str, object] = {kind: _users(found) for kind, found in each.users.items()}
    shares = {"Public": each.public, "Accounts": each.shared_with}
    return {key: each.resource_id, **users, "Shares": shares}


def _users(found: Users) -> dict[str, object]:
    return {"Own": list(found.own), "OfOthers": found.others}
