"""The access keys that the region's object store lets in: those of its accounts, as they come and go, by the API, by
`souche account create`, or by their expiration dates."""

from souche.db import access_keys
from souche.objects.oos import AccountKey
from souche.workflows.parts import Parts


def sync(parts: Parts) -> None:
    """Let in what is usable now, and nothing else."""
    oos = parts.buckets.oos
    if oos is None or not oos.capabilities.knows_accounts:
        return
    with parts.store.read() as connection:
        usable = access_keys.usable(connection, parts.clock.now())
    oos.sync_keys(
        AccountKey(key.account_id, key.access_key_id, parts.vault.unseal(key.sealed_secret)) for key in usable
    )
