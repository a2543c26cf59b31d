"""The kinds of an account's resources."""

from enum import StrEnum


class Kind(StrEnum):
    """In the order in which they are deleted: what holds others first. The value is the plural that people read."""

    EXPORTS = "exports under way"
    VMS = "VMs"
    PUBLIC_IPS = "public IPs"
    IMAGE_ALIASES = "image aliases"
    IMAGES = "images"
    VOLUMES = "volumes"
    SNAPSHOTS = "snapshots"
    KEYPAIRS = "key pairs"
    SECURITY_GROUPS = "security groups"
    PRODUCT_TYPES = "product types"
    BUCKETS = "buckets"
