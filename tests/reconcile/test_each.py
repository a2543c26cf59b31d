"""A broken resource delays only itself: every sweep continues with the others (issue 9, 1.6)."""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from souche.app import access_keys, accounts
from souche.compute.base import PowerState
from souche.db import schema
from souche.errors import ComputeFailed, StorageFailed
from souche.model.accounts import Principal
from souche.reconcile import leftovers, oos_keys, open_disks, power
from souche.reconcile.each import each
from souche.vault import Vault
from tests.support.inventories import inventory_of
from tests.workflows.world import World

GIB = 1024**3


def test_one_that_fails_is_logged_and_the_rest_is_done() -> None:
    def invert(number: int) -> float:
        return 1 / number

    with capture_logs() as logs:
        assert each([1, 0, 2], invert) == [1.0, 0.5]
    assert [(line["name"], line["log_level"]) for line in logs] == [("0", "error")]


def test_leftover_that_cannot_be_removed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = world.see()
    store = world.disks.store
    names = [f"vol-0000000{number}" for number in range(3)]
    for name in names:
        store.create_volume(name, GIB)
    delete = store.delete_volume

    def delete_most(volume_id: str) -> None:
        if volume_id == names[0]:
            raise StorageFailed(reason="no")
        delete(volume_id)

    monkeypatch.setattr(store, "delete_volume", delete_most)
    leftovers.remove(world.parts)
    assert names[0] in inventory_of(store).volume_ids
    assert not inventory_of(store).volume_ids & set(names[1:])
    monkeypatch.undo()
    leftovers.remove(world.parts)
    assert world.see() == before


def test_staged_file_that_cannot_be_removed(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = (world.parts.clock.now() - timedelta(days=2)).timestamp()
    staging = tmp_path / "staging"
    for name in "abc":
        (staging / name).mkdir(parents=True)
        os.utime(staging / name, (old, old))
    rmdir = os.rmdir

    def rmdir_most(path: Path, *, dir_fd: int | None = None) -> None:
        if str(path).endswith("b"):
            raise PermissionError("no")
        rmdir(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", rmdir_most)
    leftovers.remove_staged(world.parts, staging)
    assert [path.name for path in staging.iterdir()] == ["b"]


def test_guest_whose_disks_cannot_be_shortened(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def tend(vm_id: str, _live: object) -> None:
        asked.append(vm_id)
        raise ComputeFailed(reason="no")

    states = dict.fromkeys(("i-1", "i-2", "i-3"), PowerState.RUNNING)
    monkeypatch.setattr(world.parts.hypervisor, "power_states", lambda: states)
    monkeypatch.setattr(world.parts.volumes, "tend_open_disks", tend)
    open_disks.tend(world.parts)
    assert asked == ["i-1", "i-2", "i-3"]


def test_vm_whose_record_cannot_be_settled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Broken(dict[str, PowerState]):
        def get(self, vm_id: str, *_: object) -> PowerState:
            asked.append(vm_id)
            raise KeyError(vm_id)

    with world.parts.store.begin() as connection:
        connection.execute(schema.vms.update().values(state="running"))
        count = connection.execute(sa.select(sa.func.count()).select_from(schema.vms)).scalar_one()
    monkeypatch.setattr(world.parts.hypervisor, "power_states", Broken)
    power.settle(world.parts, lambda _: None)
    assert len(asked) == count > 1


def test_access_key_that_cannot_be_opened(world: World, tmp_path: Path) -> None:
    account, key, _ = accounts.create(world.region, "carol")
    other, _ = access_keys.create(world.region, Principal(account.account_id))
    foreign = Vault.open(tmp_path / "other.key").seal("secret")
    with world.parts.store.begin() as connection:
        connection.execute(
            schema.access_keys.update()
            .where(schema.access_keys.c.access_key_id == key.access_key_id)
            .values(sealed_secret=foreign)
        )
    oos_keys.sync(world.parts)
    known = {each.access_key_id for each in world.oos.keys}
    assert other.access_key_id in known
    assert key.access_key_id not in known
    oos_keys.sync(replace(world.parts, vault=Vault.open(tmp_path / "other.key")))
    assert {each.access_key_id for each in world.oos.keys} - known <= {key.access_key_id}
