"""Versions on the marketplace: who may launch them, and what is frozen (reference section 2)."""

import pytest

from souche.app import accounts, image_copies, image_pages, images, launches, marketplace, volumes
from souche.app.block_devices import BsuRequest, MappingRequest
from souche.app.context.region import Region
from souche.app.image_copies import Copy
from souche.app.images import Change, FromSnapshots, FromVm, ImageSettings
from souche.app.launches import Launch
from souche.app.marketplace import Publication
from souche.app.permissions import PermissionsChange
from souche.app.volumes import Link
from souche.db import images as image_records
from souche.db import snapshots
from souche.model.accounts import Account, Principal
from souche.model.images import Image
from souche.model.query import Query
from souche.refusals import (
    NoSuchImage,
    NoSuchProductType,
    NotPublished,
    NotSubscribed,
    PublishedVersion,
    WrongImageState,
)
from souche.states import ImageState, SnapshotState, VmState
from tests.support.resources import (
    make_product_type,
    make_reported_image,
    make_vm,
    make_volume,
    read_image,
    read_snapshot,
    read_vm,
    read_volume,
    requested,
)


@pytest.fixture
def vendor(region: Region) -> Account:
    account, _, _ = accounts.create(region, "vendor", "Vendor")
    return account


@pytest.fixture
def seller(vendor: Account) -> Principal:
    return Principal(vendor.account_id)


@pytest.fixture
def product(region: Region, seller: Principal) -> str:
    return make_product_type(region, seller).product_type_id


@pytest.fixture
def customer(region: Region, alice: Principal) -> Account:
    found = accounts.get(region, alice)
    assert found is not None
    return found


def made(region: Region, image: Image) -> Image:
    """The image, once its workflow has run."""
    with region.store.begin() as connection:
        image_records.set_state(connection, image.image_id, ImageState.AVAILABLE)
        snapshots.set_state(connection, image.snapshot_ids, SnapshotState.COMPLETED, progress_percent=100)
    return read_image(region, image.image_id)


@pytest.fixture
def version(region: Region, vendor: Account, seller: Principal, product: str) -> Image:
    source = make_reported_image(region, seller, "app")
    return made(region, marketplace.publish(region, Publication(vendor, source.image_id, product, "App 1")))


def listed(region: Region, who: Principal) -> list[str]:
    return [image.image_id for image in image_pages.find(region, who, Query()).resources]


def copied(region: Region, who: Principal, image: Image) -> Image:
    return made(
        region, image_copies.copy(region, who, Copy(ImageSettings(None), image.image_id, region.name))
    )


def test_a_version_is_a_copy_with_the_products_code(
    region: Region, vendor: Account, product: str, version: Image
) -> None:
    assert (version.name, version.account_id) == ("App 1", vendor.account_id)
    assert version.product_codes == ("0001", product)
    assert read_snapshot(region, version.snapshot_ids[0]).product_codes == ("0001", product)
    assert not version.permissions.public
    assert requested(region) == ["copy_image"]
    (published,) = marketplace.versions(region)
    assert (published.image_id, published.product_type_id) == (version.image_id, product)


def test_a_vendor_publishes_its_own_under_its_own_product(
    region: Region, vendor: Account, seller: Principal, product: str, bob: Principal
) -> None:
    own, other = make_reported_image(region, seller), make_reported_image(region, bob)
    foreign = make_product_type(region, bob).product_type_id
    pending = make_reported_image(region, seller, "pending", state=ImageState.PENDING)
    for image, code, refusal in (
        (other, product, NoSuchImage),
        (own, foreign, NoSuchProductType),
        (own, "0001", NoSuchProductType),
        (pending, product, WrongImageState),
    ):
        with pytest.raises(refusal):
            marketplace.publish(region, Publication(vendor, image.image_id, code))
    assert marketplace.versions(region) == {}


def test_only_subscribers_see_and_launch_a_version(
    region: Region, alice: Principal, bob: Principal, customer: Account, product: str, version: Image
) -> None:
    marketplace.subscribe(region, customer, product)
    marketplace.subscribe(region, customer, product)
    assert listed(region, alice) == [version.image_id]
    (vm,) = launches.launch(region, alice, Launch(version.image_id))
    assert vm.product_codes == ("0001", product)
    assert listed(region, bob) == []
    with pytest.raises(NoSuchImage):
        launches.launch(region, bob, Launch(version.image_id))
    with pytest.raises(NoSuchImage):
        copied(region, bob, version)


def test_those_who_subscribed_before_have_each_new_version(
    region: Region, alice: Principal, seller: Principal, vendor: Account, customer: Account, product: str
) -> None:
    marketplace.subscribe(region, customer, product)
    source = make_reported_image(region, seller)
    new = marketplace.publish(region, Publication(vendor, source.image_id, product))
    assert listed(region, alice) == [new.image_id]


def test_a_copy_keeps_the_code_and_is_launched_while_subscribed(
    region: Region, alice: Principal, customer: Account, product: str, version: Image
) -> None:
    marketplace.subscribe(region, customer, product)
    copy = copied(region, alice, version)
    assert copy.product_codes == ("0001", product)
    (vm,) = launches.launch(region, alice, Launch(copy.image_id))
    marketplace.unsubscribe(region, customer, product)
    assert listed(region, alice) == [copy.image_id]
    with pytest.raises(NotSubscribed, match=product):
        launches.launch(region, alice, Launch(copy.image_id))
    with pytest.raises(NotSubscribed):
        copied(region, alice, copy)
    assert read_vm(region, vm.vm_id).state == VmState.PENDING
    marketplace.subscribe(region, customer, product)
    assert launches.launch(region, alice, Launch(copy.image_id))


def test_what_is_made_of_a_version_in_any_way_is_for_subscribers(
    region: Region, alice: Principal, bob: Principal, customer: Account, product: str, version: Image
) -> None:
    marketplace.subscribe(region, customer, product)
    copy = copied(region, alice, version)
    root = MappingRequest("/dev/sda1", BsuRequest(copy.snapshot_ids[0]))
    command = FromSnapshots(ImageSettings("registered"), (root,), "/dev/sda1", "x86_64")
    registered = images.create_from_snapshots(region, alice, command)
    (vm,) = launches.launch(region, alice, Launch(copy.image_id))
    with region.store.begin() as connection:
        image_records.grant(connection, registered.image_id, [bob.account_id])
    with pytest.raises(NotSubscribed):
        launches.launch(region, bob, Launch(registered.image_id))
    assert product in registered.product_codes
    assert product in vm.volumes[0].product_codes


def test_the_vendor_launches_without_a_subscription(
    region: Region, seller: Principal, version: Image
) -> None:
    assert launches.launch(region, seller, Launch(version.image_id))


def test_a_version_is_frozen(region: Region, seller: Principal, version: Image) -> None:
    image_id = version.image_id
    for change in (
        Change(image_id, product_codes=("0001",)),
        Change(image_id, permissions=PermissionsChange(removal=False, everybody=True)),
    ):
        with pytest.raises(PublishedVersion, match=image_id):
            images.update(region, seller, change)
    with pytest.raises(PublishedVersion):
        images.delete(region, seller, image_id)
    assert images.update(region, seller, Change(image_id, "new")).description == "new"


def test_withdrawing_ends_launches_and_leaves_vms_and_copies_alone(
    region: Region, alice: Principal, customer: Account, product: str, version: Image
) -> None:
    marketplace.subscribe(region, customer, product)
    copy = copied(region, alice, version)
    (vm,) = launches.launch(region, alice, Launch(copy.image_id))
    marketplace.withdraw(region, version.image_id)
    with pytest.raises(NoSuchImage):
        launches.launch(region, alice, Launch(version.image_id))
    assert read_vm(region, vm.vm_id) == vm
    assert launches.launch(region, alice, Launch(copy.image_id))
    assert read_snapshot(region, version.snapshot_ids[0]).state == SnapshotState.DELETING
    assert requested(region)[-2:] == ["delete_snapshot", "create_vm"]


def test_a_snapshot_that_is_being_read_stays_when_its_version_is_withdrawn(
    region: Region, alice: Principal, customer: Account, product: str, version: Image
) -> None:
    marketplace.subscribe(region, customer, product)
    launches.launch(region, alice, Launch(version.image_id))
    marketplace.withdraw(region, version.image_id)
    assert read_snapshot(region, version.snapshot_ids[0]).state == SnapshotState.COMPLETED


def test_a_volume_that_brings_a_product_is_a_root_volume_for_subscribers(
    region: Region, alice: Principal, customer: Account, product: str, version: Image
) -> None:
    marketplace.subscribe(region, customer, product)
    licensed = [make_volume(region, alice, product_codes=version.product_codes) for _ in range(3)]
    plain, launched_with_it = (
        make_vm(region, alice, VmState.STOPPED, devices=(), product_codes=codes)
        for codes in (("0001",), version.product_codes)
    )
    marketplace.unsubscribe(region, customer, product)
    with pytest.raises(NotSubscribed, match=f"{product}.*{licensed[0].volume_id}"):
        volumes.link(region, alice, Link(licensed[0].volume_id, plain.vm_id, "/dev/sda1"))
    volumes.link(region, alice, Link(licensed[0].volume_id, launched_with_it.vm_id, "/dev/sda1"))
    volumes.link(region, alice, Link(licensed[1].volume_id, plain.vm_id, "/dev/xvdb"))
    marketplace.subscribe(region, customer, product)
    volumes.link(region, alice, Link(licensed[2].volume_id, plain.vm_id, "/dev/sda1"))
    assert read_volume(region, licensed[2].volume_id).link


def test_what_is_no_version_cannot_be_withdrawn(region: Region, seller: Principal) -> None:
    image = make_reported_image(region, seller)
    for image_id in (image.image_id, "ami-00000000"):
        with pytest.raises(NotPublished):
            marketplace.withdraw(region, image_id)
    assert read_image(region, image.image_id).name == image.name


def test_a_version_that_is_being_made_is_not_withdrawn_yet(
    region: Region, vendor: Account, seller: Principal, product: str
) -> None:
    """Its snapshots, which are pending too, would be left."""
    source = make_reported_image(region, seller)
    pending = marketplace.publish(region, Publication(vendor, source.image_id, product))
    with pytest.raises(WrongImageState):
        marketplace.withdraw(region, pending.image_id)
    marketplace.withdraw(region, made(region, pending).image_id)
    assert read_snapshot(region, pending.snapshot_ids[0]).state == SnapshotState.DELETING


def test_there_is_nothing_to_subscribe_to_without_a_product(region: Region, customer: Account) -> None:
    with pytest.raises(NoSuchProductType):
        marketplace.subscribe(region, customer, "pty-00000000")


def test_an_image_of_a_vm_is_made_without_a_subscription_and_not_launched(
    region: Region, alice: Principal, version: Image
) -> None:
    vm = make_vm(region, alice, product_codes=version.product_codes)
    image = images.create_from_vm(region, alice, FromVm(ImageSettings("mine"), vm.vm_id, no_reboot=True))
    with pytest.raises(NotSubscribed):
        launches.launch(region, alice, Launch(made(region, image).image_id))
