"""Quotas of accounts, checked in the transaction that adds to them, so that two concurrent requests cannot exceed one
together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from souche.app.context.region import Region, Work
from souche.db import quotas as records
from souche.errors import QuotaExceeded
from souche.model import quotas
from souche.model.accounts import Account, Principal
from souche.model.quotas import NO_LIMIT, QUOTAS, Quota, Usage
from souche.model.snapshots import Snapshot
from souche.quota_refusals import (
    TooManyBuckets,
    TooManyCores,
    TooManyImageAliases,
    TooManyImageExports,
    TooManyImages,
    TooManyIops,
    TooManyKeypairs,
    TooManyPublicIps,
    TooManySecurityGroups,
    TooManySnapshotExports,
    TooManySnapshots,
    TooManyVms,
    TooManyVolumes,
    TooMuchMemory,
    TooMuchSnapshotSize,
    TooMuchVolumeSize,
)
from souche.refusals import NoSuchQuota
from souche.value_refusals import BadValue
from souche.words import Term

Need: TypeAlias = Counter[Quota]
"""How much of each quota a resource uses, in the quota's units."""

MOST: Final = 2**53
"""The largest limit: every JSON reader represents it exactly."""

REFUSALS: Final[Mapping[Quota, type[QuotaExceeded]]] = {
    quotas.IMAGES: TooManyImages,
    quotas.IMAGE_EXPORTS: TooManyImageExports,
    quotas.SNAPSHOTS: TooManySnapshots,
    quotas.SNAPSHOT_SIZE: TooMuchSnapshotSize,
    quotas.SNAPSHOT_EXPORTS: TooManySnapshotExports,
    quotas.VOLUMES: TooManyVolumes,
    quotas.VOLUME_SIZE: TooMuchVolumeSize,
    quotas.IOPS: TooManyIops,
    quotas.VMS: TooManyVms,
    quotas.CORES: TooManyCores,
    quotas.MEMORY: TooMuchMemory,
    quotas.KEYPAIRS: TooManyKeypairs,
    quotas.PUBLIC_IPS: TooManyPublicIps,
    quotas.SECURITY_GROUPS: TooManySecurityGroups,
    quotas.BUCKETS: TooManyBuckets,
    quotas.IMAGE_ALIASES: TooManyImageAliases,
}


def of_image(snapshots: Sequence[Snapshot]) -> Need:
    """An image's use of quotas, with these new snapshots."""
    return sum(map(of_snapshot, snapshots), start=Counter({quotas.IMAGES: 1}))


def of_snapshot(snapshot: Snapshot) -> Need:
    """A snapshot's use of quotas."""
    return Counter({quotas.SNAPSHOTS: 1, quotas.SNAPSHOT_SIZE: snapshot.volume_size_gib})


def of_volume(size_gib: int, iops: int | None) -> Need:
    """A volume's use of quotas; `iops` is an io1 volume's."""
    return Counter({quotas.VOLUMES: 1, quotas.VOLUME_SIZE: size_gib, quotas.IOPS: iops or 0})


def of_vm(vcpus: int, memory_mib: int) -> Need:
    """A VM's use of quotas, without its volumes."""
    return Counter({quotas.VMS: 1, quotas.CORES: vcpus, quotas.MEMORY: memory_mib})


def of_image_export() -> Need:
    """An image export's use of quotas while it is under way."""
    return Counter({quotas.IMAGE_EXPORTS: 1})


def of_snapshot_export() -> Need:
    """A snapshot export's use of quotas while it is under way."""
    return Counter({quotas.SNAPSHOT_EXPORTS: 1})


def of_keypair() -> Need:
    """A key pair's use of quotas."""
    return Counter({quotas.KEYPAIRS: 1})


def of_public_ip() -> Need:
    """A public IP's use of quotas."""
    return Counter({quotas.PUBLIC_IPS: 1})


def of_security_group() -> Need:
    """A security group's use of quotas."""
    return Counter({quotas.SECURITY_GROUPS: 1})


def of_image_alias() -> Need:
    """An image alias's use of quotas."""
    return Counter({quotas.IMAGE_ALIASES: 1})


def of_bucket() -> Need:
    """A bucket's use of quotas."""
    return Counter({quotas.BUCKETS: 1})


def check(work: Work, who: Principal, need: Need) -> None:
    """Refuse what would exceed a quota of the account.

    Raises:
        QuotaExceeded: by the class for that quota.
    """
    fitting(work, who, need, least=1, most=1)


def fitting(work: Work, who: Principal, need: Need, *, least: int, most: int) -> int:
    """How many times `need` fits into the account's quotas, up to `most`.

    Raises:
        QuotaExceeded: fewer than `least` times, by the class for the limiting quota.
    """
    records.lock(work.connection, who.account_id)
    limits = records.limits(work.connection, who.account_id)
    for quota, amount in need.items():
        limit = limits.get(quota.name, quota.default)
        if limit == NO_LIMIT or amount <= 0:
            continue
        room = limit * quota.unit - records.used(work.connection, who.account_id, quota.name)
        if room < least * amount:
            raise REFUSALS[quota](limit=limit)
        most = min(most, room // amount)
    return most


def usage(region: Region, account_id: str) -> list[Usage]:
    """All quotas of an account."""
    with region.store.read() as connection:
        limits = records.limits(connection, account_id)
        return [
            Usage(
                quota=quota,
                limit=limits.get(quota.name, quota.default),
                used=-(-records.used(connection, account_id, quota.name) // quota.unit),
            )
            for quota in QUOTAS
        ]


def set_limit(region: Region, account: Account, name: str, limit: int) -> None:
    """Set a limit of an account. Existing resources above the limit stay.

    Raises:
        NoSuchQuota, BadValue: the limit is negative, or no number of JSON's.
    """
    if name not in [quota.name for quota in QUOTAS]:
        raise NoSuchQuota(name=name, known=", ".join(quota.name for quota in QUOTAS))
    if not 0 <= limit <= MOST:
        raise BadValue(parameter=Term.QUOTA_VALUE, reason=f"0 (no limit) to {MOST} is expected")
    with region.begin() as work:
        records.set_limit(work.connection, account.account_id, name, limit)
