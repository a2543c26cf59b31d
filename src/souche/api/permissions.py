"""Permissions of images and snapshots on the wire."""

from collections.abc import Mapping
from typing import Any

from souche.app.permissions import PermissionsChange
from souche.model.permissions import Permissions
from souche.refusals import IncompatibleParameters, MissingParameter


def view(permissions: Permissions) -> dict[str, object]:
    """Permissions as the API shows them."""
    return {"AccountIds": list(permissions.account_ids), "GlobalPermission": permissions.public}


def change(parameter: str, given: Mapping[str, Any]) -> PermissionsChange:
    """Additions or removals, never both (reference section 2, UpdateImage).

    Raises:
        IncompatibleParameters, MissingParameter.
    """
    if "Additions" in given and "Removals" in given:
        raise IncompatibleParameters(reason="Additions and Removals cannot be given at the same time")
    removal = "Removals" in given
    wanted = given.get("Removals" if removal else "Additions") or {}
    if not wanted.get("AccountIds") and not wanted.get("GlobalPermission"):
        raise MissingParameter(parameter=parameter)
    return PermissionsChange(
        removal=removal,
        account_ids=tuple(wanted.get("AccountIds", ())),
        everybody=wanted.get("GlobalPermission", False),
    )
