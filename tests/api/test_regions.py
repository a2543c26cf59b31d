"""ReadRegions and ReadSubregions: the one that there is."""

import pytest

from souche.api.regions import read_locations
from souche.app.region import Region
from tests.support.client import Client
from tests.support.region import call


def test_there_is_one_region_with_the_host_of_its_endpoint(client: Client) -> None:
    assert client("ReadRegions") == {"Regions": [{"RegionName": "eu-test-1", "Endpoint": "127.0.0.1:3000"}]}


def test_there_is_one_subregion_which_is_available(client: Client) -> None:
    (shown,) = client("ReadSubregions")["Subregions"]
    assert shown == {
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


def test_locations_are_read_without_credentials(region: Region) -> None:
    location = {"Code": "LOCAL1", "Name": "The host of this region"}
    assert read_locations(call(region, None)) == {"Locations": [location]}
