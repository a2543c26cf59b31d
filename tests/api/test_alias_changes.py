"""Aliases of images: creation, change, rollback, deletion, bad names, limits (docs/aliases.md)."""

import pytest

from souche.api import image_aliases as api
from souche.app import accounts, quotas
from souche.app.context.region import Region
from souche.db import image_aliases
from souche.model.accounts import Principal
from souche.quota_refusals import TooManyImageAliases
from souche.refusals import (
    AliasFollowsFamily,
    ImageAliasTaken,
    NoFormerImage,
    NoSuchImage,
    NoSuchImageAlias,
    ReservedAliasName,
    WrongImageState,
)
from souche.states import ImageState
from souche.value_refusals import BadAliasName, IncompatibleParameters, MissingParameter
from tests.api.alias_requests import PUBLIC, create, erase, named, published, read, update
from tests.api.alias_requests import provider as provider
from tests.support.client import Client
from tests.support.region import ManualClock, call
from tests.support.resources import make_image


def test_names_of_official_images_are_reserved(
    region: Region, alice: Principal, bob: Principal, provider: Principal
) -> None:
    published(region, provider, "Debian-12-1")
    create(region, provider, "Golden@v1", published(region, provider, "Golden-1", family="other"))
    image = make_image(region, alice)
    for name in ("Debian-12@latest", "DEBIAN-12@mine", "golden@x", "Outscale@latest"):
        with pytest.raises(ReservedAliasName):
            create(region, alice, name, image)
    with pytest.raises(AliasFollowsFamily):
        update(region, provider, "debian-12@latest", ImageId=image.image_id)
    assert named(Client(region, bob), "golden@v1") != []


def test_history_and_rollback(region: Region, clock: ManualClock, alice: Principal, client: Client) -> None:
    images = [make_image(region, alice, f"web-{number}") for number in range(3)]
    create(region, alice, "web@stable", images[0])
    for image in images[1:]:
        clock.advance(hours=1)
        update(region, alice, "web@stable", ImageId=image.image_id)
    clock.advance(hours=1)
    assert update(region, alice, "web@stable", Rollback=True)["ImageId"] == images[1].image_id
    assert named(client, "web@stable") == [images[1].image_id]
    shown = update(region, alice, "WEB@stable", Rollback=True)
    assert [each["ImageId"] for each in shown["History"]] == [
        images[place].image_id for place in (0, 1, 2, 1, 0)
    ]
    assert [each["Date"][11:16] for each in shown["History"]] == ["10:00", "11:00", "12:00", "13:00", "13:00"]
    with pytest.raises(NoFormerImage):
        update(region, alice, "web@stable", Rollback=True)
    assert update(region, alice, "web@stable", ImageId=images[0].image_id) == shown


def test_a_rollback_to_an_image_that_is_gone_is_refused_and_changes_nothing(
    region: Region, alice: Principal, client: Client
) -> None:
    first, second = make_image(region, alice, "first"), make_image(region, alice, "second")
    create(region, alice, "web@stable", first)
    update(region, alice, "web@stable", ImageId=second.image_id)
    erase(region, first)
    with pytest.raises(NoFormerImage):
        update(region, alice, "web@stable", Rollback=True)
    assert named(client, "web@stable") == [second.image_id]


def test_the_history_that_others_see_names_no_image_that_they_may_not_use(
    region: Region, alice: Principal, bob: Principal
) -> None:
    private, public = (
        make_image(region, alice, "first"),
        make_image(region, alice, "second", permissions=PUBLIC),
    )
    create(region, alice, "web@stable", private)
    update(region, alice, "web@stable", ImageId=public.image_id)
    (shown,) = read(region, bob).values()
    assert [each["ImageId"] for each in shown["History"]] == [public.image_id]


def test_many_updates_keep_a_bounded_history(region: Region, alice: Principal) -> None:
    images = [make_image(region, alice, f"web-{number}") for number in range(2)]
    create(region, alice, "web@stable", images[0])
    with region.store.begin() as connection:
        alias_id = f"{alice.account_id}/web@stable"
        for number in range(image_aliases.MOST_CHANGES + 5):
            image_id = images[number % 2].image_id
            image_aliases.change(connection, alias_id, image_id, region.clock.now())
    assert len(read(region, alice)["web@stable"]["History"]) == image_aliases.MOST_CHANGES


@pytest.mark.parametrize(
    "name",
    [
        "web",
        "@stable",
        "web@",
        "web@a b",
        "we*b@stable",
        "web@@x",
        "é@x",
        f"{101 * 'w'}@x",
        "w/e@x",
        "web@x/y",
        " web@x",
        "web @x",
        "we  b@x",
    ],
)
def test_bad_names_are_refused_and_find_nothing(
    region: Region, alice: Principal, client: Client, name: str
) -> None:
    with pytest.raises(BadAliasName):
        create(region, alice, name, make_image(region, alice))
    assert named(client, name) == []


def test_an_alias_is_made_changed_and_deleted_by_its_owner_only(
    region: Region, alice: Principal, bob: Principal, client: Client
) -> None:
    image = make_image(region, alice, permissions=PUBLIC)
    create(region, alice, "web@stable", image)
    with pytest.raises(ImageAliasTaken):
        create(region, alice, "WEB@Stable", image)
    qualified = f"{alice.account_id}/web@stable"
    with pytest.raises(BadAliasName):
        create(region, bob, f"{alice.account_id}/web@other", image)
    for alias in ("web@stable", qualified, "nonsense"):
        with pytest.raises(NoSuchImageAlias):
            update(region, bob, alias, ImageId=image.image_id)
        with pytest.raises(NoSuchImageAlias):
            api.delete_image_alias(call(region, bob, AliasName=alias))
    assert api.delete_image_alias(call(region, alice, AliasName=qualified)) == {}
    assert read(region, alice) == {}
    assert named(client, "web@stable") == []


def test_what_a_change_names_must_be_there(region: Region, alice: Principal, bob: Principal) -> None:
    create(region, alice, "web@stable", make_image(region, alice))
    gone, hidden = make_image(region, alice, "gone"), make_image(region, bob, "hidden")
    erase(region, gone)
    for image in (gone, hidden):
        with pytest.raises(NoSuchImage):
            update(region, alice, "web@stable", ImageId=image.image_id)
        with pytest.raises(NoSuchImage):
            create(region, alice, "web@other", image)
    with pytest.raises(WrongImageState):
        create(region, alice, "a@x", make_image(region, alice, "later", state=ImageState.PENDING))
    with pytest.raises(MissingParameter):
        update(region, alice, "web@stable")
    with pytest.raises(IncompatibleParameters):
        update(region, alice, "web@stable", ImageId=gone.image_id, Rollback=True)


def test_an_account_has_so_many_aliases(region: Region, alice: Principal) -> None:
    account, image = accounts.get(region, alice), make_image(region, alice)
    assert account is not None
    quotas.set_limit(region, account, "image_alias_limit", 1)
    create(region, alice, "web@stable", image)
    with pytest.raises(TooManyImageAliases):
        create(region, alice, "web@next", image)
    update(region, alice, "web@stable", ImageId=image.image_id)


def test_a_dry_run_leaves_nothing(region: Region, alice: Principal) -> None:
    create(region.for_dry_run(), alice, "web@stable", make_image(region, alice))
    assert read(region, alice) == {}


def test_a_deletion_between_looks_leaves_a_dangling_alias(
    region: Region, alice: Principal, client: Client
) -> None:
    image = make_image(region, alice)
    create(region, alice, "web@stable", image)
    erase(region, image)
    assert named(client, "web@stable") == []
