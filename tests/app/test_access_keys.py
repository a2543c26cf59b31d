from datetime import timedelta

import pytest

from souche.app import access_keys
from souche.app.access_keys import Changes
from souche.app.context.region import Region
from souche.model.accounts import AccessKey, Principal
from souche.model.query import Condition, Query
from souche.refusals import NoSuchAccessKey
from souche.value_refusals import BadValue
from tests.support.region import START, ManualClock


@pytest.fixture
def key(region: Region, alice: Principal) -> AccessKey:
    return access_keys.create(region, alice, START + timedelta(days=1), "ci")[0]


def test_the_secret_is_sealed_at_rest_and_unseen_in_a_repr(region: Region, alice: Principal) -> None:
    key, secret = access_keys.create(region, alice)
    known = access_keys.lookup(region, key.access_key_id)
    assert (len(key.access_key_id), len(secret)) == (20, 40)
    assert secret.encode() not in key.sealed_secret
    assert known is not None
    assert known.secret == secret
    assert secret not in repr(known)


def test_an_unknown_key_is_not_found(region: Region) -> None:
    assert access_keys.lookup(region, "A" * 20) is None


def test_a_key_expires(region: Region, key: AccessKey, clock: ManualClock) -> None:
    clock.advance(days=1)
    known = access_keys.lookup(region, key.access_key_id)
    assert known is not None
    assert known.expired


def test_a_new_state_without_a_date_sets_the_key_to_not_expire(
    region: Region, alice: Principal, key: AccessKey, clock: ManualClock
) -> None:
    clock.advance(seconds=5)
    changed = access_keys.update(region, alice, key.access_key_id, Changes(active=False))
    assert (changed.active, changed.expiration_date, changed.tag) == (False, None, "ci")
    assert changed.last_modification_date == START + timedelta(seconds=5)
    assert access_keys.find(region, alice, Query((Condition("active", [False]),))) == [changed]
    known = access_keys.lookup(region, key.access_key_id)
    assert known is not None
    assert not known.active


def test_other_changes_leave_the_date(region: Region, alice: Principal, key: AccessKey) -> None:
    tagged = access_keys.update(region, alice, key.access_key_id, Changes(tag="new"))
    assert (tagged.tag, tagged.expiration_date) == ("new", key.expiration_date)
    clear = Changes(clear_tag=True, tag="unseen", clear_expiration_date=True, expiration_date=START)
    bare = access_keys.update(region, alice, key.access_key_id, clear)
    assert (bare.tag, bare.expiration_date) == (None, None)


def test_a_date_in_the_past_and_a_long_tag_are_refused(region: Region, alice: Principal) -> None:
    with pytest.raises(BadValue, match="expiration date"):
        access_keys.create(region, alice, START)
    with pytest.raises(BadValue, match="key tag"):
        access_keys.create(region, alice, tag="x" * 256)


def test_a_key_of_another_account_is_unknown(region: Region, bob: Principal, key: AccessKey) -> None:
    with pytest.raises(NoSuchAccessKey):
        access_keys.update(region, bob, key.access_key_id, Changes(active=False))
    with pytest.raises(NoSuchAccessKey):
        access_keys.delete(region, bob, key.access_key_id)


def test_a_deleted_key_opens_nothing(region: Region, alice: Principal, key: AccessKey) -> None:
    access_keys.delete(region, alice, key.access_key_id)
    assert access_keys.lookup(region, key.access_key_id) is None
    with pytest.raises(NoSuchAccessKey):
        access_keys.delete(region, alice, key.access_key_id)


def test_a_rehearsal_keeps_nothing(region: Region, alice: Principal) -> None:
    before = access_keys.find(region, alice, Query())
    access_keys.create(region.for_dry_run(), alice)
    assert access_keys.find(region, alice, Query()) == before
