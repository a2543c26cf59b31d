"""Gives the region's object store the access keys that are valid now. They change through the API, `souche account
create` and expiration dates."""

from souche.db import access_keys
from souche.model.accounts import AccessKey
from souche.objects.oos import AccountKey
from souche.reconcile.each import each
from souche.workflows.parts import Parts


def sync(parts: Parts) -> None:
    """Admit exactly the keys that are usable now."""
    oos = parts.buckets.oos
    if oos is None or not oos.capabilities.knows_accounts:
        return
    with parts.store.read() as connection:
        usable = access_keys.usable(connection, parts.clock.now())

    def account_key(key: AccessKey) -> AccountKey:
        return AccountKey(key.account_id, key.access_key_id, parts.vault.unseal(key.sealed_secret))

    keys = each(usable, account_key, lambda key: key.access_key_id)
    if keys or not usable:  # with a wrong vault.key no key can be decrypted: keep the store's keys
        oos.sync_keys(keys)
