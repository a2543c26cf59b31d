"""Every example of the published document, for every supported action."""

import json
from collections.abc import Mapping
from typing import Any, Final

import jsonschema_rs
import pytest
from tools.harness import REGION

from souche.api.protocol import spec
from tests.foreign.published import Field, answered_fields, request_examples, response_examples
from tests.foreign.region import SUBREGION, Caller, ServedRegion, until
from tests.wire.answers import check_answer, check_error

REFUSED_FOR_ITS_SHAPE: Final = ("3001", "4110")

NETS: Final = "Nets and what belongs to them are not kept: lists are empty"
GPUS: Final = "flexible GPUs are not kept: lists are empty"
PRICES: Final = "nothing has a price here: the catalog is empty"
EXPORTS: Final = "exports need buckets, which this region has not: tests/transfer has them"

# Schemas of which nothing is ever shown here.
NEVER_SHOWN: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "AccepterNet", "AccessLog", "ClientGateway", "DhcpOptionsSet", "DirectLink", "DirectLinkInterfaces",
            "HealthCheck", "InternetService", "LinkNic", "LinkNicLight", "LinkRouteTable", "Listener", "ListenerRule",
            "LoadBalancer", "NatService", "Net", "NetAccessPoint", "NetPeering", "NetPeeringState",
            "NetToVirtualGatewayLink", "Nic", "NicLight", "PrivateIp", "PrivateIpLightForVm",
            "PublicIpLight", "Route", "RouteTable", "Service", "SourceNet", "SourceSecurityGroup", "Subnet",
            "VgwTelemetry", "VirtualGateway", "VpnConnection",
        ),
        NETS,
    ),
    **dict.fromkeys(("FlexibleGpu", "FlexibleGpuCatalog"), GPUS),
    "CatalogEntry": PRICES,
    "ConsumptionEntry": PRICES,
    **dict.fromkeys(
        (
            "ImageExportTask",
            "OsuExportImageExportTask",
            "OsuExportSnapshotExportTask",
            "SnapshotExportTask",
        ),
        EXPORTS,
    ),
    **dict.fromkeys(("DedicatedGroup", "VmGroup", "VmTemplate"), "VM groups are not kept: lists are empty"),
    **dict.fromkeys(
        ("MinimalPolicy", "Policy", "PolicyEntities", "PolicyVersion", "User", "UserGroup"),
        "an account has no users and no policies: lists are empty",
    ),
    "Ca": "certificates of clients are not kept: the list is empty",
    "ServerCertificate": "certificates are for load balancers: lists are empty",
}  # fmt: skip

# Fields that the examples show and Souche does not, and why.
NOT_SHOWN: Final[Mapping[Field, str]] = {
    **dict.fromkeys(
        (
            *(("SecurityGroup", "NetId"), ("Vm", "NetId"), ("Vm", "Nics"), ("Vm", "SubnetId")),
            *(("PublicIp", "NicId"), ("PublicIp", "NicAccountId")),
        ),
        "absent outside a Net, and Nets are not kept",
    ),
    **dict.fromkeys(
        (("Log", "QueryHeaderRaw"), ("Log", "QueryHeaderSize"), ("Log", "QueryPayloadRaw")),
        "headers and payloads are not logged: secrets may be in them",
    ),
}


@pytest.mark.parametrize(
    ("action", "body"), [pytest.param(a, body, id=f"{a}-{name}") for a, name, body in request_examples()]
)
def test_a_request_example_is_answered_and_never_refused_for_its_shape(
    region: ServedRegion, examiner: Caller, action: str, body: dict[str, Any]
) -> None:
    spec.check_request(action, body)
    answer = examiner.attempt(action, json.dumps(body).encode())
    if answer.status == 200:
        check_answer(action, answer.json)
    else:
        check_error(answer.json)
        assert 400 <= answer.status < 500
        assert answer.json["Errors"][0]["Code"] not in REFUSED_FOR_ITS_SHAPE, answer.json


@pytest.fixture(scope="module")
def examiner(region: ServedRegion) -> Caller:
    return region.account("the examiner")


@pytest.mark.parametrize(
    ("action", "answer"),
    [pytest.param(a, answer, id=f"{a}-{name}") for a, name, answer in response_examples()],
)
def test_a_response_example_has_the_shape_that_answers_are_held_against(
    action: str, answer: dict[str, Any]
) -> None:
    """Dates apart: some of the examples have +0000, which is no date-time."""
    schema = {"$ref": f"#/schemas/{spec.document()['actions'][action]['response']}"}
    validator = jsonschema_rs.Draft4Validator(
        schema | {"schemas": spec.document()["schemas"]}, validate_formats=False
    )
    assert [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(answer)] == []


def test_every_field_that_an_example_shows_is_shown_here(region: ServedRegion) -> None:
    published = {
        field for action, _, answer in response_examples() for field in answered_fields(action, answer)
    }
    missing = {
        (schema, field)
        for schema, field in published - _shown(region)
        if schema not in NEVER_SHOWN and not schema.endswith("Response")  # what an action answers as a whole
    }
    assert missing == NOT_SHOWN.keys(), sorted(missing ^ NOT_SHOWN.keys())


def test_what_is_never_shown_has_not_come(region: ServedRegion) -> None:
    assert {schema for schema, _ in _shown(region)} & NEVER_SHOWN.keys() == set()


def _shown(region: ServedRegion) -> set[Field]:
    """The fields of all that a region shows, in a story that touches every kind of resource."""
    if _seen:
        return _seen
    caller = region.account("who shows everything")

    def call(action: str, **request: object) -> dict[str, Any]:
        answer = caller.attempt(action, json.dumps(request).encode())
        assert answer.status == 200, answer.json
        _seen.update(answered_fields(action, answer.json))
        found: dict[str, Any] = answer.json
        return found

    _show_keys(call)
    _show_disks(call)
    _show_vm(call, region.official_image_id)
    for action in (
        "Accounts",
        "Locations",
        "ProductTypes",
        "Quotas",
        "Regions",
        "SecurityGroups",
        "Subregions",
        "Tags",
        "VmTypes",
    ):
        call(f"Read{action}")
    for action in ("PublicIpRanges", "PublicCatalog", "Catalog"):
        call(f"Read{action}")
    call("ReadApiLogs", With=dict.fromkeys(spec.document()["schemas"]["With"]["properties"], True))
    return _seen


_seen: set[Field] = set()


def _show_keys(call: Any) -> None:
    key = call("CreateAccessKey", ExpirationDate="2063-04-05", Tag="Group1")["AccessKey"]
    call("ReadAccessKeys")
    call("UpdateAccessKey", AccessKeyId=key["AccessKeyId"], State="INACTIVE")
    call("CreateApiAccessRule", IpRanges=["192.0.2.0/24"], Description="office")
    call("ReadApiAccessPolicy")
    call("CreateKeypair", KeypairName="laptop")
    call("ReadKeypairs")
    call("CreateProductType", Description="a product", Vendor="a vendor")


def _show_disks(call: Any) -> None:
    volume_id = call("CreateVolume", SubregionName=SUBREGION, Size=4, VolumeType="io1", Iops=100)["Volume"][
        "VolumeId"
    ]
    until(call, "Volumes", "VolumeId", volume_id, "available")
    snapshot_id = call("CreateSnapshot", VolumeId=volume_id, Description="a snapshot")["Snapshot"][
        "SnapshotId"
    ]
    until(call, "Snapshots", "SnapshotId", snapshot_id, "completed")
    call("CreateTags", ResourceIds=[volume_id, snapshot_id], Tags=[{"Key": "key", "Value": "value"}])
    call("CreateVolume", SubregionName=SUBREGION, SnapshotId=snapshot_id)
    call("UpdateVolume", VolumeId=volume_id, Size=5)
    call("ReadVolumeUpdateTasks")
    call("ReadVolumes")
    shared = {"Additions": {"AccountIds": ["123456789012"]}}
    call("UpdateSnapshot", SnapshotId=snapshot_id, PermissionsToCreateVolume=shared)
    bsu = {"SnapshotId": snapshot_id, "VolumeType": "io1", "Iops": 150}
    mapping = [{"DeviceName": "/dev/sda1", "Bsu": bsu}]
    call("CreateImage", ImageName="registered", BlockDeviceMappings=mapping, RootDeviceName="/dev/sda1")


def _show_vm(call: Any, image_id: str) -> None:
    copied = call("CreateImage", SourceImageId=image_id, SourceRegionName=REGION, ImageName="copied")["Image"]
    call(
        "UpdateImage",
        ImageId=copied["ImageId"],
        PermissionsToLaunch={"Additions": {"GlobalPermission": True}},
    )
    call("ReadImages")
    group = {"SecurityGroupName": "web", "Description": "a group"}
    group_id = call("CreateSecurityGroup", **group)["SecurityGroup"]["SecurityGroupId"]
    rule = {"FromPortRange": 80, "ToPortRange": 80, "IpProtocol": "tcp", "IpRange": "10.0.0.0/16"}
    call("CreateSecurityGroupRule", SecurityGroupId=group_id, Flow="Inbound", **rule)
    member = [{"IpProtocol": "tcp", "SecurityGroupsMembers": [{"SecurityGroupId": group_id}],
               "FromPortRange": 22, "ToPortRange": 22}]  # fmt: skip
    call("CreateSecurityGroupRule", SecurityGroupId=group_id, Flow="Inbound", Rules=member)
    launch = {"ImageId": image_id, "KeypairName": "laptop", "SecurityGroupIds": [group_id]}
    vm_id = call("CreateVms", **launch)["Vms"][0]["VmId"]
    until(call, "Vms", "VmId", vm_id, "running")
    call("ReadVmsState")
    call("ReadAdminPassword", VmId=vm_id)
    call("ReadConsoleOutput", VmId=vm_id)
    call("StopVms", VmIds=[vm_id])
    until(call, "Vms", "VmId", vm_id, "stopped")
    call("UpdateVm", VmId=vm_id, NestedVirtualization=False)
    call("StartVms", VmIds=[vm_id])
    until(call, "Vms", "VmId", vm_id, "running")
    call("ReadVmsStopHistory", Filters={"VmIds": [vm_id]})
    public_ip = call("CreatePublicIp")["PublicIp"]["PublicIp"]
    call("LinkPublicIp", PublicIp=public_ip, VmId=vm_id)
    call("ReadPublicIps")
    call("ReadVolumes")
    call("DeleteVms", VmIds=[vm_id])
