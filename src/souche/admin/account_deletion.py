"""Deleting an account, with what it has."""

import time
from typing import Final

from souche.admin.action import Administered, action
from souche.app import account_deletion, accounts
from souche.errors import Conflict, UserError
from souche.model.account_contents import Kind
from souche.model.accounts import Account

POLL_SECONDS: Final = 0.25
PATIENT_SECONDS: Final = 300.0
"""without any progress"""


class NeedsServer(Conflict):
    """What an account has is deleted by the region's server, and none runs: start it (`souche serve`)."""


class Stuck(Conflict):
    """These are still there, after {seconds:g} s without progress: {kind} ({ids})."""


@action
def delete(at: Administered, account: str, *, with_everything: bool) -> None:
    """Delete an account: an empty one, or with what it has. Broken off, it is done again from where it was."""
    found = accounts.known(at.region, account)
    if with_everything and account_deletion.contents(at.region, found):
        if not at.is_served():
            raise NeedsServer
        account_deletion.begin(at.region, found)
        for kind in Kind:
            _delete_all(at, found, kind)
        found = accounts.known(at.region, found.account_id)
    account_deletion.finish(at.region, found)


def _delete_all(at: Administered, account: Account, kind: Kind) -> None:
    """Delete everything of a kind, and wait until it is gone. What is refused is tried again: work on it may be under
    way."""
    since, before, most = time.monotonic(), None, 0
    while left := account_deletion.contents(at.region, account).get(kind):
        most = max(most, len(left))
        at.listener.step(f"deleting {kind.value}: {len(left)} left", 1 - len(left) / most)
        at.listener.check()
        refused = _request(at, account, kind, left)
        if left != before:
            since, before = time.monotonic(), left
        elif time.monotonic() - since > PATIENT_SECONDS:
            raise refused or Stuck(seconds=PATIENT_SECONDS, kind=kind.value, ids=", ".join(left[:10]))
        time.sleep(POLL_SECONDS)


def _request(at: Administered, account: Account, kind: Kind, left: list[str]) -> UserError | None:
    """Request the deletion of each; the last refusal."""
    refused = None
    for resource_id in left:
        try:
            account_deletion.delete_one(at.region, account, kind, resource_id)
        except UserError as error:
            refused = error
    return refused
