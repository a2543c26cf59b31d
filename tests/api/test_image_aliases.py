"""What aliases of images find, for their owners, other accounts and plain clients (docs/aliases.md)."""

from dataclasses import replace
from typing import Any

import pytest

from souche.api import image_aliases as api
from souche.app import images as app_images
from souche.app.context.region import Region
from souche.app.images import ImageSettings
from souche.db import image_aliases
from souche.db import images as image_records
from souche.model.accounts import Principal
from souche.model.image_aliases import AliasName
from souche.model.permissions import Permissions
from souche.refusals import WrongImageState
from souche.states import ImageState
from souche.value_refusals import BadImageName
from tests.api.alias_requests import PUBLIC, create, named, published, read, update, withdraw
from tests.api.alias_requests import provider as provider
from tests.support.client import Client
from tests.support.region import ManualClock, call
from tests.support.resources import make_image


def test_the_alias_of_a_family_follows_what_is_published_by_itself(
    region: Region, clock: ManualClock, provider: Principal, client: Client
) -> None:
    first = published(region, provider, "Debian-12-2026.11.24-0")
    for spelling in ("debian-12@latest", "Debian-12@latest", "DEBIAN-12@LATEST"):
        assert named(client, spelling) == [first.image_id]
    clock.advance(hours=1)
    published(region, provider, "Debian-12-broken", state=ImageState.FAILED)
    assert named(client, "debian-12@latest") == [first.image_id]
    second = published(region, provider, "Debian-12-2026.11.24-1")
    withdraw(region, first)
    assert named(client, "debian-12@latest") == [second.image_id]
    assert named(client, f"{provider.account_id}/debian-12@latest") == [second.image_id]
    withdraw(region, second)
    assert named(client, "debian-12@latest") == []
    assert read(region, provider)["Debian-12@latest"]["State"] == "dangling"


def test_an_answer_does_not_change_its_form(region: Region, provider: Principal, client: Client) -> None:
    image = published(region, provider, "Debian-12-2026.11.24-0")
    by_id = client("ReadImages", Filters={"ImageIds": [image.image_id]})
    assert client("ReadImages", Filters={"ImageNames": ["debian-12@latest"]}) == by_id
    assert by_id["Images"][0]["ImageName"] == "Debian-12-2026.11.24-0"


@pytest.mark.parametrize("name", ["web@stable", "a@b", "debian-12@latest"])
def test_no_image_has_the_sign_of_aliases_in_its_name(
    region: Region, alice: Principal, client: Client, name: str
) -> None:
    assert app_images.NAME.fullmatch(name) is None
    image = make_image(region, alice, "own")
    copied = {"SourceImageId": image.image_id, "SourceRegionName": region.name, "ImageName": name}
    assert client.refusal("CreateImage", **copied).code == "4026"
    with region.begin() as work, pytest.raises(BadImageName):
        app_images.write(work, app_images.new_image(region, alice, ImageSettings(name), name))


def test_an_alias_is_shared_like_the_image_that_it_names_now(
    region: Region, alice: Principal, bob: Principal, client: Client, other: Client
) -> None:
    image, private = make_image(region, alice, "first"), make_image(region, alice, "second")
    with region.store.begin() as connection:
        image_records.grant(connection, image.image_id, [bob.account_id])
    create(region, alice, "Web@stable", image)
    qualified = f"{alice.account_id}/web@stable"
    assert named(client, "web@stable") == named(client, qualified) == [image.image_id]
    assert named(other, "web@stable") == []
    assert named(other, qualified) == [image.image_id]
    assert list(read(region, bob)) == [f"{alice.account_id}/Web@stable"]
    update(region, alice, "web@stable", ImageId=private.image_id)
    assert named(other, qualified) == []
    assert read(region, bob) == {}
    assert named(client, "web@stable") == [private.image_id]


def test_an_alias_never_finds_an_image_of_the_same_name_of_others(
    region: Region, alice: Principal, bob: Principal, client: Client
) -> None:
    image = make_image(region, alice, "web-1")
    make_image(region, bob, "web-1", permissions=PUBLIC)
    create(region, alice, "web@stable", image)
    assert named(client, "web@stable") == [image.image_id]


def test_patterns_and_names_go_on_as_they_did_and_match_no_alias(
    region: Region, clock: ManualClock, alice: Principal, client: Client
) -> None:
    images = []
    for number in range(4):
        clock.advance(seconds=1)
        images.append(make_image(region, alice, f"web-{number}").image_id)
    create(region, alice, "web@stable", replace(make_image(region, alice, "x-1"), image_id=images[2]))
    for pattern in ("web@*", "*@stable", "*@*", "web@stable*"):
        assert named(client, pattern) == []
    assert named(client, "web-*") == images
    assert named(client, "web@stable", "web-0") == [images[0], images[2]]
    assert named(client, "web@stable", "web-*") == images
    assert named(client, "web@stable", "none") == [images[2]]
    assert named(client, "web@stable", States=["pending"]) == []


def test_pages_go_over_aliases_and_names(
    region: Region, clock: ManualClock, alice: Principal, client: Client
) -> None:
    images = []
    for number in range(5):
        clock.advance(seconds=1)
        images.append(make_image(region, alice, f"web-{number}"))
    create(region, alice, "a@x", images[0])
    create(region, alice, "b@x", images[3])
    names = ["a@x", "b@x", "web-1", "web-2", "web-3", "web-4"]
    found: list[str] = []
    token: dict[str, str] = {}
    for _ in range(5):
        page = client("ReadImages", Filters={"ImageNames": names}, ResultsPerPage=2, **token)
        assert len(page["Images"]) <= 2
        found += [each["ImageId"] for each in page["Images"]]
        if "NextPageToken" not in page:
            break
        token = {"NextPageToken": page["NextPageToken"]}
    assert found == [each.image_id for each in images]


def test_an_alias_whose_image_is_gone_dangles_and_finds_nothing(
    region: Region, alice: Principal, bob: Principal, client: Client, provider: Principal
) -> None:
    published(region, provider, "web-1", family="web")
    image = make_image(region, alice, "own")
    with region.store.begin() as connection:  # made before the family of that name was published
        name = AliasName("web", "latest")
        image_aliases.insert(connection, alice.account_id, name, image.image_id, region.clock.now())
    assert named(client, "web@latest") == [image.image_id]
    client("DeleteImage", ImageId=image.image_id)
    assert named(client, "web@latest") == []
    shown = read(region, alice, f"{alice.account_id}/web@latest")["web@latest"]
    assert (shown["ImageId"], shown["State"]) == (image.image_id, "dangling")
    assert all(each["AccountId"] != alice.account_id for each in read(region, bob).values())


def test_an_alias_of_an_image_that_is_shared_no_more_dangles(
    region: Region, alice: Principal, bob: Principal
) -> None:
    granted = Permissions(account_ids=(bob.account_id,))
    for number, permissions in enumerate((granted, PUBLIC)):
        image = make_image(region, alice, f"web {number}", permissions=permissions)
        alias = f"web{number}@stable"
        assert create(region, bob, alias, image)["State"] == "available"
        with region.store.begin() as connection:
            image_records.revoke(connection, image.image_id, [bob.account_id])
            image_records.set_public(connection, image.image_id, public=False)
        assert named(Client(region, bob), alias) == []
        assert read(region, bob)[alias]["State"] == "dangling"


def test_an_alias_of_an_image_that_its_owner_may_not_use_stands_for_nothing_to_others_either(
    region: Region, alice: Principal, bob: Principal, client: Client
) -> None:
    image = make_image(region, alice, permissions=Permissions(account_ids=(bob.account_id,)))
    create(region, bob, "web@stable", image)
    alias = f"{bob.account_id}/web@stable"
    assert named(client, alias) == [image.image_id]
    assert alias in read(region, alice)
    with region.store.begin() as connection:
        image_records.revoke(connection, image.image_id, [bob.account_id])
    assert named(client, alias) == []
    assert alias not in read(region, alice)


@pytest.mark.parametrize("state", [ImageState.PENDING, ImageState.FAILED])
def test_a_publication_that_is_not_there_yet_takes_no_alias_away(
    region: Region, provider: Principal, alice: Principal, client: Client, state: ImageState
) -> None:
    official, mine = published(region, provider, "Debian-12-1"), make_image(region, alice, "mine")
    create(region, alice, "web@latest", mine)
    make_image(region, alice, "Web-1", family="Web", state=state)
    make_image(region, alice, "Debian-12-2", family="Debian-12", state=state)
    assert named(client, "web@latest") == [mine.image_id]
    assert named(client, "debian-12@latest") == [official.image_id]


def test_a_withdrawn_image_is_named_by_no_alias(
    region: Region, clock: ManualClock, provider: Principal, client: Client
) -> None:
    image = published(region, provider, "Debian-12-1")
    create(region, provider, "Debian-12@stable", image)
    assert named(client, "debian-12@stable") == [image.image_id]
    withdraw(region, image)
    assert named(client, "debian-12@stable") == []
    assert read(region, provider, "debian-12@stable")["Debian-12@stable"]["State"] == "dangling"
    with pytest.raises(WrongImageState):
        create(region, provider, "Debian-12@old", image)


def test_only_names_of_aliases_cost_more(
    region: Region, alice: Principal, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_image(region, alice, "web-1")

    def asked(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(image_aliases, "account_named", asked)
    monkeypatch.setattr(image_aliases, "resolved", asked)
    assert len(named(client, "web-1", "*-1", "none")) == 1
    assert len(client("ReadImages")["Images"]) == 1


def test_a_request_has_a_bounded_number_of_aliases(client: Client) -> None:
    assert named(client, *(f"a{number}@x" for number in range(100))) == []
    refusal = client.refusal("ReadImages", Filters={"ImageNames": [f"a{number}@x" for number in range(101)]})
    assert (refusal.status, refusal.code) == (400, "4047")


def test_aliases_have_pages(region: Region, alice: Principal) -> None:
    image = make_image(region, alice)
    for number in range(3):
        create(region, alice, f"web {number}@x", image)
    first = api.read_image_aliases(call(region, alice, ResultsPerPage=2))
    token = first["NextPageToken"]
    second = api.read_image_aliases(call(region, alice, ResultsPerPage=2, NextPageToken=token))
    shown: list[Any] = [*first["ImageAliases"], *second["ImageAliases"]]  # type: ignore[misc]
    assert [each["AliasName"] for each in shown] == [f"web {number}@x" for number in range(3)]
    assert "NextPageToken" not in second


def test_an_id_is_needed_for_a_launch(region: Region, alice: Principal, client: Client) -> None:
    create(region, alice, "web@stable", make_image(region, alice))
    assert client.refusal("CreateVms", ImageId="web@stable").code == "4104"
