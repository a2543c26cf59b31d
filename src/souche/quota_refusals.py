"""Refusals of requests that exceed a limit of the account or of the region: see `refusals.py`.

Source: reference "Error families", 10xxx.
"""

from souche.errors import QuotaExceeded


class TooManyConcurrentSnapshots(QuotaExceeded):
    """At most {limit} snapshots can be made at the same time."""


class TooManyVms(QuotaExceeded):
    """The account may have at most {limit} VMs."""


class TooManyVolumes(QuotaExceeded):
    """The account may have at most {limit} volumes."""


class TooMuchVolumeSize(QuotaExceeded):
    """The account may have at most {limit} GiB of volumes."""


class TooManyIops(QuotaExceeded):
    """The account may have at most {limit} IOPS of io1 volumes."""


class TooManySnapshots(QuotaExceeded):
    """The account may have at most {limit} snapshots."""


class TooMuchSnapshotSize(QuotaExceeded):
    """The account may have at most {limit} GiB of snapshots."""


class TooManyCores(QuotaExceeded):
    """The account may have at most {limit} virtual cores."""


class TooMuchMemory(QuotaExceeded):
    """The account may have at most {limit} GiB of memory."""


class TooManyTags(QuotaExceeded):
    """The resource {resource_id} may have at most {limit} tags."""


class TooManyImages(QuotaExceeded):
    """The account may have at most {limit} images."""


class TooManyImageExports(QuotaExceeded):
    """The account may have at most {limit} image export tasks at the same time."""


class TooManySnapshotExports(QuotaExceeded):
    """The account may have at most {limit} snapshot export tasks at the same time."""


class TooManyKeypairs(QuotaExceeded):
    """The account may have at most {limit} key pairs."""


class TooManyPublicIps(QuotaExceeded):
    """The account may have at most {limit} public IPs."""


class TooManySecurityGroups(QuotaExceeded):
    """The account may have at most {limit} security groups."""


class TooManyBuckets(QuotaExceeded):
    """The account may have at most {limit} buckets."""


class TooManyImageAliases(QuotaExceeded):
    """The account may have at most {limit} aliases of images."""


class NoCapacity(QuotaExceeded):
    """The region has no capacity left for this: {reason}"""
