"""The actions that Souche does, each with its handler. docs/compatibility.md is made from this table."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from souche.api import (
    access_keys,
    accounts,
    images,
    keypairs,
    regions,
    snapshots,
    spec,
    tags,
    vm_types,
    vms,
    volumes,
)
from souche.api.dispatch import Access, Action, Handler
from souche.api.request_errors import UnknownAction
from souche.refusals import ActionNotSupported

# tools/gen_api.py reads the keys from the text of this file: keep this a plain dict display.
ACTIONS: Final[Mapping[str, Handler]] = {
    "CreateAccessKey": access_keys.create_access_key,
    "CreateImage": images.create_image,
    "CreateKeypair": keypairs.create_keypair,
    "CreateSnapshot": snapshots.create_snapshot,
    "CreateTags": tags.create_tags,
    "CreateVms": vms.create_vms,
    "CreateVolume": volumes.create_volume,
    "DeleteAccessKey": access_keys.delete_access_key,
    "DeleteImage": images.delete_image,
    "DeleteKeypair": keypairs.delete_keypair,
    "DeleteSnapshot": snapshots.delete_snapshot,
    "DeleteTags": tags.delete_tags,
    "DeleteVms": vms.delete_vms,
    "DeleteVolume": volumes.delete_volume,
    "LinkVolume": volumes.link_volume,
    "ReadAccessKeys": access_keys.read_access_keys,
    "ReadAccounts": accounts.read_accounts,
    "ReadAdminPassword": vms.read_admin_password,
    "ReadConsoleOutput": vms.read_console_output,
    "ReadImages": images.read_images,
    "ReadKeypairs": keypairs.read_keypairs,
    "ReadRegions": regions.read_regions,
    "ReadSnapshots": snapshots.read_snapshots,
    "ReadSubregions": regions.read_subregions,
    "ReadTags": tags.read_tags,
    "ReadVmTypes": vm_types.read_vm_types,
    "ReadVms": vms.read_vms,
    "ReadVmsState": vms.read_vms_state,
    "ReadVolumes": volumes.read_volumes,
    "RebootVms": vms.reboot_vms,
    "StartVms": vms.start_vms,
    "StopVms": vms.stop_vms,
    "UnlinkVolume": volumes.unlink_volume,
    "UpdateAccessKey": access_keys.update_access_key,
    "UpdateImage": images.update_image,
    "UpdateSnapshot": snapshots.update_snapshot,
    "UpdateVm": vms.update_vm,
}


@dataclass(frozen=True)
class SoucheAction:
    """An action that OUTSCALE does not have. `schema` is the JSON schema (draft 4) of its requests."""

    handler: Handler
    schema: Mapping[str, Any]


# Reached under /souche/v1/, so that no answer of the OUTSCALE API has a foreign field.
SOUCHE_ACTIONS: Final[Mapping[str, SoucheAction]] = {
    "ReadImageOrigins": SoucheAction(images.read_image_origins, images.ORIGINS_SCHEMA),
}


@cache
def outscale_action(name: str) -> Action:
    """An action of the OUTSCALE API.

    Raises:
        UnknownAction: the specification has none of that name.
        ActionNotSupported: it has, and Souche does not do it.
    """
    if not spec.knows(name):
        raise UnknownAction(action=name, api=f"the OUTSCALE API {spec.version()}")
    if name not in ACTIONS:
        raise ActionNotSupported(action=name)
    return Action(name, ACTIONS[name], spec.request_check(name), Access(spec.access(name)))


@cache
def souche_action(name: str) -> Action:
    """An action of Souche's own.

    Raises:
        UnknownAction: there is none of that name.
    """
    if name not in SOUCHE_ACTIONS:
        raise UnknownAction(action=name, api="Souche's own API")
    wanted = SOUCHE_ACTIONS[name]
    return Action(name, wanted.handler, spec.compile_check(wanted.schema), Access.KEY)
