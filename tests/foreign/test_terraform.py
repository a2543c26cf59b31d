"""What the Terraform provider `outscale/outscale` sends for keypair, volume, snapshot, image and VM, for exports and
data sources, and what it takes for granted in the answers: internal/services/oapi of its source, in its versions on
osc-sdk-go v2 and v3."""

from typing import Any

import pytest
from tools.harness import REGION

from tests.foreign.go_client import SDK_V2, SDK_V3, GoClient
from tests.foreign.region import OFFICIAL_FAMILY, SUBREGION, ServedRegion
from tests.support.polling import eventually
from tests.wire.signing import ClientForm

TAGS = [{"Key": "Name", "Value": "made by Terraform"}]
ROOT = "/dev/sda1"
DATA = "/dev/xvdb"
SNAPSHOT_PENDING = ("pending", "in-queue", "queued", "importing")
VM_STOPPING = ("pending", "running", "shutting-down", "stopping")


@pytest.fixture(params=[SDK_V2, SDK_V3], ids=lambda form: form.name)
def terraform(region: ServedRegion, request: pytest.FixtureRequest) -> GoClient:
    form: ClientForm = request.param
    return GoClient(region.account(request.node.nodeid), form)


def test_apply_refresh_update_destroy(terraform: GoClient) -> None:
    made = _apply(terraform)
    before = _refresh(terraform, made)
    assert _refresh(terraform, made) == before, "the next plan would have changes"
    _update_vm(terraform, made["vm"])
    _destroy(terraform, made)


def test_image_and_snapshot_are_shared_and_taken_back(terraform: GoClient) -> None:
    """outscale_image_launch_permission and outscale_snapshot_attributes."""
    volume_id = _volume(terraform)
    snapshot_id = _snapshot(terraform, volume_id)
    image_id = _image(terraform, snapshot_id)
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


def test_data_sources_of_images(region: ServedRegion, terraform: GoClient) -> None:
    """outscale_image wants one, outscale_images some; both fail where there is none."""
    by_alias = {"AccountAliases": ["Outscale"], "ImageNames": [f"{OFFICIAL_FAMILY}-*"]}
    image = terraform.only("Images", "ImageIds", region.official_image_id)
    assert terraform("ReadImages", Filters=by_alias)["Images"] == [image]
    assert isinstance(image["PermissionsToLaunch"]["AccountIds"], list)  # indexed without looking
    assert isinstance(image["BlockDeviceMappings"], list)
    own = {"AccountIds": [terraform.caller.account_id]}
    assert terraform("ReadImages", Filters=own)["Images"] == []
    granted = {"PermissionsToLaunchAccountIds": [terraform.caller.account_id]}
    assert terraform("ReadImages", Filters=granted)["Images"] == []


def test_a_data_source_goes_by_an_alias(region: ServedRegion, terraform: GoClient) -> None:
    """outscale_image with a filter image_names, as it is: the one image of the moment."""
    image = terraform.only("Images", "ImageIds", region.official_image_id)
    assert terraform.only("Images", "ImageNames", "debian-12@latest") == image


def test_data_sources_of_snapshots_and_volumes(terraform: GoClient) -> None:
    volume_id = _volume(terraform)
    snapshot_id = _snapshot(terraform, volume_id)
    snapshot = terraform.only("Snapshots", "SnapshotIds", snapshot_id)
    own = {"AccountIds": [terraform.caller.account_id]}  # beside those that others have made public
    for filters in (
        {},
        {"VolumeIds": [volume_id]},
        {"Tags": ["Name=made by Terraform"]},
        {"VolumeSizes": [1], "States": ["completed"], "Progresses": [100]},
    ):
        assert terraform("ReadSnapshots", Filters=own | filters)["Snapshots"] == [snapshot]
    assert terraform.only("Volumes", "TagKeys", "Name")["VolumeId"] == volume_id


def test_data_sources_of_vms(region: ServedRegion, terraform: GoClient) -> None:
    """outscale_vm passes over terminated ones, and reads the tags of the volumes of the one that is left."""
    request = {"ImageId": region.official_image_id, "MinVmsCount": 2, "MaxVmsCount": 2}
    kept, gone = (vm["VmId"] for vm in terraform("CreateVms", **request)["Vms"])
    for each in (kept, gone):
        terraform.wait("Vms", "VmIds", each, "running", pending=["pending"])
        terraform("CreateTags", ResourceIds=[each], Tags=TAGS)
    terraform("DeleteVms", VmIds=[gone])
    terraform.wait("Vms", "VmIds", gone, "terminated", VM_STOPPING)
    found = terraform("ReadVms", Filters={"Tags": ["Name=made by Terraform"]})["Vms"]
    (vm,) = [each for each in found if each["State"] != "terminated"]
    assert vm["VmId"] == kept
    volume_ids = [mapping["Bsu"]["VolumeId"] for mapping in vm["BlockDeviceMappings"]]
    (volume,) = terraform("ReadVolumes", Filters={"VolumeIds": volume_ids})["Volumes"]
    assert isinstance(volume["Tags"], list)
    (state,) = terraform("ReadVmsState", Filters={"VmIds": [kept]}, AllVms=True)["VmStates"]
    assert state["VmState"] == "running"


def test_data_sources_of_what_there_is_one_of(terraform: GoClient) -> None:
    one: dict[str, tuple[str, dict[str, Any]]] = {
        "ReadAccounts": ("Accounts", {}),
        "ReadProductTypes": ("ProductTypes", {"ProductTypeIds": ["0001"]}),
        "ReadQuotas": ("QuotaTypes", {"QuotaNames": ["vm_limit"]}),
        "ReadRegions": ("Regions", {}),
        "ReadSubregions": ("Subregions", {"SubregionNames": [SUBREGION]}),
        "ReadVmTypes": ("VmTypes", {"VmTypeNames": ["tinav5.c1r1p2"]}),
    }
    for action, (key, filters) in one.items():
        request = {"Filters": filters} if filters else {}
        assert len(terraform(action, **request)[key]) == 1, action
    key_id = terraform.caller.credentials.access_key_id
    (known,) = terraform.undated("ReadAccessKeys", Filters={"AccessKeyIds": [key_id]})["AccessKeys"]
    assert (known["AccessKeyId"], known["State"]) == (key_id, "ACTIVE")


def test_reads_of_what_is_not_kept_find_nothing(terraform: GoClient) -> None:
    for resource in ("Nics", "LoadBalancers"):
        assert terraform(f"Read{resource}")[resource] == []
    assert terraform("ReadPublicCatalog")["Catalog"]["Entries"] == []


@pytest.fixture(params=[SDK_V2, SDK_V3], ids=lambda form: form.name)
def exporter(exporting_region: ServedRegion, request: pytest.FixtureRequest) -> GoClient:
    form: ClientForm = request.param
    return GoClient(exporting_region.account(request.node.nodeid), form)


def test_image_export_task_and_the_image_of_its_manifest(exporter: GoClient) -> None:
    """outscale_image_export_task waits by these states, sends an empty osu_manifest_url, and reads the first part of
    the prefix back; deleting it calls nothing. Then outscale_image with file_location."""
    image_id = _image(exporter, _snapshot(exporter, _volume(exporter)))
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
    snapshot_id = _snapshot(exporter, _volume(exporter))
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
    volume_id = _volume(terraform)
    task_id = terraform("UpdateVolume", Size=2, VolumeId=volume_id)["Volume"].get("TaskId")
    if task_id:
        eventually(lambda: _task_state(terraform, task_id) == "completed")
    assert terraform.only("Volumes", "VolumeIds", volume_id)["Size"] == 2


def test_volume_leaves_a_last_snapshot(terraform: GoClient) -> None:
    """outscale_volume with termination_snapshot_name: the volume goes at once, whatever the snapshot's state."""
    volume_id = _volume(terraform)
    request = {"Description": "Created before volume deletion", "VolumeId": volume_id}
    snapshot_id = terraform("CreateSnapshot", **request)["Snapshot"]["SnapshotId"]
    terraform("DeleteVolume", VolumeId=volume_id)
    terraform.gone("Volumes", "VolumeIds", volume_id)
    assert terraform.only("Snapshots", "SnapshotIds", snapshot_id)["State"] == "completed"


def test_vm_is_made_stopped(region: ServedRegion, terraform: GoClient) -> None:
    """outscale_vm with state = "stopped": it has to come there from `pending`."""
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
    """outscale_security_group, destroyed before the VMs in it: by 9085 it knows to look for them, and it gives up at
    a VM that has no other group. One that was terminated before would be one for an hour."""
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


def _apply(terraform: GoClient) -> dict[str, str]:
    made = {"keypair": _keypair(terraform), "volume": _volume(terraform)}
    made["snapshot"] = _snapshot(terraform, made["volume"])
    made["image"] = _image(terraform, made["snapshot"])
    made["vm"] = _vm(terraform, made["image"])
    _link(terraform, made["volume"], made["vm"])
    return made


def _keypair(terraform: GoClient) -> str:
    created = terraform("CreateKeypair", KeypairName="deployer")["Keypair"]
    assert created["PrivateKey"].startswith("-----BEGIN")
    terraform("CreateTags", ResourceIds=[created["KeypairId"]], Tags=TAGS)
    read = terraform.only("Keypairs", "KeypairNames", "deployer")
    assert {name: read[name] for name in ("KeypairId", "KeypairFingerprint", "KeypairType")} == {
        name: created[name] for name in ("KeypairId", "KeypairFingerprint", "KeypairType")
    }
    return str(created["KeypairId"])


def _volume(terraform: GoClient) -> str:
    created = terraform("CreateVolume", SubregionName=SUBREGION, VolumeType="standard", Size=1)["Volume"]
    assert created["LinkedVolumes"] == []
    volume_id: str = created["VolumeId"]
    terraform("CreateTags", ResourceIds=[volume_id], Tags=TAGS)
    volume = terraform.wait("Volumes", "VolumeIds", volume_id, "available", pending=["creating"])
    assert (volume["Tags"], volume["Size"], volume["SubregionName"]) == (TAGS, 1, SUBREGION)
    return volume_id


def _snapshot(terraform: GoClient, volume_id: str) -> str:
    # Both texts are always sent, empty or not.
    request = {"Description": "", "FileLocation": "", "VolumeId": volume_id}
    snapshot_id: str = terraform("CreateSnapshot", **request)["Snapshot"]["SnapshotId"]
    terraform.wait("Snapshots", "SnapshotIds", snapshot_id, "completed", SNAPSHOT_PENDING)
    terraform("CreateTags", ResourceIds=[snapshot_id], Tags=TAGS)
    snapshot = terraform.only("Snapshots", "SnapshotIds", snapshot_id)
    assert snapshot["PermissionsToCreateVolume"]["AccountIds"] == []
    assert (snapshot["Progress"], snapshot["VolumeSize"]) == (100, 1)
    return snapshot_id


def _image(terraform: GoClient, snapshot_id: str) -> str:
    bsu = {"DeleteOnVmDeletion": True, "SnapshotId": snapshot_id, "VolumeSize": 1, "VolumeType": "standard"}
    created = terraform(
        "CreateImage",
        Architecture="x86_64",
        BlockDeviceMappings=[{"Bsu": bsu, "DeviceName": ROOT}],
        BootModes=["legacy"],
        Description="golden",
        ImageName="golden image",
        RootDeviceName=ROOT,
    )["Image"]
    image_id: str = created["ImageId"]
    terraform.wait("Images", "ImageIds", image_id, "available", pending=["pending"])
    terraform("CreateTags", ResourceIds=[image_id], Tags=TAGS)
    image = terraform.only("Images", "ImageIds", image_id)
    assert image["PermissionsToLaunch"] == {"AccountIds": [], "GlobalPermission": False}
    assert image["BlockDeviceMappings"] == [{"Bsu": bsu, "DeviceName": ROOT}], "no drift"
    assert image["StateComment"] == {}
    return image_id


def _vm(terraform: GoClient, image_id: str) -> str:
    data = {"DeleteOnVmDeletion": True, "VolumeSize": 2, "VolumeType": "gp2"}
    launched = terraform(
        "CreateVms",
        BlockDeviceMappings=[{"Bsu": data, "DeviceName": DATA}],
        BootOnCreation=True,
        DeletionProtection=False,
        ImageId=image_id,
        KeypairName="deployer",
        MaxVmsCount=1,
        MinVmsCount=1,
        NestedVirtualization=False,
        Placement={"SubregionName": SUBREGION, "Tenancy": "default"},
        UserData="IyEvYmluL3NoCg==",
        VmType="tinav5.c1r1p2",
    )["Vms"][0]
    vm_id: str = launched["VmId"]
    assert launched["PublicIp"]
    for device in (ROOT, DATA):  # at once, by the answer of CreateVms
        terraform("CreateTags", ResourceIds=[_volume_of(launched, device)], Tags=TAGS)
    terraform("CreateTags", ResourceIds=[vm_id], Tags=TAGS)
    terraform.wait("Vms", "VmIds", vm_id, "running", pending=["pending", "ending/wait"])
    return vm_id


def _volume_of(vm: dict[str, Any], device: str) -> str:
    found = {mapping["DeviceName"]: mapping["Bsu"]["VolumeId"] for mapping in vm["BlockDeviceMappings"]}
    volume_id: str = found[device]
    return volume_id


def _link(terraform: GoClient, volume_id: str, vm_id: str) -> None:
    terraform("LinkVolume", DeviceName="/dev/xvdc", VmId=vm_id, VolumeId=volume_id)
    volume = terraform.wait("Volumes", "VolumeIds", volume_id, "in-use", pending=["available"])
    assert volume["LinkedVolumes"][0]["VmId"] == vm_id
    eventually(lambda: _link_states(terraform, volume_id) == ["attached"])


def _link_states(terraform: GoClient, volume_id: str) -> list[str]:
    return [link["State"] for link in terraform.only("Volumes", "VolumeIds", volume_id)["LinkedVolumes"]]


def _refresh(terraform: GoClient, made: dict[str, str]) -> dict[str, Any]:
    """What Terraform would keep as the state of everything."""
    vm = terraform.only("Vms", "VmIds", made["vm"])
    assert vm["Tags"] == TAGS
    assert terraform("ReadAdminPassword", VmId=made["vm"])["AdminPassword"] == ""
    volumes = [mapping["Bsu"]["VolumeId"] for mapping in vm["BlockDeviceMappings"]]
    found = terraform("ReadVolumes", Filters={"VolumeIds": volumes})["Volumes"]  # batched
    assert {volume["VolumeId"] for volume in found} == set(volumes)
    assert all(volume["Tags"] == TAGS for volume in found)
    return {
        "keypair": terraform.only("Keypairs", "KeypairNames", "deployer"),
        "volumes": sorted(found, key=lambda volume: str(volume["VolumeId"])),
        "snapshot": terraform.only("Snapshots", "SnapshotIds", made["snapshot"]),
        "image": terraform.only("Images", "ImageIds", made["image"]),
        "vm": vm,
    }


def _update_vm(terraform: GoClient, vm_id: str) -> None:
    """Another type: stopped, changed, started. And other tags."""
    assert terraform.only("Vms", "VmIds", vm_id)["VmInitiatedShutdownBehavior"] == "stop"
    terraform("StopVms", VmIds=[vm_id])
    terraform.wait("Vms", "VmIds", vm_id, "stopped", VM_STOPPING)
    terraform("DeleteTags", ResourceIds=[vm_id], Tags=TAGS)
    terraform("CreateTags", ResourceIds=[vm_id], Tags=[{"Key": "Name", "Value": "changed"}])
    terraform("UpdateVm", Performance="highest", VmId=vm_id, VmType="tinav5.c2r2p1")
    terraform("StartVms", VmIds=[vm_id])
    vm = terraform.wait("Vms", "VmIds", vm_id, "running", pending=["pending", "stopped"])
    assert (vm["VmType"], vm["Performance"]) == ("tinav5.c2r2p1", "highest")
    assert vm["Tags"] == [{"Key": "Name", "Value": "changed"}]


def _task_state(terraform: GoClient, task_id: str) -> str:
    (task,) = terraform("ReadVolumeUpdateTasks", Filters={"TaskIds": [task_id]})["VolumeUpdateTasks"]
    assert task["State"] in ("pending", "active", "completed"), task
    return str(task["State"])


def _destroy(terraform: GoClient, made: dict[str, str]) -> None:
    assert terraform.refused("DeleteSnapshot", SnapshotId=made["snapshot"]) == (409, "9094")
    terraform("UnlinkVolume", VolumeId=made["volume"])
    terraform.wait("Volumes", "VolumeIds", made["volume"], "available", pending=["in-use"])
    own = [each["Bsu"]["VolumeId"] for each in _mappings(terraform, made["vm"])]
    terraform("StopVms", ForceStop=True, VmIds=[made["vm"]])
    terraform("DeleteVms", VmIds=[made["vm"]])
    terraform.wait("Vms", "VmIds", made["vm"], "terminated", (*VM_STOPPING, "stopped"))
    terraform("DeleteImage", ImageId=made["image"])
    terraform.gone("Images", "ImageIds", made["image"])
    terraform("DeleteSnapshot", SnapshotId=made["snapshot"])
    terraform("DeleteVolume", VolumeId=made["volume"])
    terraform("DeleteKeypair", KeypairId=made["keypair"])
    for volume_id in (*own, made["volume"]):
        terraform.gone("Volumes", "VolumeIds", volume_id)
    assert terraform("ReadKeypairs", Filters={"KeypairNames": ["deployer"]})["Keypairs"] == []


def _mappings(terraform: GoClient, vm_id: str) -> list[dict[str, Any]]:
    mappings: list[dict[str, Any]] = terraform.only("Vms", "VmIds", vm_id)["BlockDeviceMappings"]
    return mappings
