"""An account is deleted when it has nothing (docs/operating.md)."""

import pytest

from souche.app import account_deletion, accounts, image_aliases, keypairs, public_ips, security_groups
from souche.app.account_deletion import AccountNotEmpty, ProviderStays
from souche.app.context.region import Region
from souche.db import access_keys
from souche.model.account_contents import Kind
from souche.model.accounts import Account, Principal
from souche.model.query import Query
from souche.refusals import NoSuchAccount
from tests.support import resources


@pytest.fixture
def account(region: Region, alice: Principal) -> Account:
    return accounts.known(region, alice.account_id)


def test_what_an_account_has_is_told_by_kind(region: Region, alice: Principal, account: Account) -> None:
    assert account_deletion.contents(region, account) == {}
    keypair, _pem = keypairs.create(region, alice, "laptop")
    group = security_groups.create(region, alice, "web", "web")
    address = public_ips.create(region, alice)
    image = resources.make_image(region, alice)
    image_aliases.create(region, alice, "mine@stable", image.image_id)
    found = account_deletion.contents(region, account)
    assert found[Kind.KEYPAIRS] == [keypair.keypair_id]
    assert found[Kind.SECURITY_GROUPS] == [group.security_group_id]
    assert found[Kind.PUBLIC_IPS] == [address.public_ip_id]
    assert found[Kind.IMAGES] == [image.image_id]
    assert found[Kind.IMAGE_ALIASES] == ["mine@stable"]
    with pytest.raises(AccountNotEmpty, match=r"public IPs \(1\), image aliases \(1\), images \(1\)"):
        account_deletion.finish(region, account)
    for kind in (Kind.PUBLIC_IPS, Kind.IMAGE_ALIASES, Kind.IMAGES, Kind.KEYPAIRS, Kind.SECURITY_GROUPS):
        account_deletion.delete_one(region, account, kind, found[kind][0])
    assert set(account_deletion.contents(region, account)) <= {Kind.SNAPSHOTS}


def test_an_account_leaves_its_id_and_nothing_that_opens(
    region: Region, alice: Principal, account: Account
) -> None:
    account_deletion.finish(region, account)
    assert accounts.get(region, alice) is None
    with region.store.read() as connection:
        assert access_keys.find(connection, alice.account_id, Query()) == []
    again, _key, _secret = accounts.create(region, account.name, account.alias)
    assert again.account_id != account.account_id


def test_an_account_is_deleted_once(region: Region, account: Account) -> None:
    account_deletion.finish(region, account)
    with pytest.raises(NoSuchAccount):
        account_deletion.finish(region, account)


def test_the_providers_account_is_never_deleted(region: Region) -> None:
    provider, _key, _secret = accounts.create(region, "outscale", "Outscale")
    for refused in (account_deletion.begin, account_deletion.finish):
        with pytest.raises(ProviderStays):
            refused(region, provider)
