"""`souche marketplace`."""

from pathlib import Path

import pytest

from souche import run
from souche.app import product_types
from souche.db import images
from souche.main import administration
from souche.model.accounts import Principal
from tests.cli.conftest import Souche


@pytest.fixture
def image_id(souche: Souche, tmp_path: Path) -> str:
    """An image of the account vendor's."""
    souche("account", "create", "vendor", "--alias", "Vendor")
    disk = tmp_path / "disk.raw"
    run.run(["qemu-img", "create", "-f", "raw", disk, "1M"], timeout_seconds=60)
    (told,) = souche("image", "publish", disk, "--name", "App", "--format", "raw", "--account", "vendor")
    found: str = told["ImageId"]
    return found


@pytest.fixture
def product(souche: Souche, image_id: str) -> str:
    with administration.administer(souche.home) as administered:
        with administered.region.store.read() as connection:
            image = images.get(connection, image_id)
        assert image is not None
        made = product_types.create(administered.region, Principal(image.account_id), "App")
    return made.product_type_id


def test_from_publication_to_withdrawal(souche: Souche, image_id: str, product: str) -> None:
    (customer,) = souche("account", "create", "alice")
    given = ("--account", "vendor", "--product", product, "--name", "App 1")
    (version,) = souche("marketplace", "publish", image_id, *given)
    assert version["ImageName"] == "App 1"
    subscription = {"ProductTypeId": product, "AccountId": customer["AccountId"]}
    assert souche("marketplace", "subscribe", "alice", "--product", product) == [subscription]
    (listed,) = souche("marketplace", "list")
    assert listed["ImageId"] == version["ImageId"] != image_id
    assert (listed["ProductTypeId"], listed["Subscribers"]) == (product, [customer["AccountId"]])
    assert version["ImageId"] in souche.run("marketplace", "list")
    ended = souche("marketplace", "unsubscribe", customer["AccountId"], "--product", product)
    assert ended == [subscription]
    assert souche("marketplace", "list")[0]["Subscribers"] == []
    (withdrawn,) = souche("marketplace", "withdraw", version["ImageId"])
    assert withdrawn == {name: value for name, value in listed.items() if name != "Subscribers"}
    assert souche("marketplace", "list") == []
    assert "not a version" in souche.refusal("marketplace", "withdraw", version["ImageId"])


def test_a_version_is_named_as_a_copy_where_no_name_is_given(
    souche: Souche, image_id: str, product: str
) -> None:
    (version,) = souche("marketplace", "publish", image_id, "--account", "vendor", "--product", product)
    assert version["ImageName"].startswith("App-")
    assert version["ImageName"].endswith("-copy1")
