"""Why a disk from outside is not taken in."""

from souche.errors import Invalid


class BadDisk(Invalid):
    """The disk is not valid: {reason}"""


class ForeignDiskFormat(BadDisk):
    """The disk has the format {format}, which is not taken so: {remedy}."""


class NotADisk(BadDisk):
    """Nothing says what format the disk has, and it does not look like a raw one: there is no partition table and no
    file system where they begin. If it is raw, call it so: a name that ends in .raw (or .raw.gz), or --format raw."""


class WrongDiskFormat(BadDisk):
    """The disk should have the format {expected}, and has {found}."""


class DiskHasBackingFile(BadDisk):
    """The disk refers to a backing file; only a disk that stands alone can be taken in."""


class DiskHasDataFile(BadDisk):
    """The qcow2 disk keeps its data in an external file; only a disk that stands alone can be taken in."""


class DiskInParts(BadDisk):
    """The {format} disk does not stand alone, or not whole: {reason}."""


class DiskHasUnknownFeatures(BadDisk):
    """The qcow2 disk needs features that Souche does not take: {features}"""


class DiskIsEncrypted(BadDisk):
    """The qcow2 disk is encrypted."""


class DiskIsCorrupt(BadDisk):
    """The disk is marked as corrupt or as in use: repair it with `qemu-img check -r all` first."""


class DiskHasSnapshots(BadDisk):
    """The qcow2 disk has {count} internal snapshots: convert it with `qemu-img convert` first."""


class DiskHeaderBroken(BadDisk):
    """The header of the qcow2 disk is broken: {reason}"""


class DiskTablesAbsurd(BadDisk):
    """The tables of the {format} disk cannot be right: {reason}"""


class WrongDiskSize(BadDisk):
    """The disk has {size_bytes} bytes, and {reason}"""


class DiskCutShort(BadDisk):
    """The disk is cut short: {reason}"""


class DiskSharesData(BadDisk):
    """The tables of the qcow2 disk name the same data more than once."""


class DiskExpands(BadDisk):
    """The disk expands to {data_bytes} bytes of data from {read_bytes}; no disk does that whose data are of use."""
