"""The object store accepts the currently usable keys."""

from dataclasses import replace
from datetime import timedelta

from souche.app import access_keys, accounts
from souche.app.access_keys import Changes
from souche.model.accounts import Principal
from souche.objects.oos import AccountKey
from souche.reconcile import oos_keys
from tests.workflows.world import World


def test_keys_come_and_go(world: World) -> None:
    account, first, secret = accounts.create(world.region, "carol")
    carol = Principal(account.account_id)
    oos_keys.sync(world.parts)
    assert AccountKey(carol.account_id, first.access_key_id, secret) in world.oos.keys
    soon = world.region.clock.now() + timedelta(minutes=1)
    expiring, _ = access_keys.create(world.region, carol, soon)
    inactive, _ = access_keys.create(world.region, carol)
    access_keys.update(world.region, carol, inactive.access_key_id, Changes(active=False))
    access_keys.delete(world.region, carol, first.access_key_id)
    oos_keys.sync(world.parts)
    assert of(world, carol) == {expiring.access_key_id}
    world.parts.clock.advance(minutes=2)  # type: ignore[attr-defined]  # the clock of tests
    oos_keys.sync(world.parts)
    assert of(world, carol) == set()


def of(world: World, who: Principal) -> set[str]:
    return {key.access_key_id for key in world.oos.keys if key.account_id == who.account_id}


def test_a_region_without_an_object_store(world: World) -> None:
    ways = replace(world.parts.buckets, oos=None)
    oos_keys.sync(replace(world.parts, buckets=ways))
