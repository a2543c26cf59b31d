"""What a launch requests and keeps (reference section 6)."""

from dataclasses import replace

import pytest

from souche.app import images, launches, public_ips, security_groups, user_data
from souche.app.context.region import Region
from souche.app.launches import Launch
from souche.compute.base import GuestNetwork
from souche.db import vms
from souche.model.accounts import Principal
from souche.model.images import Image, ImageMapping, VmAttributes
from souche.model.query import Query
from souche.operations.vms import CreateVm
from souche.quota_refusals import NoCapacity
from souche.refusals import ClientTokenReused, VmSpecsMismatch
from souche.states import LinkState, VmState, VolumeState
from tests.support.resources import (
    make_image,
    make_keypair,
    make_snapshot,
    read_vm,
    requested,
)
from tests.support.statements import statements, transactions


@pytest.fixture
def image(region: Region, alice: Principal) -> Image:
    return make_image(region, alice)


def test_a_vm_is_pending_with_its_volumes_until_its_workflow_ends(
    region: Region, alice: Principal, image: Image
) -> None:
    (vm,) = launches.launch(region, alice, Launch(image.image_id))
    assert read_vm(region, vm.vm_id) == vm
    assert vm.state == VmState.PENDING
    (volume,) = vm.volumes
    assert (volume.state, volume.size_gib) == (VolumeState.CREATING, 10)
    assert volume.snapshot_id == image.mappings[0].snapshot_id
    assert volume.link is not None
    assert volume.link.state == LinkState.ATTACHING
    assert requested(region) == ["create_vm"]


def test_a_launch_of_many_is_one_transaction_of_as_many_statements_as_one_of_few(
    region: Region, alice: Principal
) -> None:
    """With two volumes, product codes and tags each, one of which names a public IP."""
    root = make_snapshot(region, alice).snapshot_id
    mappings = (ImageMapping("/dev/sda1", root, 10), ImageMapping("/dev/xvdb", None, 1))
    image = make_image(region, alice, mappings=mappings, product_codes=("0001", "0003"))
    attach = f"tags.{public_ips.AUTO_ATTACH}={public_ips.create(region, alice).public_ip}".encode()
    tagging = b"\n".join((user_data.BEGIN, b"tags.Name=web", attach, user_data.END))
    security_groups.find(region, alice, Query())  # which makes the default group

    def launch(count: int) -> None:
        command = Launch(image.image_id, min_count=count, max_count=count, user_data=tagging)
        assert len(launches.launch(region, alice, command)) == count

    launch(2)  # gets the public IP
    few = statements(region, lambda: launch(2))
    many = statements(region, lambda: launch(200))
    assert first_words(many) == first_words(few)
    assert transactions(many) == 1


def first_words(statements: list[str]) -> list[str]:
    return [" ".join(statement.split()[:3]) for statement in statements]


@pytest.mark.parametrize("boot", [True, False])
def test_the_workflow_is_told_whether_to_start_it(
    region: Region,
    alice: Principal,
    image: Image,
    boot: bool,  # noqa: FBT001
) -> None:
    launches.launch(region, alice, Launch(image.image_id, boot_on_creation=boot))
    assert region.workflows.started[0].params == CreateVm(boot)  # type: ignore[attr-defined]  # recorded


def test_the_public_key_is_frozen_at_launch(region: Region, alice: Principal, image: Image) -> None:
    keypair = make_keypair(region, alice)
    (vm,) = launches.launch(region, alice, Launch(image.image_id, keypair_name=keypair.name))
    assert vm.public_key == keypair.public_key


def test_product_codes_are_frozen_at_launch_and_go_to_the_root_volume(
    region: Region, alice: Principal
) -> None:
    plain, data = make_snapshot(region, alice), make_snapshot(region, alice, product_codes=("0008",))
    mappings = (
        ImageMapping("/dev/sda1", plain.snapshot_id, 10),
        ImageMapping("/dev/xvdb", data.snapshot_id, 10),
        ImageMapping("/dev/xvdc", None, 10),
    )
    image = make_image(region, alice, mappings=mappings, product_codes=("0002", "0007"))
    (vm,) = launches.launch(region, alice, Launch(image.image_id, vm_type="tinav3.c2r4"))
    assert vm.product_codes == ("0002", "0007")
    assert [volume.product_codes for volume in vm.volumes] == [("0002", "0007"), ("0008",), ()]


@pytest.mark.parametrize("vm_type", ["tinav3.c2r4", "tinav7.c4r8p1", "t2.medium", "m4.large"])
def test_windows_runs_on_what_is_enough(region: Region, alice: Principal, vm_type: str) -> None:
    image = make_image(region, alice, product_codes=("0002",))
    assert launches.launch(region, alice, Launch(image.image_id, vm_type=vm_type))


def test_windows_is_refused_with_the_reason(region: Region, alice: Principal) -> None:
    image = make_image(region, alice, product_codes=("0002",))
    with pytest.raises(VmSpecsMismatch, match=r"Windows needs generation v3, 2 vCores and 4 GiB.*t2\.small"):
        launches.launch(region, alice, Launch(image.image_id))


# Tokens.


def test_a_token_gives_the_same_vms_again(region: Region, alice: Principal, image: Image) -> None:
    command = Launch(image.image_id, min_count=2, max_count=2, client_token="t")
    assert launches.launch(region, alice, command) == launches.launch(region, alice, command)
    assert requested(region) == ["create_vm", "create_vm"]


def test_a_token_gives_the_same_vms_though_the_image_is_gone(
    region: Region, alice: Principal, image: Image
) -> None:
    command = Launch(image.image_id, client_token="t")
    launched = launches.launch(region, alice, command)
    images.delete(region, alice, image.image_id)
    assert launches.launch(region, alice, command) == launched


def test_a_token_is_refused_for_another_image(region: Region, alice: Principal, image: Image) -> None:
    other = make_image(region, alice, "other")
    launches.launch(region, alice, Launch(image.image_id, client_token="t"))
    with pytest.raises(ClientTokenReused):
        launches.launch(region, alice, Launch(other.image_id, client_token="t"))


def test_a_token_is_the_accounts_own(region: Region, alice: Principal, bob: Principal, image: Image) -> None:
    launches.launch(region, alice, Launch(image.image_id, client_token="t"))
    of_bob = make_image(region, bob)
    (vm,) = launches.launch(region, bob, Launch(of_bob.image_id, client_token="t"))
    assert vm.account_id == bob.account_id


# Room.


@pytest.fixture
def small(region: Region) -> Region:
    """A network of 30 addresses, 15 of which are for VMs."""
    return replace(region, network=GuestNetwork("10.79.0.0/27", "10.79.0.1"))


def test_the_largest_possible_number_above_the_minimum_is_launched(
    small: Region, alice: Principal, image: Image
) -> None:
    launched = launches.launch(small, alice, Launch(image.image_id, min_count=2, max_count=100))
    assert len({vm.private_ip for vm in launched}) == 15


def test_nothing_is_launched_when_the_minimum_does_not_fit(
    small: Region, alice: Principal, image: Image
) -> None:
    with pytest.raises(NoCapacity):
        launches.launch(small, alice, Launch(image.image_id, min_count=16, max_count=16))
    assert requested(small) == []


def test_the_address_of_a_terminated_vm_is_free_again(small: Region, alice: Principal, image: Image) -> None:
    launched = launches.launch(small, alice, Launch(image.image_id, min_count=15, max_count=15))
    with small.store.begin() as connection:
        vms.set_terminated(connection, launched[7].vm_id, "", small.clock.now())
    (vm,) = launches.launch(small, alice, Launch(image.image_id))
    assert vm.private_ip == launched[7].private_ip


# Boot mode.


@pytest.mark.parametrize(
    ("modes", "carried", "asked", "expected"),
    [
        (("legacy",), None, None, "legacy"),
        (("uefi",), None, None, "uefi"),
        (("legacy", "uefi"), None, None, "uefi"),
        (("legacy", "uefi"), "uefi", None, "uefi"),
        (("legacy", "uefi"), "uefi", "legacy", "legacy"),
        (("legacy", "uefi"), None, "uefi", "uefi"),
        (("legacy",), "uefi", None, "legacy"),
    ],
)
def test_the_boot_mode_is_asked_for_or_carried_or_uefi(
    region: Region,
    alice: Principal,
    modes: tuple[str, ...],
    carried: str | None,
    asked: str | None,
    expected: str,
) -> None:
    attributes = VmAttributes(boot_mode=carried) if carried else None  # type: ignore[arg-type]  # a literal
    image = make_image(region, alice, boot_modes=modes, vm_attributes=attributes)
    (vm,) = launches.launch(region, alice, Launch(image.image_id, boot_mode=asked))  # type: ignore[arg-type]
    assert vm.boot_mode == expected
