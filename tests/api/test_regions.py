"""ReadRegions and ReadSubregions: one region, its subregions."""

import pytest

from souche.api.regions import read_locations
from souche.app.context.region import Region
from souche.states import VmState
from tests.support.client import Client, conflict
from tests.support.region import call
from tests.support.resources import make_image, make_vm, make_volume


def test_there_is_one_region_with_the_host_of_its_endpoint(client: Client) -> None:
    assert client("ReadRegions") == {"Regions": [{"RegionName": "eu-test-1", "Endpoint": "127.0.0.1:3000"}]}


def test_subregions_are_available_and_in_one_place(client: Client) -> None:
    first, second = client("ReadSubregions")["Subregions"]
    assert second == {**first, "SubregionName": "eu-test-1b"}
    assert first == {
        "LocationCode": "LOCAL1",
        "RegionName": "eu-test-1",
        "State": "available",
        "SubregionName": "eu-test-1a",
    }


@pytest.mark.parametrize(
    ("filters", "there"),
    [
        ({"SubregionNames": ["eu-test-1a"]}, True),
        ({"SubregionNames": ["eu-west-2a"]}, False),
        ({"RegionNames": ["eu-test-1"]}, True),
        ({"RegionNames": ["eu-west-2"]}, False),
        ({"States": ["available"]}, True),
        ({"States": ["unavailable"]}, False),
    ],
)
def test_subregions_are_found_by_region_name_and_state(
    client: Client,
    filters: dict[str, list[str]],
    there: bool,  # noqa: FBT001
) -> None:
    assert bool(client("ReadSubregions", Filters=filters)["Subregions"]) is there


def test_vms_and_volumes_are_in_the_subregion_asked_for(client: Client) -> None:
    image_id = make_image(client.region, client.who).image_id
    (placed,) = client("CreateVms", ImageId=image_id, Placement={"SubregionName": "eu-test-1b"})["Vms"]
    (default,) = client("CreateVms", ImageId=image_id)["Vms"]
    shown = [vm["Placement"]["SubregionName"] for vm in (placed, default)]
    assert shown == ["eu-test-1b", "eu-test-1a"]
    root = placed["BlockDeviceMappings"][0]["Bsu"]["VolumeId"]
    (volume,) = client("ReadVolumes", Filters={"VolumeIds": [root]})["Volumes"]
    made = client("CreateVolume", SubregionName="eu-test-1b", Size=1)["Volume"]
    assert volume["SubregionName"] == made["SubregionName"] == "eu-test-1b"


def test_a_volume_of_another_subregion_is_not_linked(client: Client) -> None:
    vm = make_vm(client.region, client.who, VmState.STOPPED)
    there = make_volume(client.region, client.who, subregion_name="eu-test-1b")
    link = {"VmId": vm.vm_id, "VolumeId": there.volume_id, "DeviceName": "/dev/sdb"}
    assert client.refusal("LinkVolume", **link).row == conflict(9071)


def test_locations_are_read_without_credentials(region: Region) -> None:
    location = {"Code": "LOCAL1", "Name": "The host of this region, Local"}
    assert read_locations(call(region, None)) == {"Locations": [location]}
