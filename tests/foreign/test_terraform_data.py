"""The calls of Terraform's data sources, with the signatures of its two SDKs."""

from typing import Any

from tests.foreign.go_client import GoClient
from tests.foreign.region import OFFICIAL_FAMILY, SUBREGION, ServedRegion
from tests.foreign.terraform_calls import TAGS, VM_STOPPING, create_snapshot, create_volume
from tests.foreign.terraform_calls import terraform as terraform


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
    volume_id = create_volume(terraform)
    snapshot_id = create_snapshot(terraform, volume_id)
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
