"""Refusals of disks from outside, with advice for the sender."""

from souche.errors import Invalid


class BadDisk(Invalid):
    """The disk is not valid: {reason}"""


class ForeignDiskFormat(BadDisk):
    """The disk has the format {format}, which is not accepted here: {remedy}."""


class NotADisk(BadDisk):
    """The format of the disk is not stated, and the disk does not look raw: it has no partition table and no file
    system. If it is raw, state it: by a name that ends in .raw (or .raw.gz), or by --format raw."""


class WrongDiskFormat(BadDisk):
    """The disk should have the format {expected}, and has {found}. If that is intended, state it: by a name that ends
    in .{meant} (or .{meant}.gz), or by --format {meant}."""


class DiskHasBackingFile(BadDisk):
    """The disk has a backing file or parent: on a machine with both files, `qemu-img convert -O qcow2 FILE DISK.qcow2`
    makes a disk without one."""


class DiskHasDataFile(BadDisk):
    """The qcow2 disk has its data in an external file: on a machine with both files, `qemu-img convert -f qcow2 -O
    qcow2 FILE DISK.qcow2` makes a single file."""


class DiskInParts(BadDisk):
    """The {format} disk needs other files, or is incomplete: {reason}. On a machine with all files, `qemu-img convert
    -O qcow2 FILE DISK.qcow2` makes a disk that is accepted."""


class DiskHasUnknownFeatures(BadDisk):
    """The qcow2 disk needs features that Souche does not support ({features}): with a qemu-img that supports them,
    `qemu-img convert -f qcow2 -O qcow2 FILE DISK.qcow2` makes a disk without them."""


class DiskIsEncrypted(BadDisk):
    """The qcow2 disk is encrypted: `qemu-img convert` with its passphrase (--object secret, --image-opts) makes a disk
    without encryption."""


class DiskIsCorrupt(BadDisk):
    """The disk is marked as corrupt or as in use: repair it with `qemu-img check -r all` first."""


class DiskHasSnapshots(BadDisk):
    """The qcow2 disk has internal snapshots ({count}): `qemu-img convert -f qcow2 -O qcow2 FILE DISK.qcow2` makes a
    disk without them."""


class DiskHeaderBroken(BadDisk):
    """The header of the qcow2 disk is damaged ({reason}): check the original with `qemu-img check FILE`, and send it
    again."""


class DiskTablesAbsurd(BadDisk):
    """The tables of the {format} disk are damaged: {reason} Check the original with `qemu-img check FILE`, and send it
    again."""


class WrongDiskSize(BadDisk):
    """The disk has {size_bytes} bytes: {reason}"""


class DiskCutShort(BadDisk):
    """The disk is cut short: {reason} Check the original with `qemu-img check FILE`, and send it again."""


class DiskSharesData(BadDisk):
    """The tables of the {format} disk refer to the same data more than once: `qemu-img convert -O qcow2 FILE
    DISK.qcow2` makes a disk without such references."""


class DiskExpands(BadDisk):
    """The disk expands to {data_bytes} bytes of data from {read_bytes}: a ratio this large is refused, as in a
    decompression bomb."""
