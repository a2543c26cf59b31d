"""Key pairs of accounts."""

from souche.admin.action import Administered, action
from souche.app import accounts, keypairs
from souche.model.accounts import Principal


@action
def import_if_missing(at: Administered, account: str, name: str, public_key: str) -> str:
    """Import a key pair by its public half, unless the account has it under this name. Gives its id."""
    owner = Principal(accounts.known(at.region, account).account_id)
    return keypairs.import_if_missing(at.region, owner, name, public_key.encode()).keypair_id
