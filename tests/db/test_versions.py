"""VMs, volumes and snapshots get a new version with every change of what they show (images: `test_image_versions.py`).
Here statements write directly, without the use-cases. `tests/support/watched_store.py` checks the writes of all other
tests."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from souche.app.context.region import Region
from souche.db import schema, security_groups
from souche.model.permissions import Permissions
from tests.db.test_image_versions import write
from tests.support.region import make_account, make_region
from tests.support.resources import (
    make_public_ip,
    make_security_group,
    make_snapshot,
    make_vm,
    make_volume_update,
)

TAGS = {
    "a tag more": "INSERT INTO tags (resource_id, key, value, account_id, resource_type, creation_date) "
    "VALUES (:id, 'new', 'v', :account_id, 'x', '2026-11-24T10:00:00.000Z')",
    "another tag": "UPDATE tags SET value = 'another' WHERE resource_id = :id",
    "a tag less": "DELETE FROM tags WHERE resource_id = :id",
    "a tag that moves": "UPDATE tags SET resource_id = 'i-00000000' WHERE resource_id = :id",
}
CHANGES: Mapping[str, Mapping[str, str]] = {
    "vms": TAGS
    | {
        "another state": "UPDATE vms SET state = 'stopped' WHERE vm_id = :id",
        "a code more": "INSERT INTO vm_product_codes VALUES (:id, '0009')",
        "another code": "UPDATE vm_product_codes SET product_code = '0009' WHERE vm_id = :id",
        "a code less": "DELETE FROM vm_product_codes WHERE vm_id = :id",
        "another group's name": "UPDATE security_groups SET name = 'another' WHERE name = 'its group'",
        "a group less": "DELETE FROM vm_security_groups WHERE vm_id = :id",
        "its group deleted": "DELETE FROM security_groups WHERE name = 'its group'",
        "a public IP less": "UPDATE public_ips SET vm_id = NULL WHERE vm_id = :id",
        "its public IP deleted": "DELETE FROM public_ips WHERE vm_id = :id",
        "another link": "UPDATE volume_links SET state = 'detaching' WHERE vm_id = :id",
        "a link less": "DELETE FROM volume_links WHERE vm_id = :id",
        "its volume deleted": "DELETE FROM volumes WHERE volume_id = :volume_id",
    },
    "volumes": TAGS
    | {
        "another state": "UPDATE volumes SET state = 'error' WHERE volume_id = :id",
        "another link": "UPDATE volume_links SET state = 'detaching' WHERE volume_id = :id",
        "a link less": "DELETE FROM volume_links WHERE volume_id = :id",
        "another task": "UPDATE volume_update_tasks SET state = 'completed' WHERE volume_id = :id",
        "a task less": "DELETE FROM volume_update_tasks WHERE volume_id = :id",
    },
    "snapshots": TAGS
    | {
        "another state": "UPDATE snapshots SET state = 'error' WHERE snapshot_id = :id",
        "another alias": "UPDATE accounts SET alias = 'another' WHERE account_id = :account_id",
        "a grant more": "INSERT INTO snapshot_grants VALUES (:id, '123456789012')",
        "another grant": "UPDATE snapshot_grants SET account_id = '123456789012' WHERE snapshot_id = :id",
        "a grant less": "DELETE FROM snapshot_grants WHERE snapshot_id = :id",
    },
}


@dataclass(frozen=True)
class Scene:
    """Two accounts with the same. `changed`: the ids of the first one's, by table."""

    region: Region
    account_id: str
    changed: Mapping[str, str]

    def versions(self, table: str) -> dict[str, int]:
        (resource_id,) = schema.metadata.tables[table].primary_key
        select = sa.select(resource_id, schema.metadata.tables[table].c.version)
        with self.region.store.read() as connection:
            return {row[0]: row.version for row in connection.execute(select)}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    region = make_region(tmp_path)
    first, _ = (_made(region, name) for name in ("first", "second"))
    yield first
    region.store.close()


def _made(region: Region, name: str) -> Scene:
    who = make_account(region, name)
    vm = make_vm(region, who)
    (volume,) = vm.volumes
    snapshot = make_snapshot(region, who, permissions=Permissions(("999999999999",)))
    group = make_security_group(region, who, name="its group" if name == "first" else "another's")
    make_public_ip(region, who, "198.19.0.1" if name == "first" else "198.19.0.2", vm)
    make_volume_update(region, who, volume)
    with region.store.begin() as connection:
        security_groups.put_vm(connection, vm.vm_id, [group.security_group_id])
    scene = Scene(
        region,
        who.account_id,
        {"vms": vm.vm_id, "volumes": volume.volume_id, "snapshots": snapshot.snapshot_id},
    )
    for resource_id in scene.changed.values():
        write(region, TAGS["a tag more"].replace("'new'", "'old'"), id=resource_id, account_id=who.account_id)
    return scene


@pytest.mark.parametrize(("table", "change"), [(table, each) for table in CHANGES for each in CHANGES[table]])
def test_a_change_gives_another_version_to_its_resource_alone(scene: Scene, table: str, change: str) -> None:
    changed = scene.changed[table]
    parameters = {"id": changed, "account_id": scene.account_id, "volume_id": scene.changed["volumes"]}
    statement = sa.text(CHANGES[table][change])
    before = scene.versions(table)
    write(scene.region, CHANGES[table][change], **{name: parameters[name] for name in statement._bindparams})
    after = scene.versions(table)
    assert len(after) == 2
    assert {each for each in after if after[each] != before[each]} == {changed}


@pytest.mark.parametrize("table", CHANGES)
def test_a_new_resource_has_a_version_of_its_own(scene: Scene, table: str) -> None:
    """An id that is used again has none that was cached."""
    versions = scene.versions(table).values()
    assert 0 not in versions
    assert len(set(versions)) == 2
