import pytest

from souche.app import access_keys, accounts, official_images
from souche.app.context.region import Region
from souche.model.accounts import Principal
from souche.refusals import AccountAliasTaken, AccountNameTaken, ProvidersName
from souche.value_refusals import BadValue


def test_an_account_comes_with_a_key_that_opens(region: Region) -> None:
    account, key, secret = accounts.create(region, "alice", "Vendor")
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


@pytest.mark.parametrize(
    "name", ["Outscale", "OUTSCALE", "0utscale", "Out5ca1e", "OutscaIe", "out scale", "Oütscale"]
)
def test_the_providers_name_is_no_other_accounts(region: Region, name: str) -> None:
    """The public image of a second account of that alias came up first in every search for official images."""
    with pytest.raises(ProvidersName):
        accounts.create(region, "mallory", name)
    with pytest.raises(ProvidersName):
        accounts.create(region, name)


def test_letters_of_other_scripts_pass_for_none(region: Region) -> None:
    for name in ("\u041eutscale", "Outs\u0441ale", "Out\u200bscale", "\uff2futscale"):
        with pytest.raises(ProvidersName):
            accounts.create(region, name)
        with pytest.raises(BadValue, match="Latin"):
            accounts.create(region, "mallory", name)


def test_an_alias_is_that_of_one_account(region: Region) -> None:
    accounts.create(region, "vendor", "Société Générale")
    for alias in ("Société Générale", "SOCIETE GENERALE", "Societe-Genera1e"):
        with pytest.raises(AccountAliasTaken, match="vendor"):
            accounts.create(region, "other", alias)
    assert [each.name for each in accounts.every(region)] == ["vendor"]


def test_the_provider_is_made_once(region: Region) -> None:
    provider = official_images.provider(region)
    assert (provider.name, provider.alias) == ("outscale", "Outscale")
    assert official_images.provider(region) == provider
