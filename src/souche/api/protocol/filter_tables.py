"""The filters of every Read action, as data: the wire's name, the domain's field, and how a value is read."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypeAlias

from souche import ids
from souche.api.protocol import dates
from souche.model.query import Value
from souche.states import VmState, VmStateCode

Reader: TypeAlias = Callable[[Any], Value | None]


@dataclass(frozen=True)
class Filter:
    """A filter on a domain field. `read` converts a value of the wire, or returns None. With `wildcard`, `*` in a value
    stands for any run of characters.
    """

    field: str
    read: Reader
    wildcard: bool = False


@dataclass(frozen=True)
class Bound:
    """A filter with one date, the first (`at_least`) or the last (`at_most`) that matches."""

    field: str
    at_least: bool = False
    at_most: bool = False


@dataclass(frozen=True)
class Constant:
    """A filter on a value that is the same for every resource of a region: all of them match `values`."""

    values: Collection[str | bool] = ()


AnyFilter: TypeAlias = Filter | Bound | Constant
Table: TypeAlias = Mapping[str, AnyFilter]


def _itself(value: Value) -> Value:
    return value


def _date(text: str) -> Value | None:
    """An instant, or the pattern of a whole day for a date alone."""
    try:
        return f"{date.fromisoformat(text).isoformat()}*"
    except ValueError:
        return dates.read(text)


def _vm_state(code: int) -> VmState | None:
    return VmState[VmStateCode(code).name] if code in {*VmStateCode} else None


def _is_active(state: str) -> bool | None:
    return {"ACTIVE": True, "INACTIVE": False}.get(state)


def _ip_range(text: str) -> Value | None:
    return None if _group_id(text) else text


def _group_id(text: str) -> Value | None:
    return text if text.startswith(f"{ids.SECURITY_GROUP}-") else None


def _reason(text: str) -> Value:
    """A reason as it is shown, its code alone, or a prefix: `Client.UserInitiatedShutdown`, `Client.*`."""
    return text if "*" in text or ":" in text else f"{text}*"


def _location(text: str) -> Value:
    """Where an image comes from. A URL is kept without its query, which is a signature, and shown with it to the
    image's owner: both find the image."""
    is_url = text.startswith(("http://", "https://")) and "*" not in text
    return text.partition("?")[0] if is_url else text


def _is(field: str) -> Filter:
    return Filter(field, _itself)


def _like(field: str) -> Filter:
    return Filter(field, _itself, wildcard=True)


def _dated(field: str) -> Filter:
    return Filter(field, _date, wildcard=True)


NEVER: Final = Constant()  # what no resource of this region has

_TAGS: Final[Table] = {"TagKeys": _is("tag_key"), "TagValues": _is("tag_value"), "Tags": _is("tag")}

_IMAGES: Final[Table] = {
    "AccountAliases": _is("account_alias"),
    "AccountIds": _is("account_id"),
    "Architectures": _is("architecture"),
    "BlockDeviceMappingDeleteOnVmDeletion": _is("mapping_delete_on_vm_deletion"),
    "BlockDeviceMappingDeviceNames": _is("mapping_device_name"),
    "BlockDeviceMappingSnapshotIds": _is("mapping_snapshot_id"),
    "BlockDeviceMappingVolumeSizes": _is("mapping_volume_size_gib"),
    "BlockDeviceMappingVolumeTypes": _is("mapping_volume_type"),
    "BootModes": _is("boot_modes"),
    "Descriptions": _is("description"),
    "FileLocations": Filter("file_location", _location, wildcard=True),
    "Hypervisors": Constant(("xen",)),
    "ImageIds": _is("image_id"),
    "ImageNames": _like("name"),
    "PermissionsToLaunchAccountIds": _is("granted_account_id"),
    "PermissionsToLaunchGlobalPermission": _is("public"),
    "ProductCodeNames": _is("product_code"),
    "ProductCodes": _is("product_code"),
    "RootDeviceNames": _is("root_device_name"),
    "RootDeviceTypes": Constant(("bsu", "ebs")),
    "SecureBoot": _is("secure_boot"),
    "States": _is("state"),
    "TpmMandatory": _is("tpm_mandatory"),
    "VirtualizationTypes": Constant(("hvm",)),
    **_TAGS,
}

_SNAPSHOTS: Final[Table] = {
    "AccountAliases": _is("account_alias"),
    "AccountIds": _is("account_id"),
    "ClientTokens": _is("client_token"),
    "Descriptions": _is("description"),
    "FromCreationDate": Bound("creation_date", at_least=True),
    "PermissionsToCreateVolumeAccountIds": _is("granted_account_id"),
    "PermissionsToCreateVolumeGlobalPermission": _is("public"),
    "Progresses": _is("progress_percent"),
    "SnapshotIds": _is("snapshot_id"),
    "States": _is("state"),
    "ToCreationDate": Bound("creation_date", at_most=True),
    "VolumeIds": _is("volume_id"),
    "VolumeSizes": _is("volume_size_gib"),
    **_TAGS,
}

_VOLUMES: Final[Table] = {
    "ClientTokens": _is("client_token"),
    "CreationDates": _dated("creation_date"),
    "LinkVolumeDeleteOnVmDeletion": _is("link_delete_on_vm_deletion"),
    "LinkVolumeDeviceNames": _is("link_device_name"),
    "LinkVolumeLinkDates": _dated("link_date"),
    "LinkVolumeLinkStates": _is("link_state"),
    "LinkVolumeVmIds": _is("link_vm_id"),
    "SnapshotIds": _is("snapshot_id"),
    "SubregionNames": _is("subregion_name"),
    "VolumeIds": _is("volume_id"),
    "VolumeSizes": _is("size_gib"),
    "VolumeStates": _is("state"),
    "VolumeTypes": _is("volume_type"),
    **_TAGS,
}

# NICs and Nets are not kept: a filter on them finds none.
_WITHOUT_NETS: Final[Table] = {
    "Lifecycles": NEVER,
    "NetIds": NEVER,
    "Platforms": NEVER,
    "SubnetIds": NEVER,
    "NicAccountIds": NEVER,
    "NicDescriptions": NEVER,
    "NicIsSourceDestChecked": NEVER,
    "NicLinkNicDeleteOnVmDeletion": NEVER,
    "NicLinkNicDeviceNumbers": NEVER,
    "NicLinkNicLinkNicDates": NEVER,
    "NicLinkNicLinkNicIds": NEVER,
    "NicLinkNicStates": NEVER,
    "NicLinkNicVmAccountIds": NEVER,
    "NicLinkNicVmIds": NEVER,
    "NicLinkPublicIpAccountIds": NEVER,
    "NicLinkPublicIpLinkPublicIpIds": NEVER,
    "NicLinkPublicIpPublicIpIds": NEVER,
    "NicLinkPublicIpPublicIps": NEVER,
    "NicMacAddresses": NEVER,
    "NicNetIds": NEVER,
    "NicNicIds": NEVER,
    "NicPrivateIpsLinkPublicIpAccountIds": NEVER,
    "NicPrivateIpsLinkPublicIpIds": NEVER,
    "NicPrivateIpsPrimaryIp": NEVER,
    "NicPrivateIpsPrivateIps": NEVER,
    "NicSecurityGroupIds": NEVER,
    "NicSecurityGroupNames": NEVER,
    "NicStates": NEVER,
    "NicSubnetIds": NEVER,
    "NicSubregionNames": NEVER,
}

_VMS: Final[Table] = {
    "Architectures": _is("architecture"),
    "BlockDeviceMappingDeleteOnVmDeletion": _is("link_delete_on_vm_deletion"),
    "BlockDeviceMappingDeviceNames": _is("link_device_name"),
    "BlockDeviceMappingLinkDates": _dated("link_date"),
    "BlockDeviceMappingStates": _is("link_state"),
    "BlockDeviceMappingVolumeIds": _is("link_volume_id"),
    "BootModes": _is("boot_mode"),
    "ClientTokens": _is("client_token"),
    "CreationDates": _dated("creation_date"),
    "ImageIds": _is("image_id"),
    "IsSourceDestChecked": Constant((False,)),
    "KeypairNames": _is("keypair_name"),
    "LaunchNumbers": _is("launch_number"),
    "PrivateIps": _is("private_ip"),
    "PublicIps": _is("public_ip"),
    "ProductCodes": _is("product_code"),
    "ReservationIds": _is("reservation_id"),
    "RootDeviceNames": _is("root_device_name"),
    "RootDeviceTypes": Constant(("ebs",)),
    "SecurityGroupIds": _is("security_group_id"),
    "SecurityGroupNames": _is("security_group_name"),
    "StateReasonCodes": NEVER,
    "StateReasonMessages": _is("state_reason"),
    "StateReasons": _is("state_reason"),
    "SubregionNames": _is("subregion_name"),
    "Tenancies": Constant(("default",)),
    "TpmEnabled": _is("tpm_enabled"),
    "VmIds": _is("vm_id"),
    "VmSecurityGroupIds": _is("security_group_id"),
    "VmSecurityGroupNames": _is("security_group_name"),
    "VmStateCodes": Filter("state", _vm_state),
    "VmStateNames": _is("state"),
    "VmTypes": _is("vm_type"),
    **_WITHOUT_NETS,
    **_TAGS,
}

_SECURITY_GROUPS: Final[Table] = {
    "Descriptions": _is("description"),
    "InboundRuleAccountIds": _is("member_account_id"),
    "InboundRuleFromPortRanges": _is("rule_from_port"),
    "InboundRuleIpRanges": Filter("rule_source", _ip_range),
    "InboundRuleProtocols": _is("rule_protocol"),
    "InboundRuleSecurityGroupIds": Filter("rule_source", _group_id),
    "InboundRuleSecurityGroupNames": _is("member_name"),
    "InboundRuleToPortRanges": _is("rule_to_port"),
    "NetIds": NEVER,
    "OutboundRuleAccountIds": NEVER,
    "OutboundRuleFromPortRanges": NEVER,
    "OutboundRuleIpRanges": NEVER,
    "OutboundRuleProtocols": NEVER,
    "OutboundRuleSecurityGroupIds": NEVER,
    "OutboundRuleSecurityGroupNames": NEVER,
    "OutboundRuleToPortRanges": NEVER,
    "SecurityGroupIds": _is("security_group_id"),
    "SecurityGroupNames": _is("name"),
    **_TAGS,
}

FILTERS: Final[Mapping[str, Table]] = {
    "ReadAccessKeys": {"AccessKeyIds": _is("access_key_id"), "States": Filter("active", _is_active)},
    "ReadImageExportTasks": {"ImageIds": _is("image_id"), "TaskIds": _is("task_id")},
    "ReadImages": _IMAGES,
    "ReadKeypairs": {
        "KeypairFingerprints": _is("fingerprint"),
        "KeypairIds": _is("keypair_id"),
        "KeypairNames": _is("name"),
        "KeypairTypes": _is("key_type"),
        **_TAGS,
    },
    "ReadPublicIps": {
        "LinkPublicIpIds": _is("link_id"),
        "NicAccountIds": NEVER,
        "NicIds": NEVER,
        "Placements": Constant(("standard",)),  # outside of Nets, as EC2 names it
        "PrivateIps": _is("private_ip"),
        "PublicIpIds": _is("public_ip_id"),
        "PublicIps": _is("public_ip"),
        "VmIds": _is("vm_id"),
        **_TAGS,
    },
    "ReadSecurityGroups": _SECURITY_GROUPS,
    "ReadSnapshotExportTasks": {"SnapshotIds": _is("snapshot_id"), "TaskIds": _is("task_id")},
    "ReadSnapshots": _SNAPSHOTS,
    "ReadTags": {
        "Keys": _is("key"),
        "ResourceIds": _is("resource_id"),
        "ResourceTypes": _is("resource_type"),
        "Values": _is("value"),
    },
    "ReadVms": _VMS,
    "ReadVmsState": {
        "MaintenanceEventCodes": NEVER,
        "MaintenanceEventDescriptions": NEVER,
        "MaintenanceEventsNotAfter": NEVER,
        "MaintenanceEventsNotBefore": NEVER,
        "SubregionNames": _is("subregion_name"),
        "VmIds": _is("vm_id"),
        "VmStates": _is("state"),
    },
    "ReadVmsStopHistory": {
        "StateReasons": Filter("state_reason", _reason, wildcard=True),
        "StopDateAfter": Bound("stop_date", at_least=True),
        "StopDateBefore": Bound("stop_date", at_most=True),
        "VmIds": _is("vm_id"),
    },
    "ReadVolumeUpdateTasks": {"TaskIds": _is("task_id"), "VolumeIds": _is("volume_id")},
    "ReadVolumes": _VOLUMES,
}
