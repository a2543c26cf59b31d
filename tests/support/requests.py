"""A successful request for every supported action and every id that it takes.

`<kind>` or `<which.kind>` stands for the id of a resource of `make_world`. Tests run the whole table: as an account
that cannot see the resources, and as dry runs.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from souche.app.context.region import Region
from souche.model.accounts import Principal
from souche.model.security_groups import Rule
from souche.states import ExportState, ImageState, SnapshotState, VmState, VolumeState
from tests.support.exported import SYSTEM, put_disk, put_manifest
from tests.support.resources import (
    attach,
    make_api_access_rule,
    make_export_task,
    make_image,
    make_keypair,
    make_product_type,
    make_public_ip,
    make_security_group,
    make_snapshot,
    make_vm,
    make_volume,
    make_volume_update,
)

HERE: Final = "eu-test-1"
TAG: Final = {"Key": "k", "Value": "v"}
PORT: Final = {"IpProtocol": "tcp", "FromPortRange": 80, "ToPortRange": 80}
TAGGABLE: Final = (
    *("image", "snapshot", "volume", "vm", "keypair", "security_group"),
    *("image_export", "snapshot_export", "volume_update", "public_ip_id"),
)
EXPORT: Final = {"DiskImageFormat": "qcow2", "OsuBucket": "bucket"}
SHARE: Final = {"Additions": {"GlobalPermission": True}}

PUBLIC_IP, LINKED_IP = "198.19.0.11", "198.19.0.12"

POLICY_ORN: Final = "orn:ows:idauth::012345678910:policy/example"
REQUESTS: Final[Mapping[str, Sequence[Mapping[str, Any]]]] = {
    "CreateAccessKey": [{}],
    "CreateApiAccessRule": [{"IpRanges": ["192.0.2.0/24"]}],
    "CreateImage": [
        {"VmId": "<vm>", "ImageName": "new"},
        {"SourceImageId": "<image>", "SourceRegionName": HERE},
        {"FileLocation": put_manifest()},
        {
            "ImageName": "new",
            "RootDeviceName": "/dev/sda1",
            "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Bsu": {"SnapshotId": "<snapshot>"}}],
        },
    ],
    "CreateImageExportTask": [{"ImageId": "<image>", "OsuExport": EXPORT}],
    "CreateKeypair": [{"KeypairName": "new"}],
    "CreateProductType": [{"Description": "new"}],
    "CreatePublicIp": [{}],
    "CreateSecurityGroup": [{"SecurityGroupName": "new", "Description": "new"}],
    "CreateSecurityGroupRule": [
        {"SecurityGroupId": "<security_group>", "Flow": "Inbound", **PORT, "IpRange": "10.0.0.0/8"},
        {
            "SecurityGroupId": "<security_group>",
            "Flow": "Inbound",
            "SecurityGroupNameToLink": "<member.security_group>",
        },
        {
            "SecurityGroupId": "<security_group>",
            "Flow": "Inbound",
            "Rules": [{**PORT, "SecurityGroupsMembers": [{"SecurityGroupId": "<member.security_group>"}]}],
        },
    ],
    "CreateSnapshot": [
        {"VolumeId": "<volume>"},
        {"SourceSnapshotId": "<snapshot>", "SourceRegionName": HERE},
        {"FileLocation": put_disk(SYSTEM), "SnapshotSize": len(SYSTEM)},
    ],
    "CreateSnapshotExportTask": [{"SnapshotId": "<snapshot>", "OsuExport": EXPORT}],
    "CreateTags": [{"ResourceIds": [f"<{kind}>"], "Tags": [TAG]} for kind in TAGGABLE],
    "CreateVms": [
        {"ImageId": "<image>"},
        {"ImageId": "<image>", "SecurityGroupIds": ["<security_group>"]},
        {"ImageId": "<image>", "SecurityGroups": ["<name_of.security_group_name>"]},
        {"ImageId": "<image>", "KeypairName": "<name_of.keypair_name>"},
        {
            "ImageId": "<image>",
            "BlockDeviceMappings": [{"DeviceName": "/dev/xvdb", "Bsu": {"SnapshotId": "<snapshot>"}}],
        },
    ],
    "CreateVolume": [{"SubregionName": f"{HERE}a", "SnapshotId": "<snapshot>"}],
    "DeleteApiAccessRule": [{"ApiAccessRuleId": "<api_access_rule>"}],
    "DeleteAccessKey": [{"AccessKeyId": "<access_key>"}],
    "DeleteExportTask": [{"ExportTaskId": "<image_export>"}, {"ExportTaskId": "<snapshot_export>"}],
    "DeleteImage": [{"ImageId": "<image>"}],
    "DeleteKeypair": [{"KeypairId": "<keypair>"}, {"KeypairName": "<name_of.keypair_name>"}],
    "DeleteProductType": [{"ProductTypeId": "<product_type>"}],
    "DeletePublicIp": [{"PublicIpId": "<public_ip_id>"}, {"PublicIp": "<public_ip>"}],
    "DeleteSecurityGroup": [
        {"SecurityGroupId": "<security_group>"},
        {"SecurityGroupName": "<name_of.security_group_name>"},
    ],
    "DeleteSecurityGroupRule": [
        {"SecurityGroupId": "<security_group>", "Flow": "Inbound", "IpRange": "10.9.0.0/16"}
    ],
    "DeleteSnapshot": [{"SnapshotId": "<snapshot>"}],
    "DeleteTags": [{"ResourceIds": [f"<{kind}>"], "Tags": [TAG]} for kind in TAGGABLE],
    "DeleteVms": [{"VmIds": ["<stopped.vm>", "<vm>"]}],
    "DeleteVolume": [{"VolumeId": "<volume>"}],
    "LinkPublicIp": [
        {"PublicIp": "<public_ip>", "VmId": "<vm>"},
        {"PublicIpId": "<public_ip_id>", "VmId": "<vm>", "AllowRelink": False},
    ],
    "LinkVolume": [{"VolumeId": "<volume>", "VmId": "<vm>", "DeviceName": "/dev/xvdz"}],
    "ReadAccessKeys": [{}],
    "ReadApiAccessPolicy": [{}],
    "ReadApiAccessRules": [{}],
    "ReadApiLogs": [{}],
    "ReadConsumptionAccount": [{"FromDate": "2026-01-01", "ToDate": "2026-02-01"}],
    "ReadAccounts": [{}],
    "ReadAdminPassword": [{"VmId": "<vm>"}],
    "ReadCas": [{}],
    "ReadCatalog": [{}],
    "ReadClientGateways": [{}],
    "ReadConsoleOutput": [{"VmId": "<vm>"}],
    "ReadDedicatedGroups": [{}],
    "ReadDhcpOptions": [{}],
    "ReadDirectLinkInterfaces": [{}],
    "ReadDirectLinks": [{}],
    "ReadEntitiesLinkedToPolicy": [{"PolicyOrn": POLICY_ORN}],
    "ReadFlexibleGpuCatalog": [{}],
    "ReadFlexibleGpus": [{}],
    "ReadImageExportTasks": [{}],
    "ReadImages": [{}],
    "ReadInternetServices": [{}],
    "ReadKeypairs": [{}],
    "ReadListenerRules": [{}],
    "ReadLoadBalancers": [{}],
    "ReadLocations": [{}],
    "ReadNatServices": [{}],
    "ReadNetAccessPointServices": [{}],
    "ReadNetAccessPoints": [{}],
    "ReadNetPeerings": [{}],
    "ReadNets": [{}],
    "ReadNics": [{}],
    "ReadPolicies": [{}],
    "ReadPolicyVersions": [{"PolicyOrn": POLICY_ORN}],
    "ReadProductTypes": [{}],
    "ReadPublicCatalog": [{}],
    "ReadPublicIpRanges": [{}],
    "ReadPublicIps": [{}],
    "ReadQuotas": [{}],
    "ReadRegions": [{}],
    "ReadRouteTables": [{}],
    "ReadSecurityGroups": [{}],
    "ReadServerCertificates": [{}],
    "ReadSnapshotExportTasks": [{}],
    "ReadSnapshots": [{}],
    "ReadSubnets": [{}],
    "ReadSubregions": [{}],
    "ReadTags": [{}],
    "ReadUserGroups": [{}],
    "ReadUsers": [{}],
    "ReadVirtualGateways": [{}],
    "ReadVmGroups": [{}],
    "ReadVmTemplates": [{}],
    "ReadVmTypes": [{}],
    "ReadVms": [{}],
    "ReadVmsState": [{}],
    "ReadVmsStopHistory": [{}],
    "ReadVolumeUpdateTasks": [{}],
    "ReadVolumes": [{}],
    "ReadVpnConnections": [{}],
    "RebootVms": [{"VmIds": ["<vm>"]}],
    "StartVms": [{"VmIds": ["<stopped.vm>"]}],
    "StopVms": [{"VmIds": ["<vm>"]}],
    "UnlinkPublicIp": [{"PublicIp": "<linked.public_ip>"}, {"LinkPublicIpId": "<public_ip_link>"}],
    "UnlinkVolume": [{"VolumeId": "<linked.volume>"}],
    "UpdateApiAccessRule": [{"ApiAccessRuleId": "<api_access_rule>", "Description": "new"}],
    "UpdateAccessKey": [{"AccessKeyId": "<access_key>", "State": "INACTIVE"}],
    "UpdateImage": [{"ImageId": "<image>", "Description": "new", "PermissionsToLaunch": SHARE}],
    "UpdateSnapshot": [{"SnapshotId": "<snapshot>", "PermissionsToCreateVolume": SHARE}],
    "UpdateVm": [
        {"VmId": "<stopped.vm>", "VmType": "tinav5.c1r1"},
        {"VmId": "<vm>", "SecurityGroupIds": ["<security_group>"]},
        {"VmId": "<vm>", "KeypairName": "<name_of.keypair_name>"},
        {
            "VmId": "<vm>",
            "BlockDeviceMappings": [{"Bsu": {"VolumeId": "<linked.volume>", "DeleteOnVmDeletion": False}}],
        },
    ],
    "UpdateVolume": [{"VolumeId": "<volume>", "Size": 20}],
}


def make_world(region: Region, who: Principal) -> Mapping[str, str]:
    """One resource of each kind in `REQUESTS`, in a state in which the requests succeed."""
    vm = make_vm(region, who)
    keypair = make_keypair(region, who, "known")
    free, linked = make_public_ip(region, who, PUBLIC_IP), make_public_ip(region, who, LINKED_IP, vm)
    assert linked.link is not None
    group = make_security_group(region, who, "known", inbound=(Rule("-1", -1, -1, "10.9.0.0/16"),))
    return {
        "access_key": str(who.access_key_id),
        "api_access_rule": make_api_access_rule(region, who).rule_id,
        "image": make_image(region, who).image_id,
        "image_export": make_export_task(region, who, make_image(region, who, "exported")).task_id,
        "snapshot_export": make_export_task(region, who, make_snapshot(region, who)).task_id,
        "volume_update": make_volume_update(region, who, make_volume(region, who)).task_id,
        "keypair": keypair.keypair_id,
        "name_of.keypair_name": keypair.name,
        "product_type": make_product_type(region, who).product_type_id,
        "public_ip": free.public_ip,
        "public_ip_id": free.public_ip_id,
        "linked.public_ip": linked.public_ip,
        "public_ip_link": linked.link.link_id,
        "snapshot": make_snapshot(region, who).snapshot_id,
        "volume": make_volume(region, who).volume_id,
        "security_group": group.security_group_id,
        "member.security_group": make_security_group(region, who, "member").security_group_id,
        "name_of.security_group_name": group.name,
        "linked.volume": attach(region, vm, "/dev/xvdy").volume_id,
        "vm": vm.vm_id,
        "stopped.vm": make_vm(region, who, VmState.STOPPED).vm_id,
    }


def make_hidden(region: Region, who: Principal) -> Mapping[str, Sequence[str]]:
    """An account's private resources by kind, in every state."""
    keypair = make_keypair(region, who, "hidden")
    group = make_security_group(region, who, "hidden")
    images = [make_image(region, who, f"hidden {state}", state=state) for state in ImageState]
    snapshots = [make_snapshot(region, who, state=state) for state in SnapshotState]
    volumes = [make_volume(region, who, state=state) for state in VolumeState if state != VolumeState.IN_USE]
    vms = [make_vm(region, who, state, devices=()) for state in VmState]
    public_ips = [
        make_public_ip(region, who, "198.19.0.21"),
        make_public_ip(region, who, "198.19.0.22", vms[0]),
    ]
    return {
        "access_key": [str(who.access_key_id)],
        "api_access_rule": [make_api_access_rule(region, who).rule_id],
        "image": [image.image_id for image in images],
        "image_export": [
            make_export_task(region, who, images[0], state=state).task_id for state in ExportState
        ],
        "snapshot_export": [
            make_export_task(region, who, snapshots[0], state=state).task_id for state in ExportState
        ],
        "volume_update": [make_volume_update(region, who, volumes[0]).task_id],
        "keypair": [keypair.keypair_id],
        "keypair_name": [keypair.name],
        "security_group": [group.security_group_id],
        "security_group_name": [group.name],
        "product_type": [make_product_type(region, who).product_type_id],
        "public_ip": [each.public_ip for each in public_ips],
        "public_ip_id": [each.public_ip_id for each in public_ips],
        "public_ip_link": [each.link.link_id for each in public_ips if each.link],
        "snapshot": [snapshot.snapshot_id for snapshot in snapshots],
        "volume": [volume.volume_id for volume in volumes] + [attach(region, vms[1], "/dev/sda1").volume_id],
        "vm": [vm.vm_id for vm in vms],
    }


UNKNOWN: Final = {
    "access_key": "ABCDEFGHIJKLMNOPQRST",
    "api_access_rule": "aar-00000000",
    "image": "ami-00000000",
    "image_export": "image-export-00000000",
    "snapshot_export": "snap-export-00000000",
    "volume_update": "vol-update-00000000",
    "keypair": "key-" + 32 * "0",
    "keypair_name": "nobody",
    "security_group": "sg-00000000",
    "security_group_name": "nobody",
    "product_type": "pty-00000000",
    "public_ip": "198.19.0.99",
    "public_ip_id": "eipalloc-00000000",
    "public_ip_link": "eipassoc-00000000",
    "snapshot": "snap-00000000",
    "volume": "vol-00000000",
    "vm": "i-00000000",
}


def placeholders(template: Any) -> list[str]:
    """The names in angle brackets in a request."""
    if isinstance(template, Mapping):
        return [name for item in template.values() for name in placeholders(item)]
    if isinstance(template, list):
        return [name for item in template for name in placeholders(item)]
    return [template[1:-1]] if isinstance(template, str) and template.startswith("<") else []


def filled(template: Any, world: Mapping[str, Any]) -> Any:
    """The request with each `<name>` replaced by the world's value of that name."""
    if isinstance(template, Mapping):
        return {key: filled(item, world) for key, item in template.items()}
    if isinstance(template, list):
        return [filled(item, world) for item in template]
    if isinstance(template, str) and template.startswith("<"):
        return world[template[1:-1]]
    return template


def kind_of(name: str) -> str:
    """The kind of resource of a placeholder."""
    return name.rpartition(".")[2]
