"""An image gets a new version with every change of what it shows. `tests/support/watched_store.py` checks that in all
other tests; here statements write directly, without the use-cases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.sql import visitors

from souche.app.context.region import Region
from souche.db import images, schema
from souche.model.accounts import Principal
from souche.model.permissions import Permissions
from tests.support.region import make_account, make_region
from tests.support.resources import make_image

# Those of which an image shows nothing but by rows of other tables, which foreign keys hold to them.
NEVER_ALONE = {("accounts", "insert"), ("accounts", "delete"), ("images", "delete")}

CHANGES = {
    "another state": "UPDATE images SET state = 'failed' WHERE image_id = :image_id",
    "another alias": "UPDATE accounts SET alias = 'another' WHERE account_id = :account_id",
    "a mapping less": "DELETE FROM image_mappings WHERE image_id = :image_id",
    "another mapping": "UPDATE image_mappings SET volume_type = 'gp2' WHERE image_id = :image_id",
    "a grant more": "INSERT INTO image_grants VALUES (:image_id, '123456789012', '2026-11-24T10:00:00.000Z')",
    "another grant": "UPDATE image_grants SET account_id = '123456789012' WHERE image_id = :image_id",
    "a grant less": "DELETE FROM image_grants WHERE image_id = :image_id",
    "a code more": "INSERT INTO image_product_codes VALUES (:image_id, '0009')",
    "another code": "UPDATE image_product_codes SET product_code = '0009' WHERE image_id = :image_id",
    "a code less": "DELETE FROM image_product_codes WHERE image_id = :image_id",
    "a tag more": "INSERT INTO tags (resource_id, key, value, account_id, resource_type, creation_date) "
    "VALUES (:image_id, 'new', 'v', :account_id, 'image', '2026-11-24T10:00:00.000Z')",
    "another tag": "UPDATE tags SET value = 'another' WHERE resource_id = :image_id",
    "a tag less": "DELETE FROM tags WHERE resource_id = :image_id",
    "a tag that moves": "UPDATE tags SET resource_id = 'ami-00000000' WHERE resource_id = :image_id",
}


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    region = make_region(tmp_path)
    yield region
    region.store.close()


@pytest.fixture
def alice(region: Region) -> Principal:
    return make_account(region)


def versions(region: Region) -> dict[str, int]:
    with region.store.read() as connection:
        return {row.image_id: row.version for row in connection.execute(schema.images.select())}


def write(region: Region, statement: str, **parameters: str) -> None:
    with region.store.engine.begin() as connection:
        connection.execute(sa.text(statement), parameters)


TRIGGERS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname AS name, pg_get_triggerdef(oid) AS sql FROM pg_trigger WHERE NOT tgisinternal",
}


def test_triggers_are_on_every_table_that_an_image_is_read_from(region: Region, on_both: str) -> None:
    read = {each.name for each in visitors.iterate(images._TAGGED) if isinstance(each, sa.Table)}
    assert read > {"images", "tags"}
    wanted = {(table, event) for table in read for event in ("insert", "update", "delete")} - NEVER_ALONE
    assert on_both in TRIGGERS, "add the statement that lists this database's triggers"
    with region.store.read() as connection:
        texts = {row.name: row.sql for row in connection.execute(sa.text(TRIGGERS[on_both]))}
    found = {(table, event) for table, event in wanted if f"image_version_{table}_{event}" in texts}
    assert found == wanted
    assert not any(" OF " in text for text in texts.values()), "a trigger leaves columns out"


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_gives_another_version_to_its_image_alone(
    region: Region, alice: Principal, change: str
) -> None:
    changed = make_image(region, alice, "changed", permissions=Permissions(("999999999999",)))
    other = make_image(region, make_account(region, "bob"), "other")
    parameters = {"image_id": changed.image_id, "account_id": alice.account_id}
    write(region, CHANGES["a tag more"].replace("'new'", "'old'"), **parameters)
    before = versions(region)
    write(region, CHANGES[change], **parameters)
    after = versions(region)
    assert after[changed.image_id] != before[changed.image_id]
    assert after[other.image_id] == before[other.image_id]


def test_an_id_that_is_used_again_has_another_version(region: Region, alice: Principal) -> None:
    image = make_image(region, alice)
    before = versions(region)
    write(region, "DELETE FROM images")
    with region.store.begin() as connection:
        images.insert(connection, image)
    assert versions(region).keys() == before.keys()
    assert versions(region) != before
