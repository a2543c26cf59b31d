"""The buckets of an account that is deleted, and the exports into them."""

from dataclasses import replace

import pytest

from souche.app import account_deletion, accounts, export_tasks
from souche.app.export_tasks import ApiKey, Target
from souche.db import buckets
from souche.model.account_contents import Kind
from souche.model.accounts import Account
from souche.states import ExportState
from tests.support.folder_oos import FolderOos
from tests.support.region import make_account
from tests.workflows.world import Cast, World

TARGET = Target("qcow2", "exports", "")


@pytest.fixture
def bob(world: World) -> Account:
    who = make_account(world.region, "robert")
    return accounts.known(world.region, who.account_id)


def removes(world: World, bucket: str, account: Account) -> list[int]:
    """The numbers that were told."""
    told: list[int] = []
    world.parts.buckets.remove_bucket(world.parts.store, bucket, account.account_id, told.append)
    return told


def record(world: World, bucket: str, account_id: str) -> None:
    with world.region.begin() as work:
        buckets.record(work.connection, bucket, account_id)


def recorded(world: World, bucket: str) -> str | None:
    with world.region.store.read() as connection:
        return buckets.owner(connection, bucket)


def test_a_bucket_goes_with_its_record_also_at_the_second_try(world: World, bob: Account) -> None:
    world.oos.ensure_bucket("bobs", bob.account_id)
    record(world, "bobs", bob.account_id)
    for key in ("a", "b"):
        world.oos.store().put("bobs", key, b"x", metadata={})

    def end(_deleted: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.parts.buckets.remove_bucket(world.parts.store, "bobs", bob.account_id, end)
    assert (world.oos.seen()["bobs"], recorded(world, "bobs")) == (["b"], bob.account_id)
    assert removes(world, "bobs", bob) == [1]
    assert ("bobs" in world.oos.seen(), recorded(world, "bobs")) == (False, None)
    assert removes(world, "bobs", bob) == []


def test_a_bucket_that_is_another_accounts_by_now_stays(world: World, cast: Cast, bob: Account) -> None:
    """The record is of a bucket before it."""
    world.oos.ensure_bucket("hers", cast.alice.account_id)
    world.oos.store().put("hers", "key", b"x", metadata={})
    record(world, "hers", bob.account_id)
    assert removes(world, "hers", bob) == []
    assert (world.oos.seen()["hers"], recorded(world, "hers")) == (["key"], None)


def test_a_bucket_on_record_as_another_accounts_stays(world: World, cast: Cast, bob: Account) -> None:
    """Where the object store does not know accounts, the records alone decide."""
    shared = FolderOos(world.home / "external", knows_accounts=False)
    shared.store().ensure_bucket("hers")
    record(world, "hers", cast.alice.account_id)
    ways = replace(world.parts.buckets, oos=shared)
    ways.remove_bucket(world.parts.store, "hers", bob.account_id, lambda _deleted: None)
    assert ("hers" in shared.seen(), recorded(world, "hers")) == (True, cast.alice.account_id)
    ways.remove_bucket(world.parts.store, "hers", cast.alice.account_id, lambda _deleted: None)
    assert ("hers" in shared.seen(), recorded(world, "hers")) == (False, None)


def test_an_export_counts_until_it_writes_no_more(world: World, cast: Cast) -> None:
    alice = accounts.known(world.region, cast.alice.account_id)
    task = export_tasks.export_snapshot(world.region, cast.alice, cast.snapshot_id, TARGET)
    assert account_deletion.contents(world.region, alice)[Kind.EXPORTS] == [task.task_id]
    export_tasks.cancel(world.region, cast.alice, task.task_id)
    assert account_deletion.contents(world.region, alice)[Kind.EXPORTS] == [task.task_id]
    world.run_all()
    assert Kind.EXPORTS not in account_deletion.contents(world.region, alice)


def test_another_accounts_export_into_its_bucket_is_cancelled(world: World, cast: Cast) -> None:
    bob, key, secret = accounts.create(world.region, "robert", None)
    target = Target("qcow2", "bobs", "", api_key=ApiKey(key.access_key_id, secret))
    task = export_tasks.export_snapshot(world.region, cast.alice, cast.snapshot_id, target)
    assert task.account_id == cast.alice.account_id
    assert account_deletion.contents(world.region, bob)[Kind.EXPORTS] == [task.task_id]
    account_deletion.delete_one(world.region, bob, Kind.EXPORTS, task.task_id)
    world.run_all()
    assert export_tasks.get(world.region, task.task_id).state == ExportState.CANCELLED
    assert Kind.EXPORTS not in account_deletion.contents(world.region, bob)
