"""Requests about aliases of images, for tests."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from souche.api import image_aliases as api
from souche.app import official_images
from souche.app.context.region import Region
from souche.db import images as image_records
from souche.model.accounts import Principal
from souche.model.images import Image
from souche.model.permissions import Permissions
from tests.support.client import Client
from tests.support.region import call
from tests.support.resources import make_image

PUBLIC = Permissions(public=True)


@pytest.fixture
def provider(region: Region) -> Principal:
    return Principal(official_images.provider(region).account_id)


def published(
    region: Region, provider: Principal, name: str, family: str = "Debian-12", **more: Any
) -> Image:
    return make_image(region, provider, name, family=family, permissions=PUBLIC, **more)


def named(client: Client, *names: str, **filters: object) -> list[str]:
    """The ids of the images that ReadImages finds by these names."""
    found = client("ReadImages", Filters={"ImageNames": list(names), **filters})["Images"]
    return [each["ImageId"] for each in found]


def create(region: Region, who: Principal, alias: str, image: Image) -> Mapping[str, Any]:
    made = api.create_image_alias(call(region, who, AliasName=alias, ImageId=image.image_id))
    return made["ImageAlias"]  # type: ignore[return-value]


def update(region: Region, who: Principal, alias: str, **change: object) -> Mapping[str, Any]:
    made = api.update_image_alias(call(region, who, AliasName=alias, **change))
    return made["ImageAlias"]  # type: ignore[return-value]


def read(region: Region, who: Principal, *names: str) -> dict[str, Mapping[str, Any]]:
    filters = {"Filters": {"AliasNames": list(names)}} if names else {}
    answer = api.read_image_aliases(call(region, who, **filters))
    return {each["AliasName"]: each for each in answer["ImageAliases"]}  # type: ignore[attr-defined]


def erase(region: Region, image: Image) -> None:
    with region.store.begin() as connection:
        image_records.erase(connection, image.image_id)


def withdraw(region: Region, image: Image) -> None:
    with region.store.begin() as connection:
        until = region.clock.now() + timedelta(days=30)
        image_records.set_launchable_until(connection, image.image_id, until)
