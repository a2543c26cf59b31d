"""ReadImageReports and CreateImageReport: who sees what."""

from collections.abc import Mapping
from typing import Any

import pytest

from souche.api import image_reports as api
from souche.app.context.region import Region
from souche.db import image_reports
from souche.model.accounts import Principal
from souche.model.image_reports import Examination, Guideline, ReportState, hidden
from souche.model.permissions import Permissions
from souche.refusals import NoSuchImage, WrongImageState
from souche.states import ImageState
from souche.trust.codes import finding
from tests.support.region import call, make_account
from tests.support.resources import make_image

KEY = finding(
    "authorized-key",
    "/home/zoe/.ssh/authorized_keys",
    "A key opens 'zoe'.",
    fingerprint="SHA256:a",
    user="zoe",
)
MADE = Examination(
    "tsk", "Debian", (KEY, finding("logs", "/var/log", "Logs.")), (Guideline("a", "b", holds=False),)
)


def report(region: Region, image_id: str) -> None:
    with region.store.begin() as connection:
        image_reports.set_active(connection, image_id)
        image_reports.store(connection, image_id, MADE, region.clock.now(), other=False)


def read(region: Region, who: Principal, **request: Any) -> list[Mapping[str, Any]]:
    return api.read_image_reports(call(region, who, **request))["ImageReports"]  # type: ignore[return-value]


@pytest.fixture
def alice(region: Region) -> Principal:
    return make_account(region, "alice")


def test_an_available_image_waits_for_its_report(region: Region, alice: Principal) -> None:
    image = make_image(region, alice)
    make_image(region, alice, "late", state=ImageState.PENDING)
    (shown,) = read(region, alice)
    assert shown == {
        "ImageId": image.image_id,
        "State": "pending",
        "Engine": "",
        "Date": None,
        "Os": "",
        "Findings": [],
        "Guidelines": [],
        "Accepted": [],
    }


def test_the_owner_sees_all(region: Region, alice: Principal) -> None:
    image = make_image(region, alice)
    report(region, image.image_id)
    (shown,) = read(region, alice)
    assert (shown["State"], shown["Engine"], shown["Os"]) == ("completed", "tsk", "Debian")
    assert shown["Findings"][0] == {
        "Code": "authorized-key",
        "Severity": "high",
        "Path": "/home/zoe/.ssh/authorized_keys",
        "Fingerprint": "SHA256:a",
        "Text": "A key opens 'zoe'.",
        "Remedy": KEY.remedy,
    }
    assert shown["Guidelines"] == [{"Code": "a", "Text": "b", "Holds": False}]


def test_others_who_may_use_it_see_no_names_of_home_folders(region: Region, alice: Principal) -> None:
    bob = make_account(region, "bob")
    image = make_image(region, alice, permissions=Permissions(account_ids=(bob.account_id,)))
    report(region, image.image_id)
    (shown,) = read(region, bob)
    assert shown["Findings"][0]["Path"] == "/home/*/.ssh/authorized_keys"
    assert "zoe" not in repr(shown)
    assert [each["Code"] for each in shown["Findings"]] == ["authorized-key", "logs"]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("disk 0, partition 2: /home/zoe/sh", "disk 0, partition 2: /home/*/sh"),
        ("/srv/zoe/.ssh/authorized_keys", "/srv/*/.ssh/authorized_keys"),
        ("/Users/Zoe", "/Users/*"),
        ("/users/Zoe/x", "/users/*/x"),
        ("/etc/home/a", "/etc/home/a"),
    ],
)
def test_names_of_home_folders_are_hidden_wherever_they_are(path: str, shown: str) -> None:
    assert hidden(finding("setuid-file", path, "Of 'zoe'.", user="zoe")).path == shown


def test_nobody_else_sees_anything(region: Region, alice: Principal) -> None:
    image = make_image(region, alice)
    report(region, image.image_id)
    eve = make_account(region, "eve")
    assert read(region, eve) == []
    assert read(region, eve, Filters={"ImageIds": [image.image_id]}) == []
    with pytest.raises(NoSuchImage):
        api.create_image_report(call(region, eve, ImageId=image.image_id))


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"Codes": ["logs"]}, ["first"]),
        ({"Codes": ["host-key"]}, []),
        ({"Severities": ["high", "medium"]}, ["first"]),
        ({"States": ["pending"]}, ["second"]),
        ({"States": ["pending"], "Codes": ["logs"]}, []),
        ({}, ["first", "second"]),
    ],
)
def test_filters(region: Region, alice: Principal, filters: dict[str, list[str]], found: list[str]) -> None:
    names = {make_image(region, alice, name).image_id: name for name in ("first", "second")}
    report(region, next(iter(names)))
    shown = read(region, alice, Filters=filters)
    assert sorted(names[each["ImageId"]] for each in shown) == found


def test_pages(region: Region, alice: Principal) -> None:
    ids = {make_image(region, alice, f"image {number}").image_id for number in range(3)}
    first = api.read_image_reports(call(region, alice, ResultsPerPage=2))
    token = first["NextPageToken"]
    second = api.read_image_reports(call(region, alice, ResultsPerPage=2, NextPageToken=token))
    shown = [*first["ImageReports"], *second["ImageReports"]]  # type: ignore[misc]
    assert len(shown) == 3
    assert {each["ImageId"] for each in shown} == ids
    assert "NextPageToken" not in second


def test_a_new_report_leaves_the_former_while_it_is_made(region: Region, alice: Principal) -> None:
    image = make_image(region, alice)
    report(region, image.image_id)
    made = api.create_image_report(call(region, alice, ImageId=image.image_id))["ImageReport"]
    assert made["State"] == "pending"  # type: ignore[index]
    assert len(read(region, alice)[0]["Findings"]) == 2


def test_only_an_available_image_is_looked_into(region: Region, alice: Principal) -> None:
    image = make_image(region, alice, state=ImageState.PENDING)
    with pytest.raises(WrongImageState):
        api.create_image_report(call(region, alice, ImageId=image.image_id))


def test_what_was_asked_for_again_meanwhile_is_made_again(region: Region, alice: Principal) -> None:
    image = make_image(region, alice)
    with region.store.begin() as connection:
        image_reports.set_active(connection, image.image_id)
        image_reports.request_again(connection, image.image_id, region.clock.now())
        image_reports.store(connection, image.image_id, MADE, region.clock.now(), other=False)
        known = image_reports.get(connection, image.image_id)
        assert image_reports.next_image(connection) == (image.image_id, False)
    assert known is not None
    assert (known.state, known.findings) == (ReportState.PENDING, ())
