"""What making, copying and deleting images requests and keeps (reference section 2)."""

from dataclasses import dataclass, fields, replace

import pytest

from souche.app import image_copies, image_pages, images, product_codes, tags
from souche.app.block_devices import BsuRequest, MappingRequest
from souche.app.context.region import Region
from souche.app.image_copies import Copy
from souche.app.images import Change, FromSnapshots, FromVm, ImageSettings
from souche.db import images as image_records
from souche.db import volumes
from souche.db.store import Store
from souche.model.accounts import Principal
from souche.model.images import BootMode, Consistency, Image, ImageMapping, VmAttributes
from souche.model.permissions import Permissions
from souche.model.query import Query
from souche.refusals import WrongVolumeState
from souche.states import ImageState, LinkState, SnapshotState, VmState
from souche.value_refusals import BadProductCodes
from tests.support.image_fields import OWN_OF_A_COPY
from tests.support.region import RecordedWorkflows
from tests.support.resources import (
    attach,
    make_image,
    make_snapshot,
    make_vm,
    read_image,
    read_snapshot,
    read_vm,
    requested,
)

PLAIN = ImageSettings("golden")


@pytest.mark.parametrize("at", [VmState.RUNNING, VmState.STOPPED])
@pytest.mark.parametrize("no_reboot", [True, False])
def test_only_a_running_vm_is_shut_down_and_only_when_it_may_be(
    region: Region,
    alice: Principal,
    at: VmState,
    no_reboot: bool,  # noqa: FBT001
) -> None:
    vm = make_vm(region, alice, at)
    images.create_from_vm(region, alice, FromVm(PLAIN, vm.vm_id, no_reboot=no_reboot))
    restarts = at == VmState.RUNNING and not no_reboot
    assert requested(region) == ["create_image"]
    assert read_vm(region, vm.vm_id).state == (VmState.STOPPING if restarts else at)


def test_an_image_carries_the_attributes_of_its_vm(region: Region, alice: Principal) -> None:
    vm = make_vm(
        region,
        alice,
        architecture="i386",
        boot_mode="uefi",
        deletion_protection=True,
        performance="medium",
        product_codes=("0002", "0008"),
        shutdown_behavior="terminate",
    )
    made = images.create_from_vm(region, alice, FromVm(PLAIN, vm.vm_id, no_reboot=True))
    image = read_image(region, made.image_id)
    assert image == made
    assert image.vm_attributes == VmAttributes(
        deletion_protection=True, shutdown_behavior="terminate", performance="medium", boot_mode="uefi"
    )
    assert (image.architecture, image.boot_modes, image.product_codes) == (
        "i386",
        ("uefi",),
        ("0002", "0008"),
    )
    assert (image.source_vm_id, image.source_image_id) == (vm.vm_id, vm.image_id)


def test_an_image_of_a_vm_boots_as_the_image_of_the_vm_does(region: Region, alice: Principal) -> None:
    both: tuple[BootMode, ...] = ("legacy", "uefi")
    source = make_image(region, alice, boot_modes=both)
    vm = make_vm(region, alice, image_id=source.image_id)
    command = FromVm(PLAIN, vm.vm_id, no_reboot=True)
    assert images.create_from_vm(region, alice, command).boot_modes == both
    command = FromVm(replace(PLAIN, name="other", boot_modes=("legacy", "legacy")), vm.vm_id, no_reboot=True)
    assert images.create_from_vm(region, alice, command).boot_modes == ("legacy",)


@pytest.mark.parametrize("link_state", [LinkState.ATTACHING, LinkState.DETACHING])
def test_an_image_is_refused_while_a_volume_comes_or_goes(
    region: Region, alice: Principal, link_state: LinkState
) -> None:
    vm = make_vm(region, alice)
    passing = attach(region, vm, "/dev/xvdb")
    with region.store.begin() as connection:
        volumes.set_link_state(connection, passing.volume_id, link_state)
    with pytest.raises(WrongVolumeState, match=f"{passing.volume_id} is {link_state}"):
        images.create_from_vm(region, alice, FromVm(PLAIN, vm.vm_id, no_reboot=True))


def test_the_snapshots_of_an_image_belong_to_its_owner_and_name_their_volumes(
    region: Region, alice: Principal
) -> None:
    vm = make_vm(region, alice, product_codes=("0002",))
    image = images.create_from_vm(region, alice, FromVm(PLAIN, vm.vm_id, no_reboot=True))
    snapshot = read_snapshot(region, str(image.mappings[0].snapshot_id))
    assert (snapshot.account_id, snapshot.state) == (alice.account_id, SnapshotState.IN_QUEUE)
    assert (snapshot.volume_id, snapshot.image_id) == (vm.volumes[0].volume_id, image.image_id)


def test_the_snapshots_of_an_image_inherit_the_codes_of_their_volumes(
    region: Region, alice: Principal
) -> None:
    vm = make_vm(region, alice, VmState.STOPPED, devices=())
    for device_name, code in (("/dev/sda1", "0002"), ("/dev/xvdb", "0007")):
        attach(region, vm, device_name, product_codes=(code,))
    image = images.create_from_vm(region, alice, FromVm(PLAIN, vm.vm_id, no_reboot=True))
    codes = {
        mapping.device_name: read_snapshot(region, str(mapping.snapshot_id)).product_codes
        for mapping in image.mappings
    }
    assert codes == {"/dev/sda1": ("0002",), "/dev/xvdb": ("0007",)}


# Copies.


def test_copies_are_numbered_by_the_first_free_name(region: Region, alice: Principal) -> None:
    source = make_image(region, alice, "base")
    command = Copy(ImageSettings(None), source.image_id, region.name)
    names = [image_copies.copy(region, alice, command).name for _ in range(2)]
    assert names == ["base-copy1", "base-copy2"]
    with region.store.begin() as connection:
        first = image_records.named(connection, alice.account_id, "base-copy1")
        image_records.erase(connection, str(first))
    assert image_copies.copy(region, alice, command).name == "base-copy1"


def test_the_default_name_of_a_copy_is_never_too_long(region: Region, alice: Principal) -> None:
    source = make_image(region, alice, "b" * 128)
    image = image_copies.copy(region, alice, Copy(ImageSettings(None), source.image_id, region.name))
    assert image.name == "b" * 122 + "-copy1"


def test_a_copy_has_the_same_traits_and_snapshots_of_its_own(
    region: Region, alice: Principal, bob: Principal
) -> None:
    source = make_image(
        region,
        bob,
        architecture="i386",
        boot_modes=("legacy", "uefi"),
        description="of bob",
        permissions=Permissions((alice.account_id,)),
        product_codes=("0002", "0007"),
        secure_boot=True,
        tpm_mandatory=True,
        vm_attributes=VmAttributes(deletion_protection=True),
    )
    image = image_copies.copy(region, alice, Copy(ImageSettings("mine"), source.image_id, region.name))
    kept = ("architecture", "boot_modes", "description", "product_codes", "secure_boot", "tpm_mandatory")
    assert [getattr(image, trait) for trait in kept] == [getattr(source, trait) for trait in kept]
    assert image.vm_attributes == source.vm_attributes
    snapshot = read_snapshot(region, str(image.mappings[0].snapshot_id))
    assert snapshot.account_id == alice.account_id
    assert snapshot.source_snapshot_id == source.mappings[0].snapshot_id
    assert requested(region) == ["copy_image"]


def test_a_copy_has_all_that_is_not_its_own(region: Region, alice: Principal, bob: Principal) -> None:
    """A field that images get later is either."""
    mappings = (
        ImageMapping("/dev/sda1", make_snapshot(region, bob).snapshot_id, 20, "gp2"),
        ImageMapping("/dev/xvdb", make_snapshot(region, bob).snapshot_id, 10, "io1", 500),
        ImageMapping("/dev/xvdc", None, 5, delete_on_vm_deletion=False),
    )
    source = make_image(
        region,
        bob,
        architecture="i386",
        boot_modes=("uefi",),
        description="of bob",
        mappings=mappings,
        permissions=Permissions(public=True),
        product_codes=("0002",),
        secure_boot=True,
        tpm_mandatory=True,
        vm_attributes=VmAttributes(True, "restart", "highest", "uefi"),  # noqa: FBT003
        root_device_name="/dev/sda",
        consistency=Consistency("quiesced", one_instant=True),
        guest_pause_seconds=0.5,
    )
    copy = image_copies.copy(region, alice, Copy(ImageSettings(None), source.image_id, region.name))
    alike = {field.name for field in fields(Image)} - OWN_OF_A_COPY
    unset = {each.name for each in fields(Image) if getattr(source, each.name) == each.default}
    assert unset & alike == set(), "the source of this test needs other values than the defaults"
    assert {name: getattr(copy, name) for name in alike} == {name: getattr(source, name) for name in alike}
    assert [replace(each, snapshot_id=None) for each in copy.mappings] == [
        replace(each, snapshot_id=None) for each in mappings
    ]


def test_a_copy_may_be_described_otherwise(region: Region, alice: Principal) -> None:
    source = make_image(region, alice, description="old", tpm_mandatory=True)
    settings = ImageSettings("copy", description="", boot_modes=("uefi",), tpm_mandatory=False)
    image = image_copies.copy(region, alice, Copy(settings, source.image_id, region.name))
    assert (image.description, image.boot_modes, image.tpm_mandatory) == ("", ("uefi",), False)


@dataclass
class PromptWorkflows(RecordedWorkflows):
    """A copy is made by the time of the first wait."""

    store: Store | None = None

    def wait(self, operation_id: str, timeout_seconds: float) -> bool:  # noqa: ARG002
        assert self.store is not None
        with self.store.begin() as connection:
            image_records.set_state(connection, operation_id.rpartition(":")[2], ImageState.AVAILABLE)
        return True


def test_a_copy_that_is_made_in_time_is_answered_as_available(region: Region, alice: Principal) -> None:
    source = make_image(region, alice)
    prompt = replace(region, workflows=PromptWorkflows(store=region.store))
    image = image_copies.copy(prompt, alice, Copy(ImageSettings(None), source.image_id, region.name))
    assert image.state == ImageState.AVAILABLE
    again = Copy(ImageSettings(None), source.image_id, region.name)
    assert image_copies.copy(region, alice, again).state == ImageState.PENDING


# Product codes.


@pytest.mark.parametrize(
    ("given", "inherited", "expected"),
    [
        (None, (), ("0001",)),
        ((), (), ("0001",)),
        (None, ("0001",), ("0001",)),
        (None, ("0002",), ("0002",)),
        (None, ("0001", "0002"), ("0001", "0002")),
        (("0002",), ("0001",), ("0002",)),
        (("0001",), ("0002", "0007"), ("0001", "0002", "0007")),
        (("0007", "0002", "0007"), (), ("0002", "0007")),
    ],
)
def test_licences_are_inherited_and_cannot_be_shed(
    region: Region,
    alice: Principal,
    given: tuple[str, ...] | None,
    inherited: tuple[str, ...],
    expected: tuple[str, ...],
) -> None:
    with region.store.read() as connection:
        assert product_codes.chosen(connection, alice, given, inherited) == expected


def test_a_refusal_names_the_unknown_codes(region: Region, alice: Principal) -> None:
    with region.store.read() as connection, pytest.raises(BadProductCodes, match="8888, 9999"):
        product_codes.check(connection, alice, ["0001", "8888", "9999"])


def test_licences_follow_from_vm_copy_and_snapshot(region: Region, alice: Principal) -> None:
    vm = make_vm(region, alice, product_codes=("0002",))
    linux = replace(PLAIN, product_codes=("0001",))
    made = images.create_from_vm(region, alice, FromVm(linux, vm.vm_id, no_reboot=True))
    assert made.product_codes == ("0001", "0002")
    source = make_image(region, alice, "windows", product_codes=("0002",))
    copied = image_copies.copy(region, alice, Copy(replace(linux, name="copy"), source.image_id, region.name))
    assert copied.product_codes == ("0001", "0002")
    snapshot = make_snapshot(region, alice, product_codes=("0002",))
    mapping = MappingRequest("/dev/sda1", BsuRequest(snapshot.snapshot_id))
    command = FromSnapshots(ImageSettings("registered"), (mapping,), "/dev/sda1", "x86_64")
    assert images.create_from_snapshots(region, alice, command).product_codes == ("0002",)


def test_an_image_of_a_vm_has_the_licences_of_the_root_volume_that_it_has_now(
    region: Region, alice: Principal
) -> None:
    vm = make_vm(region, alice, VmState.STOPPED, devices=())
    attach(region, vm, "/dev/sda1", product_codes=("0002",))
    attach(region, vm, "/dev/xvdb", product_codes=("0007",))
    command = FromVm(ImageSettings("of today"), vm.vm_id, no_reboot=True)
    assert images.create_from_vm(region, alice, command).product_codes == ("0001", "0002")


def test_an_image_registered_from_plain_snapshots_has_the_default_code(
    region: Region, alice: Principal
) -> None:
    snapshot = make_snapshot(region, alice, product_codes=())
    mapping = MappingRequest("/dev/sda1", BsuRequest(snapshot.snapshot_id))
    command = FromSnapshots(ImageSettings("registered"), (mapping,), "/dev/sda1", "x86_64")
    image = images.create_from_snapshots(region, alice, command)
    assert image.product_codes == ("0001",)
    assert requested(region) == []


# Changes.


def test_a_refused_change_changes_nothing(region: Region, alice: Principal) -> None:
    image = make_image(region, alice)
    with pytest.raises(BadProductCodes):
        images.update(region, alice, Change(image.image_id, "new", product_codes=("9999",)))
    assert read_image(region, image.image_id) == image


def test_a_page_has_the_tags(region: Region, alice: Principal) -> None:
    image = make_image(region, alice)
    tags.put(region, alice, [image.image_id], {"k": "v"})
    found = image_pages.find(region, alice, Query())
    assert [tag.value for tag in found.tags[image.image_id]] == ["v"]
