"""Products on the marketplace as clients meet them (reference section 2): who is refused, and with which code."""

import pytest

from souche.app import accounts, marketplace
from souche.app.context.region import Region
from souche.app.marketplace import Publication
from souche.db import images, snapshots
from souche.model.accounts import Account, Principal
from souche.model.images import Image
from souche.states import ImageState, SnapshotState
from tests.api.image_requests import add
from tests.support.client import Client, absent, denied, unsupported
from tests.support.resources import make_product_type, make_reported_image, read_image

EXPORT = {"DiskImageFormat": "qcow2", "OsuBucket": "exports"}


def settled(region: Region, image_id: str) -> Image:
    """The image, once its workflow has run."""
    with region.store.begin() as connection:
        images.set_state(connection, image_id, ImageState.AVAILABLE)
        ids = read_image(region, image_id).snapshot_ids
        snapshots.set_state(connection, ids, SnapshotState.COMPLETED, progress_percent=100)
    return read_image(region, image_id)


@pytest.fixture
def seller(region: Region) -> Client:
    vendor, _, _ = accounts.create(region, "vendor", "Vendor")
    return Client(region, Principal(vendor.account_id))


@pytest.fixture
def product(region: Region, seller: Client) -> str:
    return make_product_type(region, seller.who).product_type_id


@pytest.fixture
def version(region: Region, seller: Client, product: str) -> Image:
    source = make_reported_image(region, seller.who, "app")
    vendor = accounts.known(region, seller.who.account_id)
    made = marketplace.publish(region, Publication(vendor, source.image_id, product, "App 1"))
    return settled(region, made.image_id)


@pytest.fixture
def subscribed(region: Region, client: Client, product: str) -> Account:
    account = accounts.known(region, client.who.account_id)
    marketplace.subscribe(region, account, product)
    return account


def copied(client: Client, image_id: str) -> str:
    request = {"SourceImageId": image_id, "SourceRegionName": client.region.name}
    made = client("CreateImage", **request)["Image"]["ImageId"]
    return settled(client.region, str(made)).image_id


def test_a_version_is_unknown_to_those_who_do_not_subscribe(client: Client, version: Image) -> None:
    image_id = version.image_id
    assert client("ReadImages", Filters={"ImageIds": [image_id]}) == {"Images": []}
    assert client.refusal("CreateVms", ImageId=image_id).row == absent(5023)
    request = {"SourceImageId": image_id, "SourceRegionName": client.region.name}
    assert client.refusal("CreateImage", **request).row == absent(5023)


@pytest.mark.usefixtures("subscribed")
def test_a_subscriber_reads_and_launches_a_version_with_its_code(
    client: Client, version: Image, product: str
) -> None:
    (image,) = client("ReadImages", Filters={"ProductCodes": [product]})["Images"]
    assert (image["ImageId"], image["AccountAlias"]) == (version.image_id, "Vendor")
    (vm,) = client("CreateVms", ImageId=version.image_id)["Vms"]
    assert vm["ProductCodes"] == ["0001", product]


def test_a_copy_is_not_launched_copied_or_exported_after_the_subscription(
    client: Client, region: Region, version: Image, subscribed: Account, product: str
) -> None:
    copy_id = copied(client, version.image_id)
    copy = client("ReadImages", Filters={"ImageIds": [copy_id]})["Images"][0]
    snapshot_id = copy["BlockDeviceMappings"][0]["Bsu"]["SnapshotId"]
    assert client("CreateSnapshotExportTask", SnapshotId=snapshot_id, OsuExport=EXPORT)
    marketplace.unsubscribe(region, subscribed, product)
    for action, request in (
        ("CreateVms", {"ImageId": copy_id}),
        ("CreateImage", {"SourceImageId": copy_id, "SourceRegionName": region.name}),
        ("CreateImageExportTask", {"ImageId": copy_id, "OsuExport": EXPORT}),
        ("CreateSnapshotExportTask", {"SnapshotId": snapshot_id, "OsuExport": EXPORT}),
    ):
        refusal = client.refusal(action, **request)
        assert (action, refusal.row) == (action, denied(5))
        assert product in refusal.details


@pytest.mark.usefixtures("subscribed")
def test_a_grantee_of_a_subscribers_copy_does_not_launch_it(
    client: Client, other: Client, version: Image
) -> None:
    copy_id = copied(client, version.image_id)
    client("UpdateImage", ImageId=copy_id, **add(AccountIds=[other.who.account_id]))
    assert other.refusal("CreateVms", ImageId=copy_id).row == denied(5)
    assert client("CreateVms", ImageId=copy_id)["Vms"][0]["ImageId"] == copy_id


def test_a_published_version_changes_in_its_description_only(seller: Client, version: Image) -> None:
    for action, request in (
        ("UpdateImage", {"ProductCodes": ["0001"]}),
        ("UpdateImage", add(GlobalPermission=True)),
        ("DeleteImage", {}),
    ):
        assert seller.refusal(action, ImageId=version.image_id, **request).row == unsupported(8000)
    changed = seller("UpdateImage", ImageId=version.image_id, Description="of today")["Image"]
    assert (changed["Description"], changed["ImageName"]) == ("of today", "App 1")


@pytest.mark.usefixtures("subscribed")
def test_withdrawing_a_version_ends_launches_and_leaves_vms_alone(
    client: Client, region: Region, version: Image
) -> None:
    (vm,) = client("CreateVms", ImageId=version.image_id)["Vms"]
    marketplace.withdraw(region, version.image_id)
    assert client.refusal("CreateVms", ImageId=version.image_id).row == absent(5023)
    assert client("ReadVms")["Vms"] == [vm]
