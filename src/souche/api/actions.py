"""The actions of Souche, each with its handler. docs/compatibility.md is generated from this table."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from souche.api import (
    access_keys,
    accounts,
    api_access_rules,
    api_logs,
    console_tokens,
    empty_reads,
    export_refreshes,
    export_tasks,
    image_adoptions,
    image_aliases,
    image_cleanings,
    image_origins,
    image_reports,
    images,
    keypairs,
    notices,
    product_types,
    public_ips,
    quotas,
    region_keys,
    regions,
    security_groups,
    snapshots,
    tags,
    uses,
    vm_attributes,
    vm_stops,
    vm_types,
    vms,
    volume_updates,
    volumes,
)
from souche.api.empty_reads import no_entities, nothing, nothing_for_everybody
from souche.api.protocol import spec
from souche.api.protocol.dispatch import Access, Action, Handler
from souche.api.protocol.request_errors import ActionNotSupported, UnknownAction

# tools/gen_api.py reads the keys from the text of this file: keep this a plain dict display.
ACTIONS: Final[Mapping[str, Handler]] = {
    "CreateAccessKey": access_keys.create_access_key,
    "CreateApiAccessRule": api_access_rules.create_api_access_rule,
    "CreateImage": images.create_image,
    "CreateImageExportTask": export_tasks.create_image_export_task,
    "CreateKeypair": keypairs.create_keypair,
    "CreateProductType": product_types.create_product_type,
    "CreatePublicIp": public_ips.create_public_ip,
    "CreateSecurityGroup": security_groups.create_security_group,
    "CreateSecurityGroupRule": security_groups.create_security_group_rule,
    "CreateSnapshot": snapshots.create_snapshot,
    "CreateSnapshotExportTask": export_tasks.create_snapshot_export_task,
    "CreateTags": tags.create_tags,
    "CreateVms": vms.create_vms,
    "CreateVolume": volumes.create_volume,
    "DeleteAccessKey": access_keys.delete_access_key,
    "DeleteApiAccessRule": api_access_rules.delete_api_access_rule,
    "DeleteExportTask": export_tasks.delete_export_task,
    "DeleteImage": images.delete_image,
    "DeleteKeypair": keypairs.delete_keypair,
    "DeleteProductType": product_types.delete_product_type,
    "DeletePublicIp": public_ips.delete_public_ip,
    "DeleteSecurityGroup": security_groups.delete_security_group,
    "DeleteSecurityGroupRule": security_groups.delete_security_group_rule,
    "DeleteSnapshot": snapshots.delete_snapshot,
    "DeleteTags": tags.delete_tags,
    "DeleteVms": vms.delete_vms,
    "DeleteVolume": volumes.delete_volume,
    "LinkPublicIp": public_ips.link_public_ip,
    "LinkVolume": volumes.link_volume,
    "ReadAccessKeys": access_keys.read_access_keys,
    "ReadAccounts": accounts.read_accounts,
    "ReadAdminPassword": vms.read_admin_password,
    "ReadApiAccessPolicy": empty_reads.read_api_access_policy,
    "ReadApiAccessRules": api_access_rules.read_api_access_rules,
    "ReadApiLogs": api_logs.read_api_logs,
    "ReadCas": nothing("Cas"),
    "ReadCatalog": empty_reads.read_catalog,
    "ReadClientGateways": nothing("ClientGateways"),
    "ReadConsoleOutput": vms.read_console_output,
    "ReadConsumptionAccount": empty_reads.read_consumption_account,
    "ReadDedicatedGroups": nothing("DedicatedGroups"),
    "ReadDhcpOptions": nothing("DhcpOptionsSets"),
    "ReadDirectLinkInterfaces": nothing("DirectLinkInterfaces"),
    "ReadDirectLinks": nothing("DirectLinks"),
    "ReadEntitiesLinkedToPolicy": empty_reads.read_entities_linked_to_policy,
    "ReadFlexibleGpuCatalog": nothing_for_everybody("FlexibleGpuCatalog"),
    "ReadFlexibleGpus": nothing("FlexibleGpus"),
    "ReadImageExportTasks": export_tasks.read_image_export_tasks,
    "ReadImages": images.read_images,
    "ReadInternetServices": nothing("InternetServices"),
    "ReadKeypairs": keypairs.read_keypairs,
    "ReadListenerRules": nothing("ListenerRules"),
    "ReadLoadBalancers": nothing("LoadBalancers"),
    "ReadLocations": regions.read_locations,
    "ReadNatServices": nothing("NatServices"),
    "ReadNetAccessPointServices": nothing_for_everybody("Services"),
    "ReadNetAccessPoints": nothing("NetAccessPoints"),
    "ReadNetPeerings": nothing("NetPeerings"),
    "ReadNets": nothing("Nets"),
    "ReadNics": nothing("Nics"),
    "ReadPolicies": no_entities("Policies"),
    "ReadPolicyVersions": empty_reads.read_policy_versions,
    "ReadProductTypes": product_types.read_product_types,
    "ReadPublicCatalog": empty_reads.read_public_catalog,
    "ReadPublicIpRanges": public_ips.read_public_ip_ranges,
    "ReadPublicIps": public_ips.read_public_ips,
    "ReadQuotas": quotas.read_quotas,
    "ReadRegions": regions.read_regions,
    "ReadRouteTables": nothing("RouteTables"),
    "ReadSecurityGroups": security_groups.read_security_groups,
    "ReadServerCertificates": nothing("ServerCertificates"),
    "ReadSnapshotExportTasks": export_tasks.read_snapshot_export_tasks,
    "ReadSnapshots": snapshots.read_snapshots,
    "ReadSubnets": nothing("Subnets"),
    "ReadSubregions": regions.read_subregions,
    "ReadTags": tags.read_tags,
    "ReadUserGroups": no_entities("UserGroups"),
    "ReadUsers": no_entities("Users"),
    "ReadVirtualGateways": nothing("VirtualGateways"),
    "ReadVmGroups": nothing("VmGroups"),
    "ReadVmTemplates": nothing("VmTemplates"),
    "ReadVmTypes": vm_types.read_vm_types,
    "ReadVms": vms.read_vms,
    "ReadVmsState": vms.read_vms_state,
    "ReadVmsStopHistory": vm_stops.read_vms_stop_history,
    "ReadVolumeUpdateTasks": volume_updates.read_volume_update_tasks,
    "ReadVolumes": volumes.read_volumes,
    "ReadVpnConnections": nothing("VpnConnections"),
    "RebootVms": vms.reboot_vms,
    "StartVms": vms.start_vms,
    "StopVms": vms.stop_vms,
    "UnlinkPublicIp": public_ips.unlink_public_ip,
    "UnlinkVolume": volumes.unlink_volume,
    "UpdateAccessKey": access_keys.update_access_key,
    "UpdateApiAccessRule": api_access_rules.update_api_access_rule,
    "UpdateImage": images.update_image,
    "UpdateSnapshot": snapshots.update_snapshot,
    "UpdateVm": vms.update_vm,
    "UpdateVolume": volume_updates.update_volume,
}


@dataclass(frozen=True)
class SoucheAction:
    """An action that OUTSCALE does not have. `schema` is the JSON schema (draft 4) of its requests."""

    handler: Handler
    schema: Mapping[str, Any]


# Reached under /souche/v1/, so that no answer of the OUTSCALE API has a foreign field.
SOUCHE_ACTIONS: Final[Mapping[str, SoucheAction]] = {
    "AdoptImage": SoucheAction(image_adoptions.adopt_image, image_adoptions.SCHEMA),
    "CreateCleanImage": SoucheAction(image_cleanings.create_clean_image, image_cleanings.SCHEMA),
    "CreateConsoleToken": SoucheAction(console_tokens.create_console_token, console_tokens.SCHEMA),
    "CreateImageAlias": SoucheAction(image_aliases.create_image_alias, image_aliases.CREATE_SCHEMA),
    "CreateImageReport": SoucheAction(image_reports.create_image_report, image_reports.CREATE_SCHEMA),
    "DeleteImageAlias": SoucheAction(image_aliases.delete_image_alias, image_aliases.DELETE_SCHEMA),
    "ReadImageAliases": SoucheAction(image_aliases.read_image_aliases, image_aliases.READ_SCHEMA),
    "ReadImageOrigins": SoucheAction(image_origins.read_image_origins, image_origins.SCHEMA),
    "ReadImageReports": SoucheAction(image_reports.read_image_reports, image_reports.READ_SCHEMA),
    "ReadImageUses": SoucheAction(uses.read_image_uses, uses.IMAGES_SCHEMA),
    "ReadNotices": SoucheAction(notices.read_notices, notices.READ_SCHEMA),
    "ReadRegionKey": SoucheAction(region_keys.read_region_key, region_keys.SCHEMA),
    "ReadSnapshotProblems": SoucheAction(snapshots.read_snapshot_problems, snapshots.PROBLEMS_SCHEMA),
    "ReadSnapshotUses": SoucheAction(uses.read_snapshot_uses, uses.SNAPSHOTS_SCHEMA),
    "ReadVmOrigins": SoucheAction(vm_attributes.read_vm_origins, vm_attributes.READ_SCHEMA),
    "RefreshExport": SoucheAction(export_refreshes.refresh_export, export_refreshes.SCHEMA),
    "UpdateImageAlias": SoucheAction(image_aliases.update_image_alias, image_aliases.UPDATE_SCHEMA),
    "UpdateImageAttributes": SoucheAction(vm_attributes.update_image_attributes, vm_attributes.UPDATE_SCHEMA),
}


@cache
def outscale_action(name: str) -> Action:
    """An action of the OUTSCALE API.

    Raises:
        UnknownAction: the specification has none of this name.
        ActionNotSupported: the specification has it, but Souche does not.
    """
    if not spec.knows(name):
        raise UnknownAction(action=name, api=f"the OUTSCALE API {spec.version()}")
    if name not in ACTIONS:
        raise ActionNotSupported(action=name)
    access = Access(spec.access(name))
    return Action(name, ACTIONS[name], spec.request_check(name), access, spec.optional_ids(name))


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
