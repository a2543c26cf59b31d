"""ReadRegions, ReadSubregions and ReadLocations: one region, its subregions, its one location."""

from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import urlsplit

from souche.api import types
from souche.api.protocol import static_pages
from souche.api.protocol.dispatch import Call

LOCATION_CODE: Final = "LOCAL1"
LOCATION_NAME: Final = "The host of this region, Local"
"""in the form `Paris, France`: apache-libcloud reads the country after the comma"""

SUBREGION_FILTERS: Final[static_pages.Fields[types.Subregion]] = {
    "RegionNames": lambda subregion: subregion["RegionName"],
    "States": lambda subregion: subregion["State"],
    "SubregionNames": lambda subregion: subregion["SubregionName"],
}


def read_regions(call: Call) -> Mapping[str, object]:
    """This region. `Endpoint` is a host name without a scheme, as in the specification."""
    endpoint = call.region.endpoint
    host = urlsplit(endpoint).netloc if "://" in endpoint else endpoint
    region: types.Region = {"RegionName": call.region.name, "Endpoint": host}
    return {"Regions": [region]}


def read_subregions(call: Call) -> Mapping[str, object]:
    """This region's subregions."""
    subregions: list[types.Subregion] = [
        {
            "LocationCode": LOCATION_CODE,
            "RegionName": call.region.name,
            "State": "available",
            "SubregionName": name,
        }
        for name in call.region.subregion_names
    ]
    request = cast("Mapping[str, Any]", call.request)
    found = static_pages.select(subregions, request.get("Filters", {}), SUBREGION_FILTERS)
    rows, following = static_pages.page(found, request)
    return {"Subregions": list(rows), **following}


def read_locations(call: Call) -> Mapping[str, object]:
    """The one place where this region is."""
    location: types.Location = {"Code": LOCATION_CODE, "Name": LOCATION_NAME}
    rows, following = static_pages.page([location], cast("Mapping[str, Any]", call.request))
    return {"Locations": list(rows), **following}
