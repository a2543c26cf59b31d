"""Permissions of images and snapshots on the wire."""

from collections.abc import Mapping
from typing import Any

from souche.app.permissions import PermissionsChange
from souche.model.permissions import Permissions
from souche.value_refusals import IncompatibleParameters, MissingParameter


def view(permissions: Permissions) -> dict[str, object]:
    """Permissions as the API shows them."""
    return {"AccountIds": list(permissions.account_ids), "GlobalPermission": permissions.public}


def change(parameter: str, given: Mapping[str, Any]) -> PermissionsChange:
    """Additions or removals, never both (reference section 2, UpdateImage). An empty one counts as absent: clients in
    Go send `"Removals": {}` together with their additions.

    Raises:
        IncompatibleParameters, MissingParameter.
    """
    named = {name: wanted for name, wanted in given.items() if any(wanted.values())}
    if len(named) > 1:
        raise IncompatibleParameters(reason="Additions and Removals cannot be given at the same time")
    if not named:
        raise MissingParameter(parameter=parameter)
    ((name, wanted),) = named.items()
    return PermissionsChange(
        removal=name == "Removals",
        account_ids=tuple(wanted.get("AccountIds", ())),
        everybody=wanted.get("GlobalPermission", False),
    )
