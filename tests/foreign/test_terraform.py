"""What the Terraform provider `outscale/outscale` sends for keypair, volume, snapshot, image and VM, for exports and
data sources, and what it relies on in the answers: internal/services/oapi of its source, in its versions on osc-sdk-go
v2 and v3."""

import pytest
from tools.harness import REGION

from tests.foreign.go_client import SDK_V2, SDK_V3, GoClient
from tests.foreign.region import ServedRegion
from tests.foreign.terraform_calls import (
    SNAPSHOT_PENDING,
    TAGS,
    VM_STOPPING,
    apply,
    create_image,
    create_snapshot,
    create_volume,
    destroy,
    refresh,
    task_state,
    update_vm,
)
from tests.foreign.terraform_calls import terraform as terraform
from tests.support.polling import eventually
from tests.wire.signing import ClientForm


def test_apply_refresh_update_destroy(terraform: GoClient) -> None:
    made = apply(terraform)
    before = refresh(terraform, made)
    assert refresh(terraform, made) == before, "the next plan would have changes"
    update_vm(terraform, made["vm"])
    destroy(terraform, made)


def test_image_and_snapshot_are_shared_and_taken_back(terraform: GoClient) -> None:
    """outscale_image_launch_permission and outscale_snapshot_attributes."""
    volume_id = create_volume(terraform)
    snapshot_id = create_snapshot(terraform, volume_id)
    image_id = create_image(terraform, snapshot_id)
    grantee = "123456789012"
    for change in ("Additions", "Removals"):
        granted = {change: {"AccountIds": [grantee]}}
        terraform("UpdateImage", ImageId=image_id, PermissionsToLaunch=granted)
        terraform("UpdateSnapshot", SnapshotId=snapshot_id, PermissionsToCreateVolume=granted)
        image = terraform.only("Images", "ImageIds", image_id)
        snapshot = terraform.only("Snapshots", "SnapshotIds", snapshot_id)
        expected = [grantee] if change == "Additions" else []
        assert image["PermissionsToLaunch"]["AccountIds"] == expected
        assert snapshot["PermissionsToCreateVolume"]["AccountIds"] == expected


def test_copies_of_image_and_snapshot(region: ServedRegion, terraform: GoClient) -> None:
    """outscale_image with source_image_id, outscale_snapshot with source_snapshot_id, which says two texts more."""
    request = {"SourceImageId": region.official_image_id, "SourceRegionName": REGION}
    created = terraform("CreateImage", Description="mine", ImageName="a copy", **request)["Image"]
    image = terraform.wait("Images", "ImageIds", created["ImageId"], "available", pending=["pending"])
    terraform("CreateTags", ResourceIds=[image["ImageId"]], Tags=TAGS)
    image = terraform.only("Images", "ImageIds", image["ImageId"])
    assert (image["ImageName"], image["Description"], image["Tags"]) == ("a copy", "mine", TAGS)
    assert image["AccountId"] == terraform.caller.account_id
    assert image["PermissionsToLaunch"] == {"AccountIds": [], "GlobalPermission": False}
    source = image["BlockDeviceMappings"][0]["Bsu"]["SnapshotId"]
    texts = {"Description": "", "FileLocation": ""}
    copied = terraform("CreateSnapshot", **texts, SourceSnapshotId=source, SourceRegionName=REGION)
    snapshot_id = copied["Snapshot"]["SnapshotId"]
    terraform.wait("Snapshots", "SnapshotIds", snapshot_id, "completed", SNAPSHOT_PENDING)
    terraform("DeleteImage", ImageId=image["ImageId"])
    terraform.gone("Images", "ImageIds", image["ImageId"])
    for each in (source, snapshot_id):
        terraform("DeleteSnapshot", SnapshotId=each)
        terraform.gone("Snapshots", "SnapshotIds", each)


def test_image_of_a_vm(region: ServedRegion, terraform: GoClient) -> None:
    """outscale_image with vm_id: the VM is stopped for it and started again."""
    (launched,) = terraform("CreateVms", ImageId=region.official_image_id)["Vms"]
    terraform.wait("Vms", "VmIds", launched["VmId"], "running", pending=["pending", "ending/wait"])
    created = terraform("CreateImage", ImageName="of a VM", VmId=launched["VmId"])["Image"]
    image = terraform.wait("Images", "ImageIds", created["ImageId"], "available", pending=["pending"])
    assert len(image["BlockDeviceMappings"]) == 1
    eventually(lambda: terraform.only("Vms", "VmIds", launched["VmId"])["State"] == "running")


@pytest.fixture(params=[SDK_V2, SDK_V3], ids=lambda form: form.name)
def exporter(exporting_region: ServedRegion, request: pytest.FixtureRequest) -> GoClient:
    form: ClientForm = request.param
    return GoClient(exporting_region.account(request.node.nodeid), form)


def test_image_export_task_and_the_image_of_its_manifest(exporter: GoClient) -> None:
    """outscale_image_export_task waits by these states, sends an empty osu_manifest_url, and reads the first part of
    the prefix back; deleting it calls nothing. Then outscale_image with file_location."""
    image_id = create_image(exporter, create_snapshot(exporter, create_volume(exporter)))
    bucket = f"terraform-{exporter.caller.account_id}"
    export = {"DiskImageFormat": "qcow2", "OsuBucket": bucket, "OsuManifestUrl": "", "OsuPrefix": "golden"}
    created = exporter("CreateImageExportTask", ImageId=image_id, OsuExport=export)["ImageExportTask"]
    pending = ["pending", "pending/queued", "queued"]
    exporter.wait("ImageExportTasks", "TaskIds", created["TaskId"], "completed", pending)
    exporter("CreateTags", ResourceIds=[created["TaskId"]], Tags=TAGS)
    task = exporter.only("ImageExportTasks", "TaskIds", created["TaskId"])
    assert (task["ImageId"], task["Progress"], task["Tags"]) == (image_id, 100, TAGS)
    assert task["OsuExport"]["OsuPrefix"].split("/")[0] == "golden"
    assert (task["OsuExport"]["OsuBucket"], task["OsuExport"]["DiskImageFormat"]) == (bucket, "qcow2")
    assert exporter.only("ImageExportTasks", "TaskIds", created["TaskId"]) == task, "no drift"
    location = task["OsuExport"]["OsuManifestUrl"]
    imported = exporter("CreateImage", FileLocation=location, ImageName="imported")["Image"]
    image = exporter.wait("Images", "ImageIds", imported["ImageId"], "available", pending=["pending"])
    assert image["FileLocation"] == location


def test_snapshot_export_task(exporter: GoClient) -> None:
    """It waits until the task is completed; any other state but these pending ones, and active, is an error to it."""
    snapshot_id = create_snapshot(exporter, create_volume(exporter))
    bucket = f"terraform-{exporter.caller.account_id}"
    export = {"DiskImageFormat": "qcow2", "OsuBucket": bucket, "OsuPrefix": "golden/"}
    created = exporter("CreateSnapshotExportTask", SnapshotId=snapshot_id, OsuExport=export)
    task_id = created["SnapshotExportTask"]["TaskId"]
    pending = ["pending", "pending/queued", "queued"]
    exporter.wait("SnapshotExportTasks", "TaskIds", task_id, "completed", pending)
    exporter("CreateTags", ResourceIds=[task_id], Tags=TAGS)
    task = exporter.only("SnapshotExportTasks", "TaskIds", task_id)
    assert (task["SnapshotId"], task["Progress"], task["Tags"]) == (snapshot_id, 100, TAGS)
    assert task["OsuExport"] == export, "no drift"


def test_volume_grows(terraform: GoClient) -> None:
    volume_id = create_volume(terraform)
    task_id = terraform("UpdateVolume", Size=2, VolumeId=volume_id)["Volume"].get("TaskId")
    if task_id:
        eventually(lambda: task_state(terraform, task_id) == "completed")
    assert terraform.only("Volumes", "VolumeIds", volume_id)["Size"] == 2


def test_volume_leaves_a_last_snapshot(terraform: GoClient) -> None:
    """outscale_volume with termination_snapshot_name: the volume is deleted at once, in any state of the snapshot."""
    volume_id = create_volume(terraform)
    request = {"Description": "Created before volume deletion", "VolumeId": volume_id}
    snapshot_id = terraform("CreateSnapshot", **request)["Snapshot"]["SnapshotId"]
    terraform("DeleteVolume", VolumeId=volume_id)
    terraform.gone("Volumes", "VolumeIds", volume_id)
    assert terraform.only("Snapshots", "SnapshotIds", snapshot_id)["State"] == "completed"


def test_vm_is_made_stopped(region: ServedRegion, terraform: GoClient) -> None:
    """outscale_vm with state = "stopped": it must reach it from `pending`."""
    request = {"ImageId": region.official_image_id, "BootOnCreation": False, "DeletionProtection": False}
    vm_id = terraform("CreateVms", **request)["Vms"][0]["VmId"]
    terraform.wait("Vms", "VmIds", vm_id, "stopped", pending=["pending"])
    terraform("UpdateVm", VmId=vm_id, IsSourceDestChecked=True)
    terraform("StartVms", VmIds=[vm_id])
    terraform.wait("Vms", "VmIds", vm_id, "running", pending=["pending", "stopped"])
    terraform("DeleteVms", VmIds=[vm_id])


def test_security_group_and_its_rules(terraform: GoClient) -> None:
    """outscale_security_group, and outscale_security_group_rule in its two spellings."""
    request = {"Description": "Managed by Terraform", "SecurityGroupName": "web"}
    group_id = terraform("CreateSecurityGroup", **request)["SecurityGroup"]["SecurityGroupId"]
    terraform("CreateTags", ResourceIds=[group_id], Tags=TAGS)
    web = {"FromPortRange": 80, "IpProtocol": "tcp", "ToPortRange": 80}
    one = {**web, "IpRange": "10.0.0.0/16"}
    listed = {"FromPortRange": 22, "IpProtocol": "tcp", "ToPortRange": 22, "IpRanges": ["192.168.0.1/32"]}
    several = {"Rules": [{**listed, "SecurityGroupsMembers": []}]}  # the list is sent, empty or not
    for rule in (one, several):
        terraform("CreateSecurityGroupRule", Flow="Inbound", SecurityGroupId=group_id, **rule)
    group = terraform.only("SecurityGroups", "SecurityGroupIds", group_id)
    assert group["Tags"] == TAGS
    shown = {rule["FromPortRange"]: rule["IpRanges"] for rule in group["InboundRules"]}
    assert shown == {80: ["10.0.0.0/16"], 22: ["192.168.0.1/32"]}
    for rule in (one, several):
        terraform("DeleteSecurityGroupRule", Flow="Inbound", SecurityGroupId=group_id, **rule)
    assert terraform.only("SecurityGroups", "SecurityGroupIds", group_id)["InboundRules"] == []
    terraform("DeleteSecurityGroup", SecurityGroupId=group_id)
    terraform.gone("SecurityGroups", "SecurityGroupIds", group_id)


def test_security_group_in_use_is_taken_off_its_vms(region: ServedRegion, terraform: GoClient) -> None:
    """outscale_security_group, destroyed before the VMs in it: after 9085 the provider searches for them, and fails at
    a VM without another group. A VM that was terminated before would be such a VM for an hour."""
    group_id, other_id = (
        terraform("CreateSecurityGroup", Description="Managed by Terraform", SecurityGroupName=name)[
            "SecurityGroup"
        ]["SecurityGroupId"]
        for name in ("first", "second")
    )
    request = {"ImageId": region.official_image_id}
    launches = [{"SecurityGroupIds": [group_id]}, {"SecurityGroupIds": [group_id, other_id]}]
    gone, kept = (terraform("CreateVms", **request, **launch)["Vms"][0]["VmId"] for launch in launches)
    for each in (gone, kept):
        terraform.wait("Vms", "VmIds", each, "running", pending=["pending"])
    terraform("DeleteVms", VmIds=[gone])
    terraform.wait("Vms", "VmIds", gone, "terminated", VM_STOPPING)
    assert terraform.refused("DeleteSecurityGroup", SecurityGroupId=group_id) == (409, "9085")
    linked = {"Filters": {"SecurityGroupIds": [group_id]}}
    assert (terraform("ReadNics", **linked)["Nics"], terraform("ReadLoadBalancers")["LoadBalancers"]) == (
        [],
        [],
    )
    for vm in terraform("ReadVms", **linked)["Vms"]:
        left = [group["SecurityGroupId"] for group in vm["SecurityGroups"]]
        left.remove(group_id)
        assert left, "The Security Group is the unique Security Group of the following VMs"
        terraform("UpdateVm", VmId=vm["VmId"], SecurityGroupIds=left)
    terraform("DeleteSecurityGroup", SecurityGroupId=group_id)
    terraform.gone("SecurityGroups", "SecurityGroupIds", group_id)
    terraform("DeleteVms", VmIds=[kept])


def test_public_ip_and_its_link(region: ServedRegion, terraform: GoClient) -> None:
    """outscale_public_ip and outscale_public_ip_link: the link is read back by its id, and
    destroyed before both of its ends."""
    public_ip = terraform("CreatePublicIp")["PublicIp"]
    public_ip_id, address = public_ip["PublicIpId"], public_ip["PublicIp"]
    terraform("CreateTags", ResourceIds=[public_ip_id], Tags=TAGS)
    vm_id = terraform("CreateVms", ImageId=region.official_image_id)["Vms"][0]["VmId"]
    terraform.wait("Vms", "VmIds", vm_id, "running", pending=["pending"])
    link_id = terraform("LinkPublicIp", PublicIp=address, VmId=vm_id)["LinkPublicIpId"]
    linked = terraform.only("PublicIps", "LinkPublicIpIds", link_id)
    assert (linked["VmId"], linked["PublicIp"], linked["Tags"]) == (vm_id, address, TAGS)
    assert terraform.only("Vms", "VmIds", vm_id)["PublicIp"] == address
    terraform("UnlinkPublicIp", LinkPublicIpId=link_id)
    terraform.gone("PublicIps", "LinkPublicIpIds", link_id)
    terraform("DeletePublicIp", PublicIpId=public_ip_id)
    terraform.gone("PublicIps", "PublicIpIds", public_ip_id)
    terraform("DeleteVms", VmIds=[vm_id])
