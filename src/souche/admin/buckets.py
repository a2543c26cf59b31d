"""Buckets of accounts."""

from souche.admin.action import Administered, Facts, action
from souche.app import accounts


@action
def create(at: Administered, name: str, account: str) -> Facts:
    """Make a bucket that only one account reaches; one that it has already is left alone."""
    owner = accounts.known(at.region, account)
    at.ensure_bucket(name, owner.account_id)
    return {"Bucket": name, "AccountId": owner.account_id}
