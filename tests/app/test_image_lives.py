"""Official images are deprecated, withdrawn and restored (docs/official-images.md)."""

from datetime import UTC, datetime, timedelta

import pytest

from souche.app import image_copies, image_lives, image_pages, images, launches, official_images
from souche.app.context.region import Region
from souche.app.image_copies import Copy
from souche.app.image_lives import Departure
from souche.app.images import Change, ImageSettings
from souche.app.launches import Launch
from souche.app.permissions import PermissionsChange
from souche.db import image_lives as records
from souche.db import images as image_records
from souche.model.accounts import Principal
from souche.model.image_lives import LivingImage
from souche.model.images import Image
from souche.model.permissions import Permissions
from souche.model.query import Query
from souche.refusals import NoSuchImage, NotOfficial, WrongImageState, WrongLife
from souche.states import ImageState
from souche.value_refusals import BadValue
from souche.workflows import withdrawals
from tests.support.region import START, ManualClock
from tests.support.resources import make_image, read_image

NOTHING = Departure()
TOMORROW = START + timedelta(days=1)


def publish(region: Region, name: str = "Debian-1", **changes: object) -> Image:
    who = Principal(official_images.provider(region).account_id)
    return make_image(
        region, who, name, **{"family": "Debian", "permissions": Permissions(public=True)} | changes
    )


@pytest.fixture
def official(region: Region) -> Image:
    return publish(region)


def listed(region: Region, who: Principal) -> list[str]:
    return [image.image_id for image in image_pages.find(region, who, Query()).resources]


def facts(living: LivingImage) -> tuple[object, ...]:
    life = living.life
    return (living.state, living.launchable_until, life and life.successor_id, life and life.reason)


def test_a_withdrawn_image_is_launched_by_its_id_for_the_days_of_grace(
    region: Region, alice: Principal, official: Image
) -> None:
    other = publish(region, "Alma-1", family="Alma")
    going = Departure("It has a hole.", other.image_id, 3)
    shown = image_lives.withdraw(region, official.image_id, going, now=False)
    until = START + timedelta(days=3)
    assert facts(shown) == ("withdrawn", until, other.image_id, "It has a hole.")
    assert listed(region, alice) == [other.image_id]
    assert launches.launch(region, alice, Launch(official.image_id))


def test_withdrawn_now_nobody_but_its_owner_launches_or_copies_it(
    region: Region, alice: Principal, bob: Principal, official: Image
) -> None:
    with region.store.begin() as connection:
        image_records.grant(connection, official.image_id, [bob.account_id])
    launched = launches.launch(region, alice, Launch(official.image_id))
    shown = image_lives.withdraw(region, official.image_id, NOTHING, now=True)
    assert facts(shown) == ("withdrawn", START, None, "")
    assert shown.image.launchable_until == START + timedelta(days=30)
    for who in (alice, bob):
        with pytest.raises(NoSuchImage):
            launches.launch(region, who, Launch(official.image_id))
        with pytest.raises(NoSuchImage):
            image_copies.copy(region, who, Copy(ImageSettings("mine"), official.image_id, region.name))
    assert launched
    assert launches.launch(region, Principal(official.account_id), Launch(official.image_id))


def test_an_undone_withdrawal_gives_everybody_back_what_they_had(
    region: Region, alice: Principal, bob: Principal, official: Image
) -> None:
    with region.store.begin() as connection:
        image_records.grant(connection, official.image_id, [bob.account_id])
    before = read_image(region, official.image_id)
    for now in (False, True):
        image_lives.withdraw(region, official.image_id, NOTHING, now=now)
        assert facts(image_lives.undo(region, official.image_id)) == ("available", None, None, None)
        assert read_image(region, official.image_id) == before
        assert listed(region, alice) == [official.image_id]


def test_a_closed_image_is_neither_shared_nor_unshared(
    region: Region, alice: Principal, bob: Principal
) -> None:
    image = make_image(region, alice, "web-1", family="web", permissions=Permissions(public=True))
    image_lives.withdraw(region, image.image_id, NOTHING, now=True)
    for change in (
        PermissionsChange(removal=False, account_ids=(bob.account_id,)),
        PermissionsChange(removal=True, everybody=True),
    ):
        with pytest.raises(WrongLife, match="closed"):
            images.update(region, alice, Change(image.image_id, permissions=change))
    image_lives.undo(region, image.image_id)
    images.update(region, alice, Change(image.image_id, permissions=change))
    assert not read_image(region, image.image_id).permissions.public


def test_a_withdrawn_image_can_still_be_closed_at_once(
    region: Region, clock: ManualClock, alice: Principal, official: Image
) -> None:
    image_lives.withdraw(region, official.image_id, Departure(grace_days=5), now=False)
    clock.advance(days=1)
    shown = image_lives.withdraw(region, official.image_id, Departure(grace_days=30), now=True)
    assert shown.launchable_until == clock.now()
    assert shown.image.launchable_until == START + timedelta(days=5)
    with pytest.raises(NoSuchImage):
        launches.launch(region, alice, Launch(official.image_id))


def test_a_deprecated_image_is_used_as_before_until_its_date(
    region: Region, clock: ManualClock, alice: Principal, official: Image
) -> None:
    other = publish(region, "Alma-1", family="Alma")
    shown = image_lives.deprecate(region, official.image_id, TOMORROW, Departure("Old.", other.image_id))
    assert facts(shown) == ("deprecated", None, other.image_id, "Old.")
    assert sorted(listed(region, alice)) == sorted([official.image_id, other.image_id])
    with region.store.begin() as connection:
        assert not withdrawals.withdraw_due(connection, official.image_id, clock.now())
        assert records.due(connection, clock.now()) == []
    assert launches.launch(region, alice, Launch(official.image_id))


def test_another_date_takes_the_place_of_the_former(region: Region, official: Image) -> None:
    image_lives.deprecate(region, official.image_id, TOMORROW, Departure("Old.", grace_days=7))
    later = TOMORROW + timedelta(days=1)
    shown = image_lives.deprecate(region, official.image_id, later, NOTHING)
    assert shown.life is not None
    assert (shown.life.deprecation_date, shown.life.grace_days, shown.life.reason) == (later, 7, "Old.")
    assert image_lives.undo(region, official.image_id).life is None


def test_an_update_names_itself_as_the_successor(region: Region, clock: ManualClock, official: Image) -> None:
    clock.advance(hours=1)
    newer = publish(region, "Debian-2")
    for _ in range(2):
        with region.store.begin() as connection:
            withdrawals.replace_former(connection, official.account_id, "Debian", 30, clock.now())
    shown = {each.image.image_id: each for each in image_lives.every(region)}
    assert facts(shown[official.image_id])[2:] == (newer.image_id, withdrawals.REPLACED)
    assert [shown[each.image_id].state for each in (official, newer)] == ["withdrawn", "available"]


def test_what_the_operator_says_of_it_stands_when_an_update_replaces_it(
    region: Region, clock: ManualClock, official: Image
) -> None:
    other = publish(region, "Alma-1", family="Alma")
    image_lives.deprecate(region, official.image_id, TOMORROW, Departure("Old.", other.image_id))
    clock.advance(hours=1)
    publish(region, "Debian-2")
    with region.store.begin() as connection:
        withdrawals.replace_former(connection, official.account_id, "Debian", 2, clock.now())
    shown = image_lives.of_image(region, official.image_id)
    assert facts(shown) == ("withdrawn", clock.now() + timedelta(days=2), other.image_id, "Old.")


def test_what_cannot_be_is_refused_and_nothing_changes(
    region: Region, alice: Principal, official: Image
) -> None:
    own = make_image(region, alice, "own")
    pending = publish(region, "Debian-0", state=ImageState.PENDING)
    for image_id, refusal in (
        ("ami-00000000", NoSuchImage),
        (own.image_id, NotOfficial),
        (pending.image_id, WrongImageState),
    ):
        with pytest.raises(refusal):
            image_lives.withdraw(region, image_id, NOTHING, now=False)
        with pytest.raises(refusal):
            image_lives.deprecate(region, image_id, TOMORROW, NOTHING)
        with pytest.raises(refusal):
            image_lives.undo(region, image_id)
    for going, refused in (
        (Departure(successor_id="ami-00000000"), NoSuchImage),
        (Departure(successor_id=official.image_id), BadValue),
        (Departure(successor_id=pending.image_id), BadValue),
        (Departure(grace_days=-1), BadValue),
        (Departure("x" * 256), BadValue),
        (Departure("two\nlines"), BadValue),
    ):
        with pytest.raises(refused):
            image_lives.withdraw(region, official.image_id, going, now=True)
    with pytest.raises(BadValue, match="past"):
        image_lives.deprecate(region, official.image_id, START, NOTHING)
    with pytest.raises(BadValue, match="last date"):
        image_lives.deprecate(region, official.image_id, datetime.max.replace(tzinfo=UTC), NOTHING)
    with pytest.raises(WrongLife, match="nothing to undo"):
        image_lives.undo(region, official.image_id)
    assert read_image(region, official.image_id).launchable_until is None


def test_what_is_withdrawn_is_not_withdrawn_or_deprecated_again(region: Region, official: Image) -> None:
    image_lives.withdraw(region, official.image_id, NOTHING, now=True)
    for now in (False, True):
        with pytest.raises(WrongLife, match="undo"):
            image_lives.withdraw(region, official.image_id, NOTHING, now=now)
    with pytest.raises(WrongLife):
        image_lives.deprecate(region, official.image_id, TOMORROW, NOTHING)
