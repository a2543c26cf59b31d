"""What accounts use of the region, for the operator."""

from collections import Counter
from collections.abc import Mapping

from souche.app import accounts
from souche.app.context.region import Region
from souche.db import usage
from souche.model.usage import Counts, Usage
from souche.storage.base import StoreFigures

NOBODY = ""
"""the owner of a disk without a record"""


def every(region: Region, stock: StoreFigures, account: str | None = None) -> list[Usage]:
    """The use of each account, oldest account first, or of one account by its name or id. `stock` has the sizes of the
    disks.

    Raises:
        NoSuchAccount.
    """
    wanted = accounts.every(region) if account is None else [accounts.known(region, account)]
    disk_ids = frozenset[str]().union(*stock.shares)
    with region.store.read() as connection:
        counts, owners = usage.counts(connection), usage.owners(connection, disk_ids)
    own, shared = _bytes_of(stock, owners)
    return [
        Usage(
            each.account_id,
            each.name,
            counts.get(each.account_id, Counts()),
            own[each.account_id],
            shared[each.account_id],
        )
        for each in wanted
    ]


def _bytes_of(stock: StoreFigures, owners: Mapping[str, str]) -> tuple[Counter[str], Counter[str]]:
    """The space that each account's disks take alone, and that they share with others or with the trash."""
    own: Counter[str] = Counter()
    shared: Counter[str] = Counter()
    for users, size_bytes in stock.shares.items():
        having = {NOBODY if each in stock.trashed else owners.get(each, NOBODY) for each in users}
        for account_id in having:
            (own if len(having) == 1 else shared)[account_id] += size_bytes
    return own, shared
