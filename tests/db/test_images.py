"""Images are found by every field that they have, whichever statement a `Finder` chooses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from souche.app.context.region import Region
from souche.db import images
from souche.db.finder import Finder
from souche.model.permissions import Permissions
from souche.model.query import Condition, Query, Value
from tests.support.region import make_account, make_region
from tests.support.resources import make_image

SOMETHING: dict[str, list[Value]] = {
    "account_id": ["1", "2"],
    "public": [True],
    "tpm_mandatory": [False],
    "secure_boot": [False],
    "boot_modes": ["legacy"],
    "architecture": ["x86_64"],
    "mapping_volume_size_gib": [10],
    "mapping_delete_on_vm_deletion": [True],
    "product_code": ["0001"],
}


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    region = make_region(tmp_path)
    yield region
    region.store.close()


@pytest.mark.parametrize("field", images.FIELDS)
def test_read_in_order_and_looked_up_alike(region: Region, field: str) -> None:
    caller, other, third = (make_account(region, name) for name in ("caller", "other", "third"))
    make_image(region, caller, "own")
    make_image(region, other, "public", permissions=Permissions(public=True))
    granted = Permissions((caller.account_id, third.account_id))
    wanted = make_image(region, other, "granted", permissions=granted)
    values: dict[str, list[Value]] = SOMETHING | {
        "image_id": [wanted.image_id],
        "granted_account_id": [third.account_id],
        "name": ["granted"],
    }
    query = Query((Condition(field, values.get(field, ["absent"])),), 5)
    finders = [
        Finder(images._VERSIONS, images.FIELDS, images._ORDER, images._scopes(), rare_rows)
        for rare_rows in (0, 4000)
    ]
    with region.store.reader() as reader:
        in_order, looked_up = (finder.find(reader, query, caller=caller.account_id) for finder in finders)
    assert in_order == looked_up
    assert bool(in_order[0]) == (field in {*SOMETHING, *values} - {"account_id"})
