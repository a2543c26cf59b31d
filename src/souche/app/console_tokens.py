"""Tokens for the consoles of VMs: one lets its bearer open the console of one VM, once, within a minute.

A VM has one token at most: a new one replaces it. The records have its SHA-256 only. Any process of the region redeems
what any other has made, and of two that redeem the same token one gets it.
"""

from datetime import timedelta
from hashlib import sha256
from typing import Final

from souche.app import consoles
from souche.app.context import lookup
from souche.app.context.region import Region
from souche.db import console_tokens as records
from souche.model.accounts import Principal
from souche.model.console_tokens import ConsoleToken
from souche.refusals import BadConsoleToken

VALID: Final = timedelta(minutes=1)


def create(region: Region, who: Principal, vm_id: str) -> ConsoleToken:
    """A token for a running VM of the caller's.

    Raises:
        NoSuchVm, WrongVmState.
    """
    made = ConsoleToken(vm_id, region.ids.secret_key(), region.clock.now() + VALID)
    with region.begin() as work:
        consoles.check_state(lookup.own_vm(work.connection, who, vm_id))
        records.put(work.connection, vm_id, _digest(made.token), made.expiration_date)
    return made


def redeem(region: Region, token: str) -> str:
    """The VM whose console the bearer may open now. The token is used up even if this is refused.

    Raises:
        BadConsoleToken: it was used, has expired, was replaced, or never existed.
        WrongVmState: the VM is no longer running.
    """
    with region.begin() as work:
        found = records.take(work.connection, _digest(token))
    if found is None or found[1] <= region.clock.now():
        raise BadConsoleToken
    vm_id, _ = found
    consoles.check_running(region, vm_id)
    return vm_id


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
