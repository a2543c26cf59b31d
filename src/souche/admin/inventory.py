"""Lists of the resources of all accounts."""

from dataclasses import asdict
from datetime import datetime

from souche.admin.action import Administered, Facts, action
from souche.api.protocol import dates
from souche.app import inventory
from souche.model.inventory import Listed


@action
def listed(at: Administered, noun: str, account: str | None) -> list[Facts]:
    """The resources of a kind, oldest first, each with the id and the name of its account; or those of one account."""
    return [_facts(each, name) for each, name in inventory.listed(at.region, noun, account)]


def _facts(each: Listed, account: str) -> Facts:
    """By the API's names, with the account's name after its id."""
    facts: Facts = {}
    for name, value in asdict(each).items():
        facts[_api_name(name)] = dates.shown(value) if isinstance(value, datetime) else value
        if name == "account_id":
            facts["Account"] = account
    return facts


def _api_name(field: str) -> str:
    return "".join(part.capitalize() for part in field.split("_"))
