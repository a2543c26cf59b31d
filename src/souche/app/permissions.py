"""Changes to the grants of an image or a snapshot."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from souche.db import image_lives
from souche.db.transactions import Transaction
from souche.refusals import WrongLife
from souche.value_refusals import BadValue, MalformedAccountId
from souche.words import Term

# Our limit, far above what clients send: all ids go into one statement.
MAX_ACCOUNT_IDS = 1000
ACCOUNT_ID = re.compile(r"[0-9]{12}")


@dataclass(frozen=True)
class PermissionsChange:
    """Grants to add, or to remove with `removal`. `everybody` is the global permission."""

    removal: bool
    account_ids: tuple[str, ...] = ()
    everybody: bool = False


def check_account_ids(account_ids: Sequence[str]) -> None:
    """Refuse anything that is not an account id: 12 digits. The account need not exist.

    Raises:
        MalformedAccountId, BadValue: there are too many.
    """
    if len(account_ids) > MAX_ACCOUNT_IDS:
        raise BadValue(parameter=Term.ACCOUNT_IDS, reason=f"at most {MAX_ACCOUNT_IDS} at a time are accepted")
    for account_id in account_ids:
        if not ACCOUNT_ID.fullmatch(account_id):
            raise MalformedAccountId(account_id=account_id)


def check_open(connection: Transaction, image_id: str) -> None:
    """Refuse to share or unshare an image that the operator has closed (`souche image withdraw --now`): its permissions
    are stored elsewhere.

    Raises:
        WrongLife.
    """
    life = image_lives.get(connection, image_id)
    if life is not None and life.closing_date is not None:
        reason = "the region's operator has closed it, so its permissions cannot be changed."
        raise WrongLife(image_id=image_id, life="withdrawn", reason=reason)
