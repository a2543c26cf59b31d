"""The resources of all accounts, or of one, for the operator."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from souche.app import accounts
from souche.app.context.region import Region
from souche.db import inventory
from souche.db.transactions import Transaction
from souche.model.inventory import Listed

LISTS: Final[Mapping[str, Callable[[Transaction, str | None], Sequence[Listed]]]] = {
    "vm": inventory.list_vms,
    "volume": inventory.list_volumes,
    "snapshot": inventory.list_snapshots,
    "image": inventory.list_images,
    "bucket": inventory.list_buckets,
}


def listed(region: Region, noun: str, account: str | None) -> list[tuple[Listed, str]]:
    """The resources of a kind, oldest first, each with the name of its account; `account`: a name or an id.

    Raises:
        NoSuchAccount.
    """
    account_id = None if account is None else accounts.known(region, account).account_id
    with region.store.read() as connection:
        found = LISTS[noun](connection, account_id)
    names = {each.account_id: each.name for each in accounts.every(region)}
    return [(each, names.get(each.account_id, "")) for each in found]
