"""Notices of accounts about images."""

from souche.admin import which_account
from souche.admin.action import Administered, Facts, action
from souche.api import notices as views
from souche.app import notices
from souche.model.query import Query


@action
def of_account(at: Administered, account: str | None) -> list[Facts]:
    """The notices of an account; None: of the only one."""
    who = which_account.who(at.region, account)
    return [views.view(each) for each in notices.find(at.region, who, Query()).resources]
