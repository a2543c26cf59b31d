from functools import partial
from typing import Any

import pytest

from souche.api.access_keys import create_access_key, delete_access_key, read_access_keys, update_access_key
from souche.app import access_keys
from souche.app.region import Region
from souche.http.auth import KeyLookup
from souche.model.accounts import Principal
from souche.refusals import BadValue, NoSuchAccessKey, ParameterNotSupported
from tests.support.region import ManualClock, call


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


def test_filters(region: Region, alice: Principal, bob: Principal) -> None:
    key_id = create(region, alice)["AccessKeyId"]
    update_access_key(call(region, alice, AccessKeyId=key_id, State="INACTIVE"))
    assert [key["AccessKeyId"] for key in read(region, alice, Filters={"States": ["INACTIVE"]})] == [key_id]
    assert [key["State"] for key in read(region, alice, Filters={"AccessKeyIds": [key_id]})] == ["INACTIVE"]
    assert read(region, bob, Filters={"AccessKeyIds": [key_id]}) == []


def test_update(region: Region, alice: Principal, clock: ManualClock) -> None:
    key_id = create(region, alice, ExpirationDate="2063-04-05T02:00:00+02:00", Tag="a")["AccessKeyId"]
    clock.advance(seconds=1)
    request = {"AccessKeyId": key_id, "Tag": "b", "ClearExpirationDate": True}
    changed: Any = update_access_key(call(region, alice, **request))["AccessKey"]
    assert changed["LastModificationDate"] == "2026-11-24T10:00:01.000+0000"
    assert (changed["Tag"], "ExpirationDate" in changed) == ("b", False)


def test_delete(region: Region, alice: Principal) -> None:
    key_id = create(region, alice)["AccessKeyId"]
    assert delete_access_key(call(region, alice, AccessKeyId=key_id)) == {}
    with pytest.raises(NoSuchAccessKey):
        delete_access_key(call(region, alice, AccessKeyId=key_id))


def test_refusals(region: Region, alice: Principal) -> None:
    with pytest.raises(BadValue, match="ExpirationDate"):
        create(region, alice, ExpirationDate="tomorrow")
    with pytest.raises(ParameterNotSupported, match="UserName"):
        create(region, alice, UserName="example-user")
    with pytest.raises(BadValue, match="State"):
        update_access_key(call(region, alice, AccessKeyId="A" * 20, State="active"))
