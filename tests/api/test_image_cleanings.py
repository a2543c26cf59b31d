"""CreateCleanImage, and what ReadImageReports shows of a clean image."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from souche.api import image_cleanings as api
from souche.api.actions import souche_action
from souche.api.image_reports import read_image_reports
from souche.app.context.region import Region
from souche.db import image_cleanings
from souche.model.accounts import Principal
from souche.model.image_cleanings import Cleaning, CleaningResult
from souche.model.permissions import Permissions
from tests.support.client import Client
from tests.support.region import call, make_account
from tests.support.resources import dump, make_image, make_reported_image

KEY = CleaningResult(
    "authorized-key", "/home/zoe/.ssh/authorized_keys", "Keys of 'zoe' were removed: 1.", "zoe"
)
DATE = datetime(2026, 11, 28, 5, 0, tzinfo=UTC)


def test_the_answer_is_an_image_as_the_outscale_api_shows_it(client: Client) -> None:
    source = make_image(client.region, client.who)
    request = {"ImageId": source.image_id, "ImageName": "clean", "Description": "for all"}
    action = souche_action("CreateCleanImage")
    shown = action.handler(call(client.region, client.who, **request))["Image"]
    assert (shown["ImageName"], shown["State"], shown["Description"]) == ("clean", "pending", "for all")  # type: ignore[index]
    (listed,) = client("ReadImages", Filters={"ImageNames": ["clean"]})["Images"]
    assert listed == shown


def test_a_dry_run_leaves_everything_as_it_was(client: Client) -> None:
    source = make_image(client.region, client.who)
    before = dump(client.region)
    request = {"ImageId": source.image_id, "ImageName": "clean"}
    api.create_clean_image(call(client.region.for_dry_run(), client.who, **request))
    assert dump(client.region) == before


def read(region: Region, who: Principal) -> list[Mapping[str, Any]]:
    return read_image_reports(call(region, who))["ImageReports"]  # type: ignore[return-value]


def _cleaned(region: Region, who: Principal, *others: str) -> str:
    image = make_reported_image(region, who, permissions=Permissions(account_ids=others))
    with region.store.begin() as connection:
        image_cleanings.store(
            connection, Cleaning(image.image_id, "ami-0000000a", DATE, "libguestfs", (KEY,))
        )
    return image.image_id


def test_the_report_of_a_clean_image_lists_what_was_done(region: Region) -> None:
    alice = make_account(region, "alice")
    image_id = _cleaned(region, alice)
    make_reported_image(region, alice, "other")
    clean, other = sorted(read(region, alice), key=lambda each: str(each["ImageId"] != image_id))
    assert clean["Cleaning"] == {
        "SourceImageId": "ami-0000000a",
        "Date": "2026-11-28T05:00:00.000Z",
        "Engine": "libguestfs",
        "Done": [{"Code": KEY.code, "Path": KEY.path, "Text": KEY.text}],
    }
    assert "Cleaning" not in other


def test_others_see_no_names_of_home_folders_in_what_was_done(region: Region) -> None:
    alice, bob = make_account(region, "alice"), make_account(region, "bob")
    _cleaned(region, alice, bob.account_id)
    (shown,) = read(region, bob)
    assert shown["Cleaning"]["Done"] == [
        {
            "Code": "authorized-key",
            "Path": "/home/*/.ssh/authorized_keys",
            "Text": "Keys of '*' were removed: 1.",
        }
    ]
