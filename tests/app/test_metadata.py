"""The metadata of guests at 169.254.169.254 (reference section 9)."""

import pytest

from souche.app import metadata, tags
from souche.app.context.region import Region
from souche.db import vms
from souche.model.accounts import Principal
from souche.model.vms import Vm
from tests.support.resources import make_vm

MAC = "52:54:00:12:34:56"


@pytest.fixture
def vm(region: Region, alice: Principal) -> Vm:
    vm = make_vm(
        region,
        alice,
        devices=("/dev/xvdb", "/dev/sda1", "/dev/xvdc"),
        keypair_name="laptop",
        mac_address=MAC,
        private_ip="10.77.0.20",
        public_key="ssh-ed25519 AAAA laptop",
        user_data=b"\x1f\x8b#!/bin/sh",
    )
    odd = {"two\nlines": "broken", "x\u2028y": "broken too", " spaced": "stripped"}
    tags.put(region, alice, [vm.vm_id], {"name": "web", "a/b": "slash", "role": "", **odd})
    return vm


def text(region: Region, path: str, source_ip: str = "10.77.0.20") -> str | None:
    answer = metadata.answer(region, source_ip, path)
    return None if answer is None else answer.decode()


def test_the_root_lists_the_versions_from_the_first_to_latest(region: Region, vm: Vm) -> None:
    versions = str(text(region, "/")).splitlines()
    assert (versions[0], versions[-1]) == ("1.0", "latest")
    for version in versions:
        assert text(region, f"/{version}/meta-data/instance-id") == vm.vm_id


@pytest.mark.parametrize("path", ["/latest", "/latest/", "latest/"])
def test_a_version_has_meta_data_and_user_data(region: Region, vm: Vm, path: str) -> None:
    assert text(region, path) == "meta-data\nuser-data"


def test_folders_end_in_a_slash_below_meta_data(region: Region, vm: Vm) -> None:
    listed = str(text(region, "/latest/meta-data/")).splitlines()
    assert listed == str(text(region, "/latest/meta-data")).splitlines()
    assert {"ami-id", "block-device-mapping/", "network/", "placement/", "public-keys/", "tags/"} <= set(
        listed
    )
    assert {name.rstrip("/") for name in listed} >= {
        "ami-launch-index",
        "hostname",
        "instance-id",
        "instance-type",
        "local-hostname",
        "local-ipv4",
        "mac",
        "public-hostname",
        "public-ipv4",
        "reservation-id",
        "security-groups",
    }


def test_every_listed_path_has_an_answer(region: Region, vm: Vm) -> None:
    """As cloud-init reads it: it stops at a listed path that is missing."""
    to_read, read = ["/latest/meta-data/"], 0
    while to_read:
        path = to_read.pop()
        answer = text(region, path)
        assert answer is not None, path
        read += 1
        if path.endswith("/public-keys/"):
            to_read.append(f"{path}0/")
        elif path.endswith("/"):
            to_read += [path + name for name in answer.splitlines()]
    assert read > 40


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("instance-type", "tinav5.c2r4p2"),
        ("local-ipv4", "10.77.0.20"),
        ("hostname", "ip-10-77-0-20.eu-test-1.compute.internal"),
        ("mac", MAC),
        ("placement/availability-zone", "eu-test-1a"),
        ("block-device-mapping/ami", "/dev/sda1"),
        ("block-device-mapping/root", "/dev/sda1"),
        ("block-device-mapping/ebs1", "/dev/xvdb"),
        ("block-device-mapping/ebs2", "/dev/xvdc"),
        ("public-keys/", "0=laptop"),
        ("public-keys/0/", "openssh-key"),
        ("public-keys/0/openssh-key", "ssh-ed25519 AAAA laptop"),
        ("ami-launch-index", "0"),
        ("local-hostname", "ip-10-77-0-20.eu-test-1.compute.internal"),
        ("public-ipv4", "10.77.0.20"),
        ("network/interfaces/macs/", f"{MAC}/"),
        (f"network/interfaces/macs/{MAC}/device-number", "0"),
        (f"network/interfaces/macs/{MAC}/local-ipv4s", "10.77.0.20"),
        (f"network/interfaces/macs/{MAC}/public-ipv4s", "10.77.0.20"),
        (f"network/interfaces/macs/{MAC}/mac", MAC),
        (f"network/interfaces/macs/{MAC}/gateway-ipv4", "10.77.0.1"),
        ("tags/name", "web"),
        ("tags/role", ""),
        ("tags/a/b", "slash"),
        ("tags/", "a/b\nname\nrole"),
        ("tags/two\nlines", "broken"),
        ("tags/x\u2028y", "broken too"),
        ("tags/ spaced", "stripped"),
    ],
)
def test_values_are_plain_text(region: Region, vm: Vm, path: str, expected: str) -> None:
    assert text(region, f"/latest/meta-data/{path}") == expected


def test_values_are_those_of_the_vm(region: Region, alice: Principal, vm: Vm) -> None:
    folder = "/latest/meta-data"
    assert text(region, f"{folder}/ami-id") == vm.image_id
    assert text(region, f"{folder}/reservation-id") == vm.reservation_id
    assert text(region, f"{folder}/network/interfaces/macs/{MAC}/owner-id") == alice.account_id


def test_an_interface_has_what_a_vm_outside_a_net_has(region: Region, vm: Vm) -> None:
    listed = str(text(region, f"/latest/meta-data/network/interfaces/macs/{MAC}/")).splitlines()
    assert sorted(listed) == [
        "device-number",
        "gateway-ipv4",
        "local-hostname",
        "local-ipv4s",
        "mac",
        "owner-id",
        "public-hostname",
        "public-ipv4s",
        "security-group-ids",
        "security-groups",
    ]


def test_a_vm_without_a_keypair_or_user_data_has_no_such_folder(region: Region, alice: Principal) -> None:
    make_vm(region, alice, private_ip="10.77.0.21")
    assert "public-keys" not in str(text(region, "/latest/meta-data/", "10.77.0.21"))
    assert text(region, "/latest/", "10.77.0.21") == "meta-data"


def test_user_data_is_served_raw(region: Region, vm: Vm) -> None:
    assert metadata.answer(region, "10.77.0.20", "/latest/user-data") == vm.user_data


@pytest.mark.parametrize(
    "path",
    [
        "/2099-01-01/meta-data/",
        "/latest/api/token",
        "/latest/meta-data/nothing",
        "/latest/meta-data/tags/nothing",
        "/latest/meta-data/instance-id/more",
        "/latest/../meta-data",
    ],
)
def test_what_is_not_there_has_no_answer(region: Region, vm: Vm, path: str) -> None:
    assert text(region, path) is None


def test_a_guest_is_known_by_its_address_alone(region: Region, alice: Principal, vm: Vm) -> None:
    other = make_vm(region, alice, private_ip="10.77.0.21")
    assert text(region, "/latest/meta-data/instance-id", "10.77.0.21") == other.vm_id
    assert text(region, "/latest/meta-data/instance-id", "10.77.0.22") is None
    assert text(region, "/latest/meta-data/tags/name", "10.77.0.21") is None
    assert text(region, "/latest/user-data", "10.77.0.21") is None
    assert text(region, "/latest/meta-data/public-keys/", "10.77.0.21") is None


def test_an_address_that_is_given_on_tells_of_its_new_vm(region: Region, alice: Principal, vm: Vm) -> None:
    with region.store.begin() as connection:
        vms.set_terminated(connection, vm.vm_id, "", region.clock.now())
    assert text(region, "/latest/meta-data/instance-id") is None
    successor = make_vm(region, alice, private_ip="10.77.0.20")
    assert text(region, "/latest/meta-data/instance-id") == successor.vm_id
