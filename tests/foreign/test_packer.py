"""What Packer's builders `outscale-bsu` and `outscale-bsusurrogate` send, step by step, and what they rely on in the
answers: builder/ of the plugin's source, on osc-sdk-go v2 and v3."""

from datetime import datetime
from ipaddress import ip_address
from typing import Any

import pytest

from tests.foreign.go_client import PACKER_V2, SDK_V3, GoClient
from tests.foreign.region import OFFICIAL_FAMILY, ServedRegion
from tests.wire.signing import ClientForm

KEYPAIR = "packer_6744e3b1-7c7a-2f5e-9d6c-0a1b2c3d4e5f"
VM_TAGS = [{"Key": "Name", "Value": "Packer Builder"}]
OMI_TAGS = [{"Key": "built-by", "Value": "Packer"}]
OMI = "golden 1.0"
ROOT = "/dev/sda1"
BUILD_DEVICE = "/dev/xvdf"

# Polling continues in every state but the target, so only the last state can be wrong.
ANY_VM_STATE = ("pending", "running", "stopping", "stopped", "shutting-down")


@pytest.fixture(params=[PACKER_V2, SDK_V3], ids=lambda form: form.name)
def packer(region: ServedRegion, request: pytest.FixtureRequest) -> GoClient:
    form: ClientForm = request.param
    return GoClient(region.account(request.node.nodeid), form)


def test_bsu_builds_shares_and_builds_again(region: ServedRegion, packer: GoClient) -> None:
    grantee = GoClient(region.account(f"grantee of {packer.caller.account_id}"), packer.form)
    first = _build(packer, grantee.caller.account_id)
    assert grantee.only("Images", "ImageIds", first)["State"] == "available"
    second = _build(packer, grantee.caller.account_id, force=True)
    assert packer("ReadImages", Filters={"ImageIds": [first, second]})["Images"][0]["ImageId"] == second
    assert packer("ReadSnapshots", Filters={"AccountIds": [packer.caller.account_id]})["Snapshots"] == (
        [packer.only("Snapshots", "SnapshotIds", each) for each in _snapshots(packer, second)]
    )


def test_bsusurrogate_registers_a_snapshot_of_what_it_has_built(packer: GoClient) -> None:
    disk = {"DeleteOnVmDeletion": True, "VolumeSize": 1, "VolumeType": "gp2"}
    source = _source_image(packer)
    group_id = _prepare(packer)
    vm = _run(packer, source, group_id, BlockDeviceMappings=[{"Bsu": disk, "DeviceName": BUILD_DEVICE}])
    _stop(packer, vm)
    (volume_id,) = (
        each["Bsu"]["VolumeId"] for each in vm["BlockDeviceMappings"] if each["DeviceName"] == BUILD_DEVICE
    )
    snapshot = packer(
        "CreateSnapshot", Description="Packer: 2026-11-24 10:00:00 +0000 UTC", VolumeId=volume_id
    )
    snapshot_id = snapshot["Snapshot"]["SnapshotId"]
    packer.wait("Snapshots", "SnapshotIds", snapshot_id, "completed", ["pending", "in-queue"])
    image_id = packer(
        "CreateImage",
        Architecture="x86_64",
        BlockDeviceMappings=[{"Bsu": disk | {"SnapshotId": snapshot_id}, "DeviceName": ROOT}],
        ImageName="surrogate 1.0",
        RootDeviceName=ROOT,
    )["Image"]["ImageId"]
    assert _settled_image(packer, image_id) == [snapshot_id]
    _tag(packer, image_id)
    _clean_up(packer, vm, group_id)
    assert packer.only("Images", "ImageIds", image_id)["State"] == "available"


def test_volumes_that_the_source_leaves_are_cleaned_up(packer: GoClient) -> None:
    """StepCleanupVolumes: the volumes that are available after the VM's end, and in no launch mapping."""
    disk = {"DeleteOnVmDeletion": False, "VolumeSize": 1, "VolumeType": "gp2"}
    group_id = _prepare(packer)
    mapping = {"Bsu": disk, "DeviceName": BUILD_DEVICE}
    vm = _run(packer, _source_image(packer), group_id, BlockDeviceMappings=[mapping])
    packer("DeleteVms", VmIds=[vm["VmId"]])
    packer.wait("Vms", "VmIds", vm["VmId"], "terminated", ANY_VM_STATE)
    volume_ids = [each["Bsu"]["VolumeId"] for each in vm["BlockDeviceMappings"]]
    left = packer("ReadVolumes", Filters={"VolumeIds": volume_ids})["Volumes"]
    assert [volume["State"] for volume in left] == ["available"]
    packer("DeleteVolume", VolumeId=left[0]["VolumeId"])
    packer.gone("Volumes", "VolumeIds", left[0]["VolumeId"])


def test_the_data_source_finds_the_most_recent_omi(region: ServedRegion, packer: GoClient) -> None:
    """The data source outscale-omi, by the same filters as a source image."""
    assert _source_image(packer) == region.official_image_id
    (account,) = packer("ReadAccounts")["Accounts"]
    own = {"AccountIds": [account["AccountId"]], "ImageNames": ["*"]}
    assert packer("ReadImages", Filters=own)["Images"] == []


def test_the_data_source_goes_by_an_alias(region: ServedRegion, packer: GoClient) -> None:
    """outscale-omi and source_omi_filter, with the owner's alias beside it."""
    wanted = {"AccountAliases": ["Outscale"], "AccountIds": None, "ImageNames": ["debian-12@latest"]}
    (found,) = packer("ReadImages", Filters=wanted)["Images"]
    assert found["ImageId"] == region.official_image_id


def test_a_build_that_asks_for_a_public_ip_gets_one(packer: GoClient) -> None:
    """StepPublicIp, with associate_public_ip_address: made before the VM, linked once that runs, and
    released by its id after the VM's end."""
    group_id = _prepare(packer)
    public_ip = packer("CreatePublicIp")["PublicIp"]
    vm = _run(packer, _source_image(packer), group_id)
    packer("LinkPublicIp", PublicIpId=public_ip["PublicIpId"], VmId=vm["VmId"])
    linked = packer.only("Vms", "VmIds", vm["VmId"])
    assert linked["PublicDnsName"] == linked["PublicIp"] == public_ip["PublicIp"]
    _clean_up(packer, linked, group_id)
    packer("DeletePublicIp", PublicIpId=public_ip["PublicIpId"])
    packer.gone("PublicIps", "PublicIpIds", public_ip["PublicIpId"])


def test_a_wrong_key_is_told_as_such(region: ServedRegion) -> None:
    """StepCheckAuth tells a wrong key from everything else by the status."""
    caller = region.account("who forgot")
    wrong = "W" * 40
    answer = caller.server.call(
        "ReadVms",
        b'{"DryRun":true}',
        PACKER_V2,
        key_id=caller.credentials.access_key_id,
        secret=wrong,
    )
    assert (answer.status, answer.json["Errors"][0]["Type"]) == (401, "AccessDenied")


def _build(packer: GoClient, grantee: str, *, force: bool = False) -> str:
    if not force:
        assert packer("ReadImages", Filters={"ImageNames": [OMI]})["Images"] == []  # StepPreValidate
    source = _source_image(packer)
    group_id = _prepare(packer)
    vm = _run(packer, source, group_id)
    _stop(packer, vm)
    if force:
        _deregister(packer)
    image_id: str = packer("CreateImage", ImageName=OMI, VmId=vm["VmId"])["Image"]["ImageId"]
    snapshot_ids = _settled_image(packer, image_id)
    _share(packer, image_id, snapshot_ids, grantee)
    _tag(packer, image_id)
    _clean_up(packer, vm, group_id)
    return image_id


def _source_image(packer: GoClient) -> str:
    """StepSourceOMIInfo, for `owners = ["Outscale"]` and `most_recent`: the list of account ids is null then."""
    wanted = {"AccountAliases": ["Outscale"], "AccountIds": None, "ImageNames": [f"{OFFICIAL_FAMILY}-*"]}
    images = packer("ReadImages", Filters=wanted)["Images"]
    image = max(images, key=lambda each: datetime.fromisoformat(each["CreationDate"]))
    assert image["RootDeviceType"] == "bsu"  # what StepRunSourceVm demands
    assert isinstance(image["Tags"], list)  # what tags are rendered from, unguarded
    assert image["ImageName"].startswith(OFFICIAL_FAMILY)
    return str(image["ImageId"])


def _prepare(packer: GoClient) -> str:
    """StepCheckAuth, StepKeyPair, StepSecurityGroup."""
    assert set(packer("ReadVms", DryRun=True)) == {"ResponseContext"}
    keypair = packer("CreateKeypair", KeypairName=KEYPAIR)["Keypair"]
    assert keypair["PrivateKey"].startswith("-----BEGIN")
    group_id: str = packer(
        "CreateSecurityGroup", Description="Temporary group for Packer", SecurityGroupName=KEYPAIR
    )["SecurityGroup"]["SecurityGroupId"]
    rule = {"FromPortRange": 22, "IpProtocol": "tcp", "IpRanges": ["0.0.0.0/0"], "ToPortRange": 22}
    packer("CreateSecurityGroupRule", Flow="Inbound", Rules=[rule], SecurityGroupId=group_id)
    return group_id


def test_a_source_with_the_behavior_terminate_ends(packer: GoClient) -> None:
    group_id = _prepare(packer)
    vm = _run(packer, _source_image(packer), group_id, VmInitiatedShutdownBehavior="terminate")
    _stop(packer, vm)
    _clean_up(packer, vm, group_id)


def _run(packer: GoClient, image_id: str, group_id: str, **more: object) -> dict[str, Any]:
    """StepRunSourceVm and the address that StepConnect takes."""
    wanted: dict[str, object] = {"VmInitiatedShutdownBehavior": "stop", **more}
    launched = packer(
        "CreateVms",
        **wanted,
        BsuOptimized=False,
        ImageId=image_id,
        KeypairName=KEYPAIR,
        MaxVmsCount=1,
        MinVmsCount=1,
        SecurityGroupIds=[group_id],
        SubnetId="",
        UserData="",
        VmType="tinav5.c1r1p2",
    )["Vms"][0]
    vm_id, volume_id = launched["VmId"], launched["BlockDeviceMappings"][0]["Bsu"]["VolumeId"]
    packer.wait("Vms", "VmIds", vm_id, "running", ANY_VM_STATE)
    packer("CreateTags", ResourceIds=[vm_id], Tags=VM_TAGS)
    packer("CreateTags", ResourceIds=[volume_id], Tags=VM_TAGS)
    vm: dict[str, Any] = packer.only("Vms", "VmIds", vm_id)
    assert "NetId" not in vm
    # Outside a Net it connects to the public name: nothing here resolves one, so it has to be an address.
    assert str(ip_address(vm["PublicDnsName"])) == vm["PublicIp"]
    return vm


def _stop(packer: GoClient, vm: dict[str, Any]) -> None:
    """StepStopBSUBackedVm. Another behaviour than these two is an error to it."""
    ends = {"stop": "stopped", "terminate": "terminated"}
    packer("StopVms", VmIds=[vm["VmId"]])
    packer.wait("Vms", "VmIds", vm["VmId"], ends[vm["VmInitiatedShutdownBehavior"]], ANY_VM_STATE)


def _deregister(packer: GoClient) -> None:
    """StepDeregisterOMI, with force_deregister and force_delete_snapshot."""
    for image in packer("ReadImages", Filters={"ImageNames": [OMI]})["Images"]:
        packer("DeleteImage", ImageId=image["ImageId"])
        for mapping in image["BlockDeviceMappings"]:
            packer("DeleteSnapshot", SnapshotId=mapping["Bsu"]["SnapshotId"])


def _settled_image(packer: GoClient, image_id: str) -> list[str]:
    packer.wait("Images", "ImageIds", image_id, "available", ["pending"])
    return _snapshots(packer, image_id)


def _snapshots(packer: GoClient, image_id: str) -> list[str]:
    mappings = packer.only("Images", "ImageIds", image_id)["BlockDeviceMappings"]
    return [mapping["Bsu"]["SnapshotId"] for mapping in mappings]


def _share(packer: GoClient, image_id: str, snapshot_ids: list[str], grantee: str) -> None:
    """StepUpdateOMIAttributes."""
    launch = {"Additions": {"AccountIds": [grantee], "GlobalPermission": False}}
    packer("UpdateImage", ImageId=image_id, PermissionsToLaunch=launch)
    for snapshot_id in snapshot_ids:
        create = {"Additions": {"AccountIds": [grantee]}}
        packer("UpdateSnapshot", SnapshotId=snapshot_id, PermissionsToCreateVolume=create)


def _tag(packer: GoClient, image_id: str) -> None:
    """StepCreateTags: the image and its snapshots at once, then the snapshots."""
    snapshot_ids = _snapshots(packer, image_id)
    packer("CreateTags", ResourceIds=[image_id, *snapshot_ids], Tags=OMI_TAGS)
    packer("CreateTags", ResourceIds=snapshot_ids, Tags=OMI_TAGS)
    assert packer.only("Images", "ImageIds", image_id)["Tags"] == OMI_TAGS


def _clean_up(packer: GoClient, vm: dict[str, Any], group_id: str) -> None:
    """What the steps undo, last first."""
    packer("DeleteVms", VmIds=[vm["VmId"]])
    packer.wait("Vms", "VmIds", vm["VmId"], "terminated", ANY_VM_STATE)
    volume_ids = [mapping["Bsu"]["VolumeId"] for mapping in vm["BlockDeviceMappings"]]
    left = packer("ReadVolumes", Filters={"VolumeIds": volume_ids})["Volumes"]
    assert all(isinstance(volume["LinkedVolumes"], list) for volume in left)
    packer("DeleteSecurityGroup", SecurityGroupId=group_id)
    packer("DeleteKeypair", KeypairName=KEYPAIR)
