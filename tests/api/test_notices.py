"""ReadNotices and AdoptImage: who gets notices of images that go, and how to keep one."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from souche.api import image_adoptions
from souche.api import notices as api
from souche.app import accounts as app_accounts
from souche.app import image_copies, image_lives, images, launches, marketplace, official_images
from souche.app.context.region import Region
from souche.app.image_copies import Copy
from souche.app.image_lives import Departure
from souche.app.images import Change, ImageSettings
from souche.app.launches import Launch
from souche.app.marketplace import Publication
from souche.app.permissions import PermissionsChange
from souche.db import images as image_records
from souche.db import notices
from souche.model.accounts import Principal
from souche.model.images import Image
from souche.model.notices import Announcement, Event
from souche.model.permissions import PRIVATE, Permissions
from souche.reconcile import notices as sweep
from souche.refusals import ImageNameTaken, NoSuchImage, OwnAlready
from souche.workflows import withdrawals
from tests.support.region import START, ManualClock, call, make_account
from tests.support.resources import make_image, make_product_type, make_reported_image
from tests.support.statements import statements, transactions

PUBLIC = Permissions(public=True)
NOTHING = Departure()


def read(region: Region, who: Principal, **request: Any) -> list[Mapping[str, Any]]:
    return api.read_notices(call(region, who, **request))["Notices"]  # type: ignore[return-value]


def events(region: Region, who: Principal) -> list[str]:
    return [each["Event"] for each in read(region, who)]


@pytest.fixture
def eve(region: Region) -> Principal:
    """Who has nothing to do with any image."""
    return make_account(region, "eve")


def official(region: Region, name: str = "Debian-1") -> Image:
    who = Principal(official_images.provider(region).account_id)
    return make_image(region, who, name, family="Debian", permissions=PUBLIC)


def share(region: Region, who: Principal, image: Image, *accounts: Principal) -> None:
    change = PermissionsChange(removal=False, account_ids=tuple(each.account_id for each in accounts))
    images.update(region, who, Change(image.image_id, permissions=change))


def unshare(
    region: Region, who: Principal, image: Image, *accounts: Principal, everybody: bool = False
) -> None:
    ids = tuple(each.account_id for each in accounts)
    change = PermissionsChange(removal=True, account_ids=ids, everybody=everybody)
    images.update(region, who, Change(image.image_id, permissions=change))


def copied(region: Region, who: Principal, image: Image, name: str = "mine") -> Image:
    return image_copies.copy(region, who, Copy(ImageSettings(name), image.image_id, region.name))


def test_who_was_granted_an_image_learns_that_it_is_unshared(
    region: Region, alice: Principal, bob: Principal, eve: Principal
) -> None:
    image = make_image(region, alice, "shared")
    share(region, alice, image, bob)
    assert read(region, bob) == []
    unshare(region, alice, image, bob, eve)
    assert read(region, bob) == [
        {
            "ImageId": image.image_id,
            "ImageName": "shared",
            "AccountId": alice.account_id,
            "Event": "unshared",
            "Date": "2026-11-24T10:00:00.000Z",
            "UsableUntil": None,
            "Reason": withdrawals.UNSHARED,
            "SuccessorId": None,
        }
    ]
    assert (read(region, alice), read(region, eve)) == ([], [])


def test_shared_again_the_notice_is_true_no_longer(region: Region, alice: Principal, bob: Principal) -> None:
    image = make_image(region, alice)
    for _ in range(3):
        share(region, alice, image, bob)
        assert read(region, bob) == []
        unshare(region, alice, image, bob)
        assert events(region, bob) == ["unshared"]
    everybody = PermissionsChange(removal=False, everybody=True)
    images.update(region, alice, Change(image.image_id, permissions=everybody))
    assert read(region, bob) == []


def test_who_launched_or_copied_what_was_public_learns_that_it_is_unshared(
    region: Region, alice: Principal, bob: Principal, eve: Principal
) -> None:
    zoe = make_account(region, "zoe")
    image = make_image(region, alice, permissions=PUBLIC)
    launches.launch(region, bob, Launch(image.image_id))
    launches.launch(region, alice, Launch(image.image_id))
    copied(region, zoe, image)
    unshare(region, alice, image, everybody=True)
    assert [events(region, who) for who in (bob, zoe, eve, alice)] == [["unshared"], ["unshared"], [], []]


def test_who_can_use_it_all_the_same_is_told_nothing(
    region: Region, alice: Principal, bob: Principal
) -> None:
    image = make_image(region, alice, permissions=Permissions(account_ids=(bob.account_id,), public=True))
    unshare(region, alice, image, everybody=True)
    assert read(region, bob) == []
    other = make_image(
        region, alice, "other", permissions=Permissions(account_ids=(bob.account_id,), public=True)
    )
    launches.launch(region, bob, Launch(other.image_id))
    unshare(region, alice, other, bob)
    assert read(region, bob) == []


def test_the_deletion_of_an_image_is_told(region: Region, alice: Principal, bob: Principal) -> None:
    image = make_image(region, alice, permissions=Permissions(account_ids=(bob.account_id,)))
    images.delete(region, alice, image.image_id)
    (told,) = read(region, bob)
    assert (told["Event"], told["Reason"]) == ("deleted", withdrawals.BY_OWNER)


def test_what_an_account_could_not_see_any_more_it_learns_nothing_of(
    region: Region, alice: Principal, bob: Principal
) -> None:
    image = make_image(region, alice, permissions=PUBLIC)
    launches.launch(region, bob, Launch(image.image_id))
    unshare(region, alice, image, everybody=True)
    images.delete(region, alice, image.image_id)
    assert events(region, bob) == ["unshared"]


def test_the_life_of_an_official_image_is_told_with_date_reason_and_successor(
    region: Region, clock: ManualClock, bob: Principal, eve: Principal
) -> None:
    image, other = official(region), official(region, "Alma-1")
    launches.launch(region, bob, Launch(image.image_id))
    date = START + timedelta(days=10)
    image_lives.deprecate(region, image.image_id, date, Departure("Old.", other.image_id, grace_days=5))
    (told,) = read(region, bob)
    assert (told["Event"], told["Reason"], told["SuccessorId"]) == ("deprecated", "Old.", other.image_id)
    assert (told["Date"], told["UsableUntil"]) == ("2026-11-24T10:00:00.000Z", "2026-12-09T10:00:00.000Z")
    clock.advance(days=11)
    with region.store.begin() as connection:
        assert withdrawals.withdraw_due(connection, image.image_id, clock.now())
    assert [(each["Event"], each["UsableUntil"]) for each in read(region, bob)] == [
        ("deprecated", "2026-12-09T10:00:00.000Z"),
        ("withdrawn", "2026-12-09T10:00:00.000Z"),
    ]
    image_lives.undo(region, image.image_id)
    assert events(region, bob) == ["restored"]
    image_lives.withdraw(region, image.image_id, NOTHING, now=True)
    (told,) = read(region, bob)
    assert (told["Event"], told["UsableUntil"]) == ("withdrawn", told["Date"])
    assert read(region, eve) == []


def test_who_begins_to_use_an_image_that_goes_is_told_too(
    region: Region, clock: ManualClock, alice: Principal, bob: Principal, eve: Principal
) -> None:
    image = official(region)
    owner = Principal(image.account_id)
    image_lives.deprecate(region, image.image_id, START + timedelta(days=10), Departure("Old.", grace_days=5))
    clock.advance(days=1)
    launches.launch(region, bob, Launch(image.image_id))
    (told,) = read(region, bob)
    assert (told["Event"], told["Date"], told["Reason"]) == ("deprecated", "2026-11-25T10:00:00.000Z", "Old.")
    assert told["UsableUntil"] == "2026-12-09T10:00:00.000Z"
    clock.advance(days=1)
    launches.launch(region, bob, Launch(image.image_id))
    assert read(region, bob) == [told], "once"
    share(region, owner, image, alice)
    assert events(region, alice) == ["deprecated"]
    image_lives.withdraw(region, image.image_id, NOTHING, now=False)
    copied(region, eve, image)
    (told,) = read(region, eve)
    assert (told["Event"], told["Date"]) == ("withdrawn", "2026-11-26T10:00:00.000Z")
    assert told["UsableUntil"] == "2026-12-01T10:00:00.000Z"
    launches.launch(region, owner, Launch(image.image_id))
    assert read(region, owner) == []


def test_who_begins_to_use_what_an_update_has_replaced_is_told_so(
    region: Region, clock: ManualClock, bob: Principal
) -> None:
    image = official(region)
    clock.advance(hours=1)
    newer = official(region, "Debian-2")
    with region.store.begin() as connection:
        withdrawals.replace_former(connection, image.account_id, "Debian", 30, clock.now())
    launches.launch(region, bob, Launch(image.image_id))
    (told,) = read(region, bob)
    assert (told["Event"], told["SuccessorId"]) == ("replaced", newer.image_id)


def test_who_lost_an_image_meanwhile_is_not_told_that_it_is_restored(
    region: Region, alice: Principal, bob: Principal, eve: Principal
) -> None:
    image = make_image(region, alice, "web-1", family="web")
    share(region, alice, image, bob, eve)
    image_lives.deprecate(region, image.image_id, START + timedelta(days=1), NOTHING)
    unshare(region, alice, image, bob)
    image_lives.undo(region, image.image_id)
    assert events(region, bob) == ["unshared"]
    assert events(region, eve) == ["restored"]


def test_an_update_tells_those_who_use_what_it_replaces(
    region: Region, clock: ManualClock, bob: Principal
) -> None:
    image = official(region)
    copied(region, bob, image)
    clock.advance(hours=1)
    newer = official(region, "Debian-2")
    with region.store.begin() as connection:
        withdrawals.replace_former(connection, image.account_id, "Debian", 30, clock.now())
    (told,) = read(region, bob)
    assert (told["Event"], told["SuccessorId"]) == ("replaced", newer.image_id)
    assert told["UsableUntil"] == "2026-12-24T11:00:00.000Z"


def test_a_successor_that_the_caller_may_not_use_is_not_named(region: Region, bob: Principal) -> None:
    image, other = official(region), official(region, "Debian-2")
    launches.launch(region, bob, Launch(image.image_id))
    image_lives.withdraw(region, image.image_id, Departure(successor_id=other.image_id), now=False)
    with region.store.begin() as connection:
        image_records.set_public(connection, other.image_id, public=False)
    assert read(region, bob)[0]["SuccessorId"] is None


def test_subscribers_learn_that_a_version_is_withdrawn(
    region: Region, alice: Principal, bob: Principal, eve: Principal
) -> None:
    product = make_product_type(region, alice).product_type_id
    source = make_reported_image(region, alice, product_codes=("0001", product))
    vendor = next(each for each in app_accounts.every(region) if each.name == "alice")
    made = marketplace.publish(region, Publication(vendor, source.image_id, product, "version"))
    with region.store.begin() as connection:
        image_records.set_state(connection, made.image_id, source.state)
    for who in (bob, eve):
        marketplace.subscribe(region, app_accounts.known(region, who.account_id), product)
    marketplace.unsubscribe(region, app_accounts.known(region, eve.account_id), product)
    marketplace.withdraw(region, made.image_id)
    assert (events(region, bob), events(region, eve)) == (["withdrawn"], ["unshared"])


def test_filters_and_pages(region: Region, clock: ManualClock, alice: Principal, bob: Principal) -> None:
    made = [make_image(region, alice, f"image {number}") for number in range(3)]
    for image in made:
        share(region, alice, image, bob)
        clock.advance(seconds=1)
        unshare(region, alice, image, bob)
    share(region, alice, made[0], bob)
    clock.present = START + timedelta(seconds=2.5)
    images.delete(region, alice, made[0].image_id)
    (found,) = read(region, bob, Filters={"ImageIds": [made[1].image_id]})
    assert found["ImageName"] == "image 1"
    assert [each["ImageId"] for each in read(region, bob, Filters={"Events": ["deleted"]})] == [
        made[0].image_id
    ]
    first = api.read_notices(call(region, bob, ResultsPerPage=2))
    rest = read(region, bob, ResultsPerPage=2, NextPageToken=first["NextPageToken"])
    shown = [*first["Notices"], *rest]  # type: ignore[misc]
    assert [(each["ImageName"], each["Event"]) for each in shown] == [
        ("image 1", "unshared"),
        ("image 0", "deleted"),
        ("image 2", "unshared"),
    ]


# Bounds.


def counted(region: Region, who: Principal) -> int:
    return len(read(region, who, ResultsPerPage=1000))


def test_a_flood_of_one_owner_leaves_the_last_hundred_and_those_of_others(
    region: Region, alice: Principal, bob: Principal, eve: Principal
) -> None:
    image = make_image(region, eve, permissions=Permissions(account_ids=(bob.account_id,)))
    images.delete(region, eve, image.image_id)
    template = make_image(region, alice)
    with region.store.begin() as connection:
        for number in range(250):
            said = Announcement(Event.UNSHARED, START + timedelta(seconds=number))
            flooding = Image(**{**vars(template), "image_id": f"ami-{number:08x}"})
            notices.announce(connection, flooding, said, [bob.account_id, "123456789012"])
    assert counted(region, bob) == notices.MOST_OF_OWNER + 1
    assert read(region, bob, Filters={"ImageIds": [image.image_id]})
    assert read(region, bob, Filters={"ImageIds": ["ami-000000f9"]})
    assert not read(region, bob, Filters={"ImageIds": ["ami-00000001"]})


def test_notices_are_bounded_in_number_and_age(region: Region, alice: Principal, bob: Principal) -> None:
    template = make_image(region, alice)
    with region.store.begin() as connection:
        for number in range(1100):
            changes = {"image_id": f"ami-{number:08x}", "account_id": f"{number % 20:012}"}
            said = Announcement(Event.UNSHARED, START + timedelta(seconds=number))
            notices.announce(connection, Image(**{**vars(template), **changes}), said, [bob.account_id])
    sent = statements(region, lambda: sweep.tidy(region))
    assert transactions(sent) == 1
    assert counted(region, bob) == notices.MOST_OF_ACCOUNT
    assert isinstance(region.clock, ManualClock)
    region.clock.advance(days=365, seconds=START.timestamp() + 1090 - region.clock.now().timestamp())
    sweep.tidy(region)
    assert counted(region, bob) == 10
    sent = statements(region, lambda: sweep.tidy(region))
    assert transactions(sent) == 0, "other writers wait for it"


# Adoption.


def test_an_image_is_adopted_in_one_step(region: Region, alice: Principal, bob: Principal) -> None:
    image = make_image(region, alice, "base", permissions=Permissions(account_ids=(bob.account_id,)))
    made = image_adoptions.adopt_image(call(region, bob, ImageId=image.image_id))["Image"]
    assert isinstance(made, Mapping)
    assert (made["AccountId"], made["ImageName"]) == (bob.account_id, "base")
    assert made["PermissionsToLaunch"] == {"GlobalPermission": False, "AccountIds": []}
    assert image_copies.adopt(region, bob, image.image_id).name == "base-copy1"
    assert image_copies.adopt(region, bob, image.image_id, "other").name == "other"
    with pytest.raises(ImageNameTaken):
        image_copies.adopt(region, bob, image.image_id, "other")
    with pytest.raises(OwnAlready):
        image_copies.adopt(region, alice, image.image_id)
    unshare(region, alice, image, bob)
    with pytest.raises(NoSuchImage):
        image_copies.adopt(region, bob, image.image_id)


def test_a_withdrawn_image_is_adopted_while_it_can_be_used(region: Region, bob: Principal) -> None:
    image = official(region)
    image_lives.withdraw(region, image.image_id, NOTHING, now=False)
    made = image_copies.adopt(region, bob, image.image_id)
    assert (made.permissions, made.family, made.launchable_until) == (PRIVATE, None, None)
    image_lives.withdraw(region, image.image_id, NOTHING, now=True)
    with pytest.raises(NoSuchImage):
        image_copies.adopt(region, bob, image.image_id)


def test_a_rehearsed_adoption_leaves_nothing(region: Region, alice: Principal, bob: Principal) -> None:
    image = make_image(region, alice, permissions=PUBLIC)
    image_adoptions.adopt_image(call(region.for_dry_run(), bob, ImageId=image.image_id))
    unshare(region, alice, image, everybody=True)
    assert read(region, bob) == []
