"""The OUTSCALE section of user data."""

import base64
import gzip

import pytest

from souche.app import metadata, user_data
from souche.app.context.region import Region
from souche.model.accounts import Principal
from souche.states import VmState
from souche.value_refusals import BadUserData
from tests.support.client import Client, value
from tests.support.resources import make_image, make_vm

SCRIPT = b"#!/bin/sh\necho ran\n"


def with_section(*lines: str, ending: str = "\n") -> bytes:
    section = ["-----BEGIN OUTSCALE SECTION-----", *lines, "-----END OUTSCALE SECTION-----", ""]
    return ending.join(section).encode() + SCRIPT


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_without_a_section_nothing_is_ordered() -> None:
    assert user_data.section(SCRIPT) == user_data.Section()
    assert user_data.section(b"\x1f\x8b\x00\xff") == user_data.Section()
    assert user_data.for_guest(SCRIPT) == SCRIPT


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_section_orders_flags_and_tags_one_on_each_line(ending: str) -> None:
    data = with_section(
        "private_only=true", "", " tags.Name = web ", "tags.osc.fcu.repulse_server=a", "pin=1", ending=ending
    )
    assert user_data.section(data) == user_data.Section(
        private_only=True, tags={"Name": "web", "osc.fcu.repulse_server": "a"}
    )
    assert user_data.for_guest(data) == data


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_section_that_is_filtered_is_hidden_from_the_guest(ending: str) -> None:
    data = with_section("filter_private_section=true", "tags.secret=x", ending=ending)
    assert user_data.for_guest(data) == SCRIPT
    assert user_data.for_guest(b"#cloud-config\n" + data) == b"#cloud-config\n" + SCRIPT


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (with_section("colour=red"), "Invalid tag name colour"),
        (with_section("private_only=maybe"), "private_only"),
        (with_section("private_only"), "not key=value"),
        (b"-----BEGIN OUTSCALE SECTION-----\nprivate_only=true\n", "no end"),
    ],
)
def test_an_unknown_key_a_bad_flag_and_a_section_without_an_end_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BadUserData, match=reason):
        user_data.section(data)


def test_a_section_inside_compressed_data_counts(region: Region, alice: Principal) -> None:
    """Clients compress what they send, as cloud-init takes it; so does cat of two compressed files."""
    section = with_section("private_only=true", "filter_private_section=true", "tags.Name=web")
    data = gzip.compress(b"#cloud-config\n") + gzip.compress(section)
    client, image_id = Client(region, alice), make_image(region, alice).image_id
    (vm,) = client("CreateVms", ImageId=image_id, UserData=encoded(data))["Vms"]
    assert vm["Tags"] == [{"Key": "Name", "Value": "web"}]
    assert "PublicIp" not in vm
    assert vm["UserData"] == encoded(data)
    seen = metadata.answer(region, vm["PrivateIp"], "/latest/user-data")
    assert gzip.decompress(seen or b"") == b"#cloud-config\n" + SCRIPT
    refusal = client.refusal(
        "CreateVms", ImageId=image_id, UserData=encoded(gzip.compress(with_section("colour=red")))
    )
    assert "Invalid tag name colour" in refusal.details


def test_compressed_data_without_an_order_to_hide_it_is_served_as_it_is() -> None:
    for data in (
        gzip.compress(SCRIPT),
        gzip.compress(with_section("private_only=true")),
        gzip.compress(SCRIPT)[:-9],  # cut off
        b"\x1f\x8bnot compressed at all",
    ):
        assert user_data.for_guest(data) == data


@pytest.mark.parametrize(
    "data",
    [gzip.compress(bytes(17 * 1024 * 1024)), gzip.compress(b"") * 1000],
    ids=["too many bytes", "too many members"],
)
def test_compressed_data_that_expands_too_far_is_refused(data: bytes) -> None:
    with pytest.raises(BadUserData, match="expands to more"):
        user_data.section(data)
    assert user_data.of_vm(data) == user_data.Section()
    assert user_data.for_guest(data) == data


def test_a_launch_applies_the_section(region: Region, alice: Principal) -> None:
    client, image_id = Client(region, alice), make_image(region, alice).image_id
    data = with_section("private_only=true", "filter_private_section=true", "tags.Name=web")
    (vm,) = client("CreateVms", ImageId=image_id, UserData=encoded(data))["Vms"]
    assert vm["Tags"] == [{"Key": "Name", "Value": "web"}]
    assert "PublicIp" not in vm
    assert vm["UserData"] == encoded(data)
    assert metadata.answer(region, vm["PrivateIp"], "/latest/user-data") == SCRIPT
    assert metadata.answer(region, vm["PrivateIp"], "/latest/meta-data/tags/Name") == b"web"


def test_a_vm_that_is_private_only_is_told_of_no_public_address(region: Region, alice: Principal) -> None:
    client, image_id = Client(region, alice), make_image(region, alice).image_id
    (public,) = client("CreateVms", ImageId=image_id)["Vms"]
    data = encoded(with_section("private_only=true"))
    (private,) = client("CreateVms", ImageId=image_id, UserData=data)["Vms"]
    for vm, address in ((public, public["PrivateIp"].encode()), (private, None)):
        assert metadata.answer(region, vm["PrivateIp"], "/latest/meta-data/public-ipv4") == address
        listed = metadata.answer(region, vm["PrivateIp"], "/latest/meta-data/")
        assert listed is not None
        assert (b"public-hostname" in listed) == (address is not None)


def test_a_launch_and_an_update_refuse_an_unknown_key(region: Region, alice: Principal) -> None:
    """Reference section 9: 400, "Invalid tag name X"."""
    client, image_id = Client(region, alice), make_image(region, alice).image_id
    data = encoded(with_section("colour=red"))
    for refusal in (
        client.refusal("CreateVms", ImageId=image_id, UserData=data),
        client.refusal("UpdateVm", VmId=make_vm(region, alice, VmState.STOPPED).vm_id, UserData=data),
    ):
        assert refusal.row == value(4047)
        assert "Invalid tag name colour" in refusal.details


def test_a_tag_of_a_section_keeps_to_the_rules_of_tags(region: Region, alice: Principal) -> None:
    data = encoded(with_section("tags.=x"))
    refusal = Client(region, alice).refusal(
        "CreateVms", ImageId=make_image(region, alice).image_id, UserData=data
    )
    assert refusal.row == value(4069)
