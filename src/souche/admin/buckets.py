"""Buckets of accounts."""

from souche.admin.action import Administered, Facts, action
from souche.app import accounts


@action
def create(at: Administered, name: str, account: str) -> Facts:
    """Make a bucket that one account alone reaches; one that it has already is left as it is."""
    owner = accounts.known(at.region, account)
    at.ensure_bucket(name, owner.account_id)
    return {"Bucket": name, "AccountId": owner.account_id}
