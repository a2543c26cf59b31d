"""The quotas of an account, with their defaults.

Source: reference section 8. The names `vm_limit`, `image_export_limit` and `snapshot_export_limit` are the real
service's, and so are the observed values of the last two. All other names and values are ours.

A snapshot counts with the size of its disk, as ReadSnapshots shows it: its space on the medium depends on the data that
it shares with others, and changes when they are deleted.
"""

from dataclasses import dataclass
from typing import Final

NO_LIMIT: Final = 0
"""As `MaxValue` (specification, Quota)."""


@dataclass(frozen=True)
class Quota:
    """One quota. `unit`: how many of the counted units make one unit of `default` and the API."""

    name: str
    short_description: str
    description: str
    collection: str
    default: int
    unit: int = 1


IMAGES: Final = Quota("image_limit", "Image Limit", "Maximum number of images", "Images", 1_000)
IMAGE_EXPORTS: Final = Quota(
    "image_export_limit", "Image Exports Limit", "Maximum number of image exports under way", "Images", 3
)
SNAPSHOTS: Final = Quota("snapshot_limit", "Snapshot Limit", "Maximum number of snapshots", "Volumes", 10_000)
SNAPSHOT_SIZE: Final = Quota(
    "snapshot_size_limit", "Snapshot Size Limit", "Maximum size of all snapshots, in GiB", "Volumes", 200_000
)
SNAPSHOT_EXPORTS: Final = Quota(
    "snapshot_export_limit",
    "Snapshot Exports Limit",
    "Maximum number of snapshot exports under way",
    "Volumes",
    10,
)
VOLUMES: Final = Quota("volume_limit", "Volume Limit", "Maximum number of volumes", "Volumes", 2_000)
VOLUME_SIZE: Final = Quota(
    "volume_size_limit", "Volume Size Limit", "Maximum size of all volumes, in GiB", "Volumes", 200_000
)
IOPS: Final = Quota("iops_limit", "IOPS Limit", "Maximum IOPS of all io1 volumes", "Volumes", 200_000)
VMS: Final = Quota("vm_limit", "VM Limit", "Maximum number of VMs", "Compute", 1_000)
CORES: Final = Quota("core_limit", "Core Limit", "Maximum number of vCores of all VMs", "Compute", 2_000)
MEMORY: Final = Quota(
    "memory_limit", "Memory Limit", "Maximum memory of all VMs, in GiB", "Compute", 8_000, unit=1024
)
KEYPAIRS: Final = Quota("keypair_limit", "Keypair Limit", "Maximum number of keypairs", "Compute", 1_000)
PUBLIC_IPS: Final = Quota("eip_limit", "Public IP Limit", "Maximum number of public IPs", "Compute", 100)
SECURITY_GROUPS: Final = Quota(
    "security_group_limit", "Security Group Limit", "Maximum number of security groups", "Compute", 500
)
BUCKETS: Final = Quota("bucket_limit", "Bucket Limit", "Maximum number of buckets", "Buckets", 100)
IMAGE_ALIASES: Final = Quota(
    "image_alias_limit", "Image Alias Limit", "Maximum number of image aliases", "Images", 100
)

QUOTAS: Final = (
    IMAGES,
    IMAGE_EXPORTS,
    SNAPSHOTS,
    SNAPSHOT_SIZE,
    SNAPSHOT_EXPORTS,
    VOLUMES,
    VOLUME_SIZE,
    IOPS,
    VMS,
    CORES,
    MEMORY,
    KEYPAIRS,
    PUBLIC_IPS,
    SECURITY_GROUPS,
    BUCKETS,
    IMAGE_ALIASES,
)


@dataclass(frozen=True)
class Usage:
    """A quota of an account, and how much of it is used."""

    quota: Quota
    limit: int
    used: int
