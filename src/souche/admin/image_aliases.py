"""Aliases of images."""

from souche.admin.action import Administered, Facts, action
from souche.admin.which_account import WhichAccount
from souche.api import image_aliases as views
from souche.app import accounts, image_aliases, image_lives
from souche.app.context.region import Region
from souche.model.accounts import Principal
from souche.model.image_aliases import ImageAlias, parsed
from souche.refusals import NoSuchImageAlias


@action
def assign(at: Administered, name: str, image_id: str, account: str | None) -> Facts:
    """Point an alias of an account, or of the image's owner, to an image."""
    return views.view(image_aliases.assign(at.region, _owner(at.region, image_id, account), name, image_id))


@action
def every(at: Administered, account: str | None) -> list[Facts]:
    """All aliases, or those of an account."""
    owner = accounts.known(at.region, account).account_id if account is not None else None
    return [views.view(each) for each in image_aliases.every(at.region) if owner in (None, each.account_id)]


@action
def known(at: Administered, name: str, account: str | None) -> Facts:
    """An alias, with its history."""
    return views.view(_chosen(at.region, name, account))


@action
def roll_back(at: Administered, name: str, account: str | None) -> Facts:
    """Point an alias to its previous image."""
    alias = _chosen(at.region, name, account)
    return views.view(image_aliases.roll_back(at.region, Principal(alias.account_id), alias.alias_id))


@action
def delete(at: Administered, name: str, account: str | None) -> Facts:
    """Delete an alias. Returns the deleted alias."""
    alias = _chosen(at.region, name, account)
    image_aliases.delete(at.region, Principal(alias.account_id), alias.alias_id)
    return views.view(alias)


def _owner(region: Region, image_id: str, account: str | None) -> Principal:
    if account is not None:
        return Principal(accounts.known(region, account).account_id)
    return Principal(image_lives.of_image(region, image_id).image.account_id)


def _chosen(region: Region, text: str, account: str | None) -> ImageAlias:
    """The alias with this name: of the given account, else the only one.

    Raises:
        NoSuchImageAlias, NoSuchAccount. WhichAccount: several accounts have it.
    """
    name = parsed(text)
    if name is None:
        raise NoSuchImageAlias(alias=text)
    owner = name.account_id if account is None else accounts.known(region, account).account_id
    same = [each for each in image_aliases.every(region) if each.alias_id == name.alias_id(each.account_id)]
    found = [each for each in same if owner in (None, each.account_id)]
    if not found:
        raise NoSuchImageAlias(alias=text)
    if len(found) > 1:
        raise WhichAccount
    return found[0]
