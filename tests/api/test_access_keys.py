from functools import partial
from typing import Any

import pytest

from souche.api.access_keys import create_access_key, delete_access_key, read_access_keys, update_access_key
from souche.app import access_keys
from souche.app.context.region import Region
from souche.http.auth import KeyLookup
from souche.model.accounts import Principal
from souche.refusals import NoSuchAccessKey
from tests.support.client import Client, absent, missing, unsupported, value
from tests.support.region import ManualClock, call
from tests.support.requests import filled


def create(region: Region, who: Principal, **request: object) -> dict[str, Any]:
    answer: dict[str, Any] = dict(create_access_key(call(region, who, **request)))
    key: dict[str, Any] = answer["AccessKey"]
    return key


def read(region: Region, who: Principal, **request: object) -> list[dict[str, Any]]:
    answer: dict[str, Any] = dict(read_access_keys(call(region, who, **request)))
    keys: list[dict[str, Any]] = answer["AccessKeys"]
    return keys


def test_a_new_key_opens_and_is_shown_without_its_secret_later(region: Region, alice: Principal) -> None:
    lookup: KeyLookup = partial(access_keys.lookup, region)
    key = create(region, alice, ExpirationDate="2063-04-05", Tag="Group1")
    known = lookup(key["AccessKeyId"])
    assert known is not None
    assert known.secret == key.pop("SecretKey")
    assert read(region, alice, Tag="Group1") == [key]
    assert key == {
        "AccessKeyId": key["AccessKeyId"],
        "CreationDate": "2026-11-24T10:00:00.000+0000",
        "ExpirationDate": "2063-04-05T00:00:00.000+0000",
        "LastModificationDate": "2026-11-24T10:00:00.000+0000",
        "State": "ACTIVE",
        "Tag": "Group1",
    }


def test_what_is_not_set_is_not_shown(region: Region, alice: Principal) -> None:
    assert {"ExpirationDate", "Tag"}.isdisjoint(create(region, alice))


def test_keys_are_found_by_state_and_id_in_their_own_account(
    region: Region, alice: Principal, bob: Principal
) -> None:
    key_id = create(region, alice)["AccessKeyId"]
    update_access_key(call(region, alice, AccessKeyId=key_id, State="INACTIVE"))
    assert [key["AccessKeyId"] for key in read(region, alice, Filters={"States": ["INACTIVE"]})] == [key_id]
    assert [key["State"] for key in read(region, alice, Filters={"AccessKeyIds": [key_id]})] == ["INACTIVE"]
    assert read(region, bob, Filters={"AccessKeyIds": [key_id]}) == []


def test_an_update_changes_tag_and_date_and_tells_when(
    region: Region, alice: Principal, clock: ManualClock
) -> None:
    key_id = create(region, alice, ExpirationDate="2063-04-05T02:00:00+02:00", Tag="a")["AccessKeyId"]
    clock.advance(seconds=1)
    request = {"AccessKeyId": key_id, "Tag": "b", "ClearExpirationDate": True}
    changed: Any = update_access_key(call(region, alice, **request))["AccessKey"]
    assert changed["LastModificationDate"] == "2026-11-24T10:00:01.000+0000"
    assert (changed["Tag"], "ExpirationDate" in changed) == ("b", False)


def test_a_deleted_key_is_unknown(region: Region, alice: Principal) -> None:
    key_id = create(region, alice)["AccessKeyId"]
    assert delete_access_key(call(region, alice, AccessKeyId=key_id)) == {}
    with pytest.raises(NoSuchAccessKey):
        delete_access_key(call(region, alice, AccessKeyId=key_id))


def test_secrets_are_told_at_creation_only(region: Region, alice: Principal) -> None:
    key = create(region, alice)
    assert len(key["SecretKey"]) == 40
    changed: Any = update_access_key(call(region, alice, AccessKeyId=key["AccessKeyId"], State="INACTIVE"))
    for told in (changed["AccessKey"], *read(region, alice)):
        assert "SecretKey" not in told


REFUSED = [
    ("CreateAccessKey", {"ExpirationDate": "tomorrow"}, value(4047), "ExpirationDate"),
    ("CreateAccessKey", {"ExpirationDate": "2020-01-01"}, value(4047), "in the past"),
    ("CreateAccessKey", {"Tag": "t" * 256}, value(4047), "255 characters"),
    ("CreateAccessKey", {"UserName": "example-user"}, unsupported(8000), "UserName"),
    ("UpdateAccessKey", {"AccessKeyId": "<own>", "State": "active"}, value(4047), "State"),
    ("UpdateAccessKey", {"AccessKeyId": "<own>", "ExpirationDate": "2020-01-01"}, value(4047), "in the past"),
    ("UpdateAccessKey", {"AccessKeyId": "A" * 20, "State": "ACTIVE"}, absent(5027), "A" * 20),
    ("UpdateAccessKey", {"AccessKeyId": "<foreign>", "State": "ACTIVE"}, absent(5027), "doesn't exist"),
    ("UpdateAccessKey", {"State": "ACTIVE"}, missing(7007), "AccessKeyId"),
    ("DeleteAccessKey", {"AccessKeyId": "A" * 20}, absent(5027), "A" * 20),
    ("DeleteAccessKey", {"AccessKeyId": "<foreign>"}, absent(5027), "doesn't exist"),
    ("DeleteAccessKey", {}, missing(7007), "AccessKeyId"),
]


@pytest.mark.parametrize(("action", "request_", "row", "said"), REFUSED)
def test_a_bad_key_date_state_or_tag_is_refused_with_its_code(
    client: Client,
    bob: Principal,
    action: str,
    request_: dict[str, object],
    row: tuple[int, str, str],
    said: str,
) -> None:
    keys = {"own": client.who.access_key_id, "foreign": bob.access_key_id}
    refusal = client.refusal(action, **filled(request_, keys))
    assert refusal.row == row
    assert said in refusal.details
