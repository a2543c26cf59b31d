"""What publishing an official image requests, and what an update withdraws (docs/official-images.md)."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from souche.app import accounts, image_copies, image_pages, launches, official_images
from souche.app.context.region import Region
from souche.app.image_copies import Copy
from souche.app.images import ImageSettings
from souche.app.launches import Launch
from souche.app.official_images import DiskImage
from souche.db import images as image_records
from souche.model.accounts import Principal
from souche.model.images import Image
from souche.model.permissions import Permissions
from souche.model.query import Condition, Query
from souche.refusals import NoSuchAccount
from souche.states import ImageState
from souche.transfer.gate import AdmittedDisk
from souche.value_refusals import BadProductCodes, BadValue, ValueTooLong
from tests.support.region import ManualClock, make_account
from tests.support.resources import make_image, make_product_type, read_image

DISK = DiskImage(AdmittedDisk(Path("/disk"), "qcow2", 2 * 1024**3), "Debian-12", "Debian", ("legacy", "uefi"))


def names(region: Region, who: Principal, *conditions: Condition) -> list[str]:
    return [image.name for image in image_pages.find(region, who, Query(conditions)).resources]


def test_an_official_image_is_the_providers_and_public_once_it_is_there(
    region: Region, alice: Principal
) -> None:
    made = official_images.publish(region, DISK)
    image = read_image(region, made.image_id)
    assert replace(image, account_alias=None) == made
    assert (image.account_alias, image.permissions.public, image.architecture) == (
        "Outscale",
        False,
        "x86_64",
    )
    assert (image.name, image.file_location) == (
        "Debian-12-2026.11.24-0",
        "Outscale/Debian-12-2026.11.24-0",
    )
    assert names(region, alice) == []


def test_each_update_has_a_new_id_and_name(region: Region) -> None:
    first, second = official_images.publish(region, DISK), official_images.publish(region, DISK)
    assert first.image_id != second.image_id
    assert second.name == "Debian-12-2026.11.24-1"


def test_the_official_images_are_x86_64_only(region: Region) -> None:
    wanted = DiskImage(
        AdmittedDisk(Path("/disk"), "raw", 1 * 1024**3), "Old", "", ("legacy",), architecture="i386"
    )
    with pytest.raises(BadValue, match="x86_64"):
        official_images.publish(region, wanted)
    vendor, _, _ = accounts.create(region, "vendor", "Vendor")
    assert official_images.publish(region, wanted, vendor).architecture == "i386"


def test_the_publisher_is_told_by_name_id_or_alias(region: Region) -> None:
    vendor, _, _ = accounts.create(region, "vendor", "Vendor")
    for account, alias in (("vendor", "Outscale"), (vendor.account_id, "Outscale"), (None, "Vendor")):
        assert official_images.publisher(region, account, alias) == vendor
    assert official_images.publisher(region, None).name == "outscale"
    for account, alias in (("nobody", "Vendor"), (None, "Nobody")):
        with pytest.raises(NoSuchAccount, match=r"(?i)nobody"):
            official_images.publisher(region, account, alias)


def test_what_the_operator_gets_wrong_is_refused(region: Region, alice: Principal) -> None:
    code = make_product_type(region, alice).product_type_id
    for changes, refusal in (
        ({"family": "Débian"}, BadValue),
        ({"family": ""}, BadValue),
        ({"family": "Debian-12 "}, BadValue),
        ({"family": "a/b"}, BadValue),
        ({"description": "x" * 256}, ValueTooLong),
        ({"product_codes": ("9999",)}, BadProductCodes),
        ({"product_codes": (code,)}, BadProductCodes),
        ({"grace_days": -1}, BadValue),
    ):
        with pytest.raises(refusal):
            official_images.publish(region, replace(DISK, **changes))


# Updates withdraw what they replace.


def published(region: Region, family: str, name: str, **changes: object) -> Image:
    """An available official image."""
    who = Principal(official_images.provider(region).account_id)
    return make_image(region, who, name, family=family, permissions=Permissions(public=True), **changes)


@pytest.fixture
def former(region: Region, clock: ManualClock) -> Image:
    """A withdrawn image; the one after it is listed."""
    image = published(region, "Debian", "Debian-1")
    clock.advance(hours=1)
    published(region, "Debian", "Debian-2")
    with region.store.begin() as connection:
        until = clock.now() + timedelta(days=30)
        image_records.withdraw_former(connection, image.account_id, "Debian", until)
    return read_image(region, image.image_id)


def test_an_update_withdraws_the_former_image_of_its_family_only(
    region: Region, clock: ManualClock, former: Image
) -> None:
    other = published(region, "Alma", "Alma-1")
    for _ in range(2):
        with region.store.begin() as connection:
            image_records.withdraw_former(connection, other.account_id, "Alma", clock.now())
            image_records.withdraw_former(connection, other.account_id, "Debian", clock.now())
    assert read_image(region, other.image_id).launchable_until is None
    assert read_image(region, former.image_id).launchable_until == clock.now() + timedelta(days=30)


def test_a_family_is_the_same_however_its_name_is_spelled(
    region: Region, clock: ManualClock, former: Image
) -> None:
    with region.store.begin() as connection:
        newest, withdrawn = image_records.withdraw_former(
            connection, former.account_id, "DEBIAN", clock.now()
        )
    assert withdrawn == []
    clock.advance(hours=1)
    latest = published(region, "debian", "debian-3")
    with region.store.begin() as connection:
        assert image_records.withdraw_former(connection, former.account_id, "debian", clock.now()) == (
            latest.image_id,
            [newest],
        )


def test_the_newest_image_of_a_family_is_neither_withdrawn_nor_failed(
    region: Region, clock: ManualClock, alice: Principal
) -> None:
    provider, other = official_images.provider(region), accounts.known(region, alice.account_id)
    assert official_images.newest(region, provider, "Debian") is None
    first = published(region, "Debian", "Debian-1")
    clock.advance(hours=1)
    later = published(region, "Debian", "Debian-2")
    published(region, "Debian", "Debian-3", state=ImageState.FAILED)
    found = official_images.newest(region, provider, "DEBIAN")
    assert found is not None
    assert found.image_id == later.image_id
    assert official_images.newest(region, other, "Debian") is None
    with region.store.begin() as connection:
        image_records.set_launchable_until(connection, later.image_id, clock.now())
        image_records.set_launchable_until(connection, first.image_id, clock.now())
    assert official_images.newest(region, provider, "Debian") is None
    clock.advance(hours=1)
    pending = published(region, "Debian", "Debian-4", state=ImageState.PENDING)
    found = official_images.newest(region, provider, "Debian")
    assert found is not None
    assert found.image_id == pending.image_id


def test_an_update_is_listed_though_a_later_one_was_withdrawn_before_it_came(
    region: Region, clock: ManualClock
) -> None:
    first = published(region, "Debian", "Debian-1")
    clock.advance(hours=1)
    later = published(region, "Debian", "Debian-2")
    with region.store.begin() as connection:
        image_records.set_launchable_until(connection, later.image_id, clock.now())
        image_records.withdraw_former(connection, first.account_id, "Debian", clock.now())
    assert read_image(region, first.image_id).launchable_until is None


def test_an_update_leaves_older_images_of_other_families_alone(region: Region, clock: ManualClock) -> None:
    older = published(region, "Alma", "Alma-1")
    first = published(region, "Debian", "Debian-1")
    clock.advance(hours=1)
    second = published(region, "Debian", "Debian-2")
    with region.store.begin() as connection:
        image_records.withdraw_former(connection, first.account_id, "Debian", clock.now())
    withdrawn = [read_image(region, image.image_id).launchable_until for image in (older, first, second)]
    assert withdrawn == [None, clock.now(), None]


def test_a_failed_update_withdraws_nothing(region: Region, clock: ManualClock) -> None:
    image = published(region, "Debian", "Debian-1")
    clock.advance(hours=1)
    published(region, "Debian", "Debian-2", state=ImageState.FAILED)
    with region.store.begin() as connection:
        image_records.withdraw_former(connection, image.account_id, "Debian", clock.now())
    assert read_image(region, image.image_id).launchable_until is None


def test_a_withdrawn_image_is_listed_to_its_owner_alone(
    region: Region, alice: Principal, former: Image
) -> None:
    by_name = Condition("name", ("Debian-*",), wildcard=True)
    assert names(region, alice, by_name) == ["Debian-2"]
    granted = Condition("public", (True,))
    assert former.name not in names(region, alice, granted)
    assert names(region, Principal(former.account_id), by_name) == ["Debian-1", "Debian-2"]


def test_a_withdrawn_image_is_not_listed_to_a_grantee_either(
    region: Region, alice: Principal, former: Image
) -> None:
    with region.store.begin() as connection:
        image_records.grant(connection, former.image_id, [alice.account_id])
        image_records.set_public(connection, former.image_id, public=False)
    assert former.name not in names(region, alice)
    assert names(region, alice, Condition("image_id", (former.image_id,))) == [former.name]


def test_a_withdrawn_image_is_found_launched_and_copied_by_its_id(
    region: Region, alice: Principal, former: Image
) -> None:
    assert names(region, alice, Condition("image_id", (former.image_id,))) == ["Debian-1"]
    assert launches.launch(region, alice, Launch(former.image_id))
    copy = image_copies.copy(region, alice, Copy(ImageSettings("mine"), former.image_id, region.name))
    assert (copy.family, copy.launchable_until) == (None, None)


def test_a_private_image_is_not_found_by_its_id(region: Region, alice: Principal, bob: Principal) -> None:
    image = make_image(region, bob)
    assert names(region, alice, Condition("image_id", (image.image_id,))) == []


def test_an_update_withdraws_images_of_its_own_account_only(
    region: Region, clock: ManualClock, former: Image
) -> None:
    vendor = make_account(region, "vendor")
    own = make_image(region, vendor, "Debian-0", family="Debian")
    clock.advance(hours=1)
    published(region, "Debian", "Debian-3")
    with region.store.begin() as connection:
        image_records.withdraw_former(connection, former.account_id, "Debian", clock.now())
    assert read_image(region, own.image_id).launchable_until is None
