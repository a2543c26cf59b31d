"""The end of an account, for the operator.

Its row stays, under another name: so its id is never given to another account, and what records name it still find it.
Its name and its alias are free again.
"""

from collections.abc import Callable, Mapping
from typing import Final

from souche.app import (
    accounts,
    export_tasks,
    image_aliases,
    images,
    keypairs,
    product_types,
    public_ips,
    security_groups,
    snapshots,
    vm_transitions,
    vms,
    volumes,
)
from souche.app.context.region import Region
from souche.db import account_contents
from souche.db.transactions import Transaction
from souche.errors import Conflict
from souche.model.account_contents import Kind
from souche.model.accounts import PROVIDER_NAME, Account, Principal


class ProviderStays(Conflict):
    """The provider's account cannot be deleted: it owns the official images."""


class AccountNotEmpty(Conflict):
    """The account {account} still has {contents}. Delete them first, or use --with-everything."""


def contents(region: Region, account: Account) -> dict[Kind, list[str]]:
    """The ids of an account's resources, by kind, without empty kinds."""
    with region.store.read() as connection:
        return _contents(connection, account)


def _contents(connection: Transaction, account: Account) -> dict[Kind, list[str]]:
    found = {kind: account_contents.ids(connection, account.account_id, kind) for kind in Kind}
    return {kind: ids for kind, ids in found.items() if ids}


def begin(region: Region, account: Account) -> None:
    """Disable an account before its deletion, so that nothing new is made in it.

    Raises:
        ProviderStays.
    """
    _check_provider(account)
    accounts.set_disabled(region, account, disabled=True)


def delete_one(region: Region, account: Account, kind: Kind, resource_id: str) -> None:
    """Request the deletion of an account's resource, by the owner's rules, but without deletion protection. Buckets are
    not deleted here.

    Raises:
        The refusals that the owner would get.
    """
    _DELETIONS[kind](region, Principal(account.account_id), resource_id)


def finish(region: Region, account: Account) -> None:
    """Delete an account that has nothing any more, with its keys, rules, quotas and subscriptions.

    Raises:
        ProviderStays, AccountNotEmpty. NoSuchAccount: it is deleted already.
    """
    _check_provider(account)
    with region.begin() as work:
        if found := _contents(work.connection, account):
            listed = ", ".join(f"{kind.value} ({len(ids)})" for kind, ids in found.items())
            raise AccountNotEmpty(account=account.name, contents=listed)
        account_contents.erase(work.connection, account.account_id)
        accounts.change(
            work.connection,
            account,
            name=f"deleted {account.account_id}",
            alias=None,
            disabled=True,
            deletion_date=region.clock.now(),
        )


def _check_provider(account: Account) -> None:
    if account.name == PROVIDER_NAME:
        raise ProviderStays


def _cancel_export(region: Region, _who: Principal, task_id: str) -> None:
    """Cancel an export of the account's, or one of another account into its bucket."""
    task = export_tasks.get(region, task_id)
    export_tasks.cancel(region, Principal(task.account_id), task_id)


def _delete_vm(region: Region, who: Principal, vm_id: str) -> None:
    vms.update(region, who, vms.Change(vm_id, deletion_protection=False))
    vm_transitions.delete(region, who, [vm_id])


def _delete_group(region: Region, who: Principal, group_id: str) -> None:
    with region.begin() as work:
        account_contents.clear_rules(work.connection, who.account_id)
    security_groups.delete_by_id(region, who, group_id)


def _delete_product_type(region: Region, who: Principal, product_type_id: str) -> None:
    product_types.delete(region, who, product_type_id, force=True)


def _delete_public_ip(region: Region, who: Principal, public_ip_id: str) -> None:
    public_ips.delete(region, who, None, public_ip_id)


_DELETIONS: Final[Mapping[Kind, Callable[[Region, Principal, str], None]]] = {
    Kind.EXPORTS: _cancel_export,
    Kind.VMS: _delete_vm,
    Kind.PUBLIC_IPS: _delete_public_ip,
    Kind.IMAGE_ALIASES: image_aliases.delete,
    Kind.IMAGES: images.delete,
    Kind.VOLUMES: volumes.delete,
    Kind.SNAPSHOTS: snapshots.delete,
    Kind.KEYPAIRS: keypairs.delete_by_id,
    Kind.SECURITY_GROUPS: _delete_group,
    Kind.PRODUCT_TYPES: _delete_product_type,
}
