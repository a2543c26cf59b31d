"""The state of a region, and the usage of accounts."""

from souche.admin.action import Administered, Facts, action
from souche.app import figures
from souche.app import usage as usages
from souche.model.usage import Usage
from souche.storage.base import StoreFigures


@action
def of_region(at: Administered) -> Facts:
    """The state of a region from its records and disks. `IsServed`, `HasOwnFile` (the records are in SQLite) and
    `DatabaseBytes` are for the command; the rest is shown."""
    found = figures.read(at.region)
    store = at.region.store
    with store.read() as connection:
        size_bytes = store.database.size_bytes(connection)
    return {
        "IsServed": at.is_served(),
        "HasOwnFile": store.database.is_local,
        "DatabaseBytes": size_bytes,
        "ReserveBytes": at.region.room.reserve_bytes,
        **_disks(at.volumes.stock()),
        "Vms": dict(found.vms),
        "UnderWay": [
            {"Kind": each.workflow, "Count": each.count, "OldestSeconds": round(each.oldest_seconds, 1)}
            for each in found.under_way
        ],
    }


@action
def usage(at: Administered, account: str | None) -> list[Facts]:
    """The usage of each account, or of one."""
    return [_usage(each) for each in usages.every(at.region, at.volumes.stock(), account)]


def _disks(stock: StoreFigures) -> Facts:
    trash_bytes = sum(size for users, size in stock.shares.items() if users and users <= stock.trashed)
    return {
        "Layers": {
            "Count": stock.layers,
            "OwnBytes": stock.own_bytes,
            "SharedBytes": stock.shared_bytes,
            "UnnamedBytes": stock.unnamed_bytes,
            "LongestChain": max(stock.files.values(), default=0),
        },
        "Trash": {"Disks": len(stock.trashed), "Bytes": trash_bytes},
    }


def _usage(usage: Usage) -> Facts:
    counts = usage.counts
    return {
        "Account": usage.account,
        "AccountId": usage.account_id,
        "Vms": counts.vms,
        "Volumes": counts.volumes,
        "VolumeGib": counts.volume_gib,
        "Snapshots": counts.snapshots,
        "Images": counts.images,
        "OwnBytes": usage.own_bytes,
        "SharedBytes": usage.shared_bytes,
        "Exports": counts.exports,
        "ExportBytes": counts.export_bytes,
    }
