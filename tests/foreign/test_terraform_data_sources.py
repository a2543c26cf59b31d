"""What the data sources of the Terraform provider `outscale/outscale` send, and what they take for granted in the
answers: that the list is there, and that one that is to be single is."""

from dataclasses import dataclass
from typing import Any

import pytest
from tools.harness import REGION

from tests.foreign.go_client import SDK_V2, SDK_V3, GoClient
from tests.foreign.region import OFFICIAL_FAMILY, SUBREGION, ServedRegion

TAGS = [{"Key": "Name", "Value": "of the data sources"}]
VM_PENDING = ("pending", "running", "stopping", "stopped", "shutting-down")


@dataclass(frozen=True)
class World:
    """What one account has, for the data sources to find."""

    terraform: GoClient
    vm: dict[str, Any]
    terminated_id: str
    image_id: str
    snapshot_id: str

    @property
    def volume_id(self) -> str:
        volume_id: str = self.vm["BlockDeviceMappings"][0]["Bsu"]["VolumeId"]
        return volume_id

    def one(self, action: str, key: str, **filters: object) -> Any:
        """A data source of one: another number of results is an error to it."""
        (found,) = self.terraform(action, Filters=filters)[key]
        return found


@pytest.fixture(scope="module", params=[SDK_V2, SDK_V3], ids=lambda form: form.name)
def world(region: ServedRegion, request: pytest.FixtureRequest) -> World:
    terraform = GoClient(region.account(f"data sources, {request.param.name}"), request.param)
    terraform("CreateKeypair", KeypairName="deployer")
    launch = {"ImageId": region.official_image_id, "KeypairName": "deployer"}
    vm_id, gone_id = (terraform("CreateVms", **launch)["Vms"][0]["VmId"] for _ in range(2))
    vm = terraform.wait("Vms", "VmIds", vm_id, "running", VM_PENDING)
    terraform("DeleteVms", VmIds=[gone_id])
    terraform.wait("Vms", "VmIds", gone_id, "terminated", VM_PENDING)
    made = terraform("CreateImage", ImageName="golden 1.0", VmId=vm_id, NoReboot=True)["Image"]
    image = terraform.wait("Images", "ImageIds", made["ImageId"], "available", ["pending"])
    snapshot_id = image["BlockDeviceMappings"][0]["Bsu"]["SnapshotId"]
    terraform("CreateTags", ResourceIds=[vm_id, image["ImageId"], snapshot_id], Tags=TAGS)
    return World(terraform, vm, gone_id, image["ImageId"], snapshot_id)


def test_image_is_found_by_name_and_owner(world: World) -> None:
    """outscale_image, outscale_images."""
    mine = {"AccountIds": [world.terraform.caller.account_id], "ImageNames": ["golden*"]}
    image = world.one("ReadImages", "Images", **mine)
    assert (image["ImageId"], image["Tags"]) == (world.image_id, TAGS)
    unguarded = ("BlockDeviceMappings", "PermissionsToLaunch", "StateComment", "SecureBoot", "TpmMandatory")
    assert set(unguarded) <= image.keys()
    official = {"AccountAliases": ["Outscale"], "ImageNames": [f"{OFFICIAL_FAMILY}*"]}
    assert world.one("ReadImages", "Images", **official)["AccountAlias"] == "Outscale"
    granted = {"PermissionsToLaunchAccountIds": ["123456789012"]}
    assert world.terraform("ReadImages", Filters=granted)["Images"] == []


def test_snapshot_is_found_by_its_source_and_owner(world: World) -> None:
    """outscale_snapshot, outscale_snapshots."""
    snapshot = world.one("ReadSnapshots", "Snapshots", VolumeIds=[world.volume_id])
    assert (snapshot["SnapshotId"], snapshot["State"]) == (world.snapshot_id, "completed")
    mine = {"AccountIds": [world.terraform.caller.account_id], "SnapshotIds": [world.snapshot_id]}
    assert world.one("ReadSnapshots", "Snapshots", **mine) == snapshot
    assert snapshot["PermissionsToCreateVolume"] == {"AccountIds": [], "GlobalPermission": False}


def test_vm_is_found_beside_those_that_are_terminated(world: World) -> None:
    """outscale_vm, outscale_vms: they pass over what is terminated, and read the volumes' tags."""
    found = world.terraform("ReadVms", Filters={"ImageIds": [world.vm["ImageId"]]})["Vms"]
    assert {vm["VmId"] for vm in found} == {world.vm["VmId"], world.terminated_id}
    (vm,) = (vm for vm in found if vm["State"] != "terminated")
    assert (vm["KeypairName"], vm["Tags"]) == ("deployer", TAGS)
    assert world.one("ReadVms", "Vms", VmIds=[vm["VmId"]], VmStateNames=["running"]) == vm
    state = world.terraform("ReadVmsState", AllVms=False, Filters={"VmIds": [vm["VmId"]]})["VmStates"]
    assert [(each["VmState"], each["SubregionName"]) for each in state] == [("running", SUBREGION)]


def test_volume_of_a_vm_is_found(world: World) -> None:
    """outscale_volume, outscale_volumes. Of several ids those are answered that there are."""
    volume = world.one("ReadVolumes", "Volumes", VolumeIds=["vol-00000000", world.volume_id])
    assert volume["LinkedVolumes"][0]["VmId"] == world.vm["VmId"]
    assert world.one("ReadVolumes", "Volumes", LinkVolumeVmIds=[world.vm["VmId"]]) == volume


def test_keypair_tag_and_security_group_are_found(world: World) -> None:
    """outscale_keypair, outscale_tag, outscale_security_group."""
    assert world.one("ReadKeypairs", "Keypairs", KeypairNames=["deployer"])["KeypairFingerprint"]
    tag = world.one("ReadTags", "Tags", ResourceIds=[world.image_id], Keys=["Name"])
    assert tag == {**TAGS[0], "ResourceId": world.image_id, "ResourceType": "image"}
    assert world.one("ReadSecurityGroups", "SecurityGroups", SecurityGroupNames=["default"])["Tags"] == []


def test_quota_is_single_by_its_name(world: World) -> None:
    """outscale_quota: one type, with one quota in it."""
    kind = world.one("ReadQuotas", "QuotaTypes", QuotaNames=["vm_limit"])
    (quota,) = kind["Quotas"]
    assert (kind["QuotaType"], quota["UsedValue"]) == ("global", 1)
    assert quota["AccountId"] == world.terraform.caller.account_id


def test_the_region_and_its_types_are_described(world: World) -> None:
    """outscale_regions, outscale_subregions, outscale_vm_types, outscale_product_type, outscale_public_catalog."""
    terraform = world.terraform
    assert [each["RegionName"] for each in terraform("ReadRegions")["Regions"]] == [REGION]
    subregion = world.one("ReadSubregions", "Subregions", SubregionNames=[SUBREGION])
    assert (subregion["RegionName"], subregion["State"]) == (REGION, "available")
    assert world.one("ReadVmTypes", "VmTypes", VmTypeNames=["t2.small"])["MemorySize"] == 2
    assert world.one("ReadProductTypes", "ProductTypes", ProductTypeIds=["0001"])["Description"]
    assert terraform("ReadPublicCatalog")["Catalog"]["Entries"] == []


def test_the_account_and_its_keys_are_read(world: World) -> None:
    """outscale_account, outscale_access_key."""
    who = world.terraform.caller
    (account,) = world.terraform("ReadAccounts")["Accounts"]
    assert account["AccountId"] == who.account_id
    key = world.one("ReadAccessKeys", "AccessKeys", AccessKeyIds=[who.credentials.access_key_id])
    assert key["State"] == "ACTIVE"
    assert "SecretKey" not in key


def test_what_there_is_none_of_is_an_empty_list(world: World) -> None:
    """outscale_nic, outscale_load_balancer, outscale_image_export_task: they say themselves that there is none."""
    of_vm = {"LinkNicVmIds": [world.vm["VmId"]]}
    assert world.terraform("ReadNics", Filters=of_vm)["Nics"] == []
    assert world.terraform("ReadLoadBalancers", Filters={"LoadBalancerNames": ["web"]})["LoadBalancers"] == []
    for kind in ("Image", "Snapshot"):
        tasks = world.terraform(f"Read{kind}ExportTasks", Filters={"TaskIds": ["none"]})
        assert tasks[f"{kind}ExportTasks"] == []
