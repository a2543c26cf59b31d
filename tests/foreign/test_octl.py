"""What octl sends, the provider's command line: its own tests (cmd/iaas_test.go), on osc-sdk-go v3, which sends every
field that it has not filled as null or leaves it out."""

from typing import Any

import pytest

from tests.foreign.go_client import SDK_V3, GoClient
from tests.foreign.region import SUBREGION, ServedRegion
from tests.support.polling import eventually
from tests.support.resources import PUBLIC_KEY


@pytest.fixture
def octl(region: ServedRegion, request: pytest.FixtureRequest) -> GoClient:
    return GoClient(region.account(request.node.nodeid), SDK_V3)


def test_volumes_are_made_updated_and_deleted(octl: GoClient) -> None:
    """`octl iaas vol create`, `update`, `desc` and `delete`, of several ids too."""
    wanted = {"Size": 4, "SubregionName": SUBREGION, "VolumeType": "standard"}
    volume_ids = [octl("CreateVolume", **wanted)["Volume"]["VolumeId"] for _ in range(2)]
    assert {each["VolumeType"] for each in _volumes(octl, VolumeTypes=["standard"])} == {"standard"}
    for volume_id in volume_ids:
        octl("UpdateVolume", VolumeId=volume_id, Size=8)
    eventually(lambda: [each["Size"] for each in _volumes(octl, VolumeIds=volume_ids)] == [8, 8])
    for volume_id in volume_ids:
        octl("DeleteVolume", VolumeId=volume_id)
    shown = _volumes(octl, VolumeIds=volume_ids)
    assert {each["State"] for each in shown} <= {"deleting"}


def test_a_vm_is_waited_for_tagged_and_listed(region: ServedRegion, octl: GoClient) -> None:
    """`octl iaas vm create`, `vm describe --waitfor`, `tag create`, `vm list`, whose columns are fields of a VM."""
    (made,) = octl("CreateVms", ImageId=region.official_image_id, VmType="tinav5.c1r1p2")["Vms"]
    octl.wait("Vms", "VmIds", made["VmId"], "running", pending=["pending"])
    octl("CreateTags", ResourceIds=[made["VmId"]], Tags=[{"Key": "foo", "Value": "bar"}])
    (vm,) = octl("ReadVms", Filters={"SubregionNames": [SUBREGION]})["Vms"]
    assert vm["Tags"] == [{"Key": "foo", "Value": "bar"}]
    assert vm.keys() >= {"VmId", "VmType", "State", "PublicIp", "PrivateIp"}
    assert octl("ReadVms", Filters={"SubregionNames": ["foo"]})["Vms"] == []


def test_a_volume_is_found_by_its_device(region: ServedRegion, octl: GoClient) -> None:
    """`octl iaas vol desc /dev/sda1` in a guest, which knows its id by its metadata."""
    (vm,) = octl("CreateVms", ImageId=region.official_image_id)["Vms"]
    octl.wait("Vms", "VmIds", vm["VmId"], "running", pending=["pending"])
    (found,) = _volumes(octl, LinkVolumeDeviceNames=["/dev/sda1"], LinkVolumeVmIds=[vm["VmId"]])
    assert found["VolumeId"] == vm["BlockDeviceMappings"][0]["Bsu"]["VolumeId"]


def test_a_public_key_is_read_from_its_file(octl: GoClient) -> None:
    made = octl("CreateKeypair", KeypairName="test", PublicKey=f"{PUBLIC_KEY} me@host\n")["Keypair"]
    assert made["KeypairName"] == "test"


def test_lists_that_it_prints(octl: GoClient) -> None:
    """`octl iaas image ls --filter AccountAlias:Outscale` filters what it has read; `catalog ls` reads the entries."""
    images = octl("ReadImages")["Images"]
    assert "Outscale" in {image.get("AccountAlias") for image in images}
    assert octl("ReadCatalog")["Catalog"]["Entries"] == []
    assert set(octl("ReadVms", DryRun=True)) == {"ResponseContext"}


def _volumes(octl: GoClient, **filters: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = octl("ReadVolumes", Filters=filters)["Volumes"]
    return found
