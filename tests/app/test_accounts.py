import pytest

from souche.app import access_keys, accounts
from souche.app.region import Region
from souche.model.accounts import Principal
from souche.refusals import AccountNameTaken, BadValue


def test_an_account_comes_with_a_key_that_opens(region: Region) -> None:
    account, key, secret = accounts.create(region, "alice", "Outscale")
    known = access_keys.lookup(region, key.access_key_id)
    assert known == access_keys.KnownKey(account.account_id, secret, active=True, expired=False)
    assert accounts.named(region, "alice") == account
    assert accounts.get(region, Principal(account.account_id)) == account


def test_names_are_unique_and_all_accounts_are_listed(region: Region) -> None:
    made = [accounts.create(region, name)[0] for name in ("alice", "bob")]
    with pytest.raises(AccountNameTaken, match="'alice'"):
        accounts.create(region, "alice")
    assert {account.account_id for account in accounts.every(region)} == {one.account_id for one in made}
    assert accounts.named(region, "carol") is None


@pytest.mark.parametrize(("name", "alias"), [("", None), ("x" * 256, None), ("x", "")])
def test_a_name_or_an_alias_that_is_empty_or_too_long_is_refused(
    region: Region, name: str, alias: str | None
) -> None:
    with pytest.raises(BadValue):
        accounts.create(region, name, alias)
