"""Refusals of disks from outside, with advice for the sender."""

from souche.errors import Invalid


class BadDisk(Invalid):
    """The disk is not valid: {reason}"""


class ForeignDiskFormat(BadDisk):
    """The disk has the format {format}, which is not taken so: {remedy}."""


class NotADisk(BadDisk):
    """Nothing says what format the disk has, and it does not look like a raw one: there is no partition table and
    no file system where they begin. If it is raw, call it so: a name that ends in .raw (or .raw.gz), or --format
    raw."""


class WrongDiskFormat(BadDisk):
    """The disk should have the format {expected}, and has {found}. If it is meant to: a name that ends in .{meant}
    (or .{meant}.gz), or --format {meant}, says so."""


class DiskHasBackingFile(BadDisk):
    """The disk refers to a backing file or parent: where both lie, `qemu-img convert -O qcow2 FILE DISK.qcow2`
    makes one that stands alone."""


class DiskHasDataFile(BadDisk):
    """The qcow2 disk keeps its data in an external file: where both lie, `qemu-img convert -f qcow2 -O qcow2 FILE
    DISK.qcow2` makes one that stands alone."""


class DiskInParts(BadDisk):
    """The {format} disk does not stand alone, or is not whole: {reason}. Where all of it lies, `qemu-img convert -O
    qcow2 FILE DISK.qcow2` makes one that is taken."""


class DiskHasUnknownFeatures(BadDisk):
    """The qcow2 disk needs features that Souche does not take ({features}): where qemu-img knows them, `qemu-img
    convert -f qcow2 -O qcow2 FILE DISK.qcow2` makes one without."""


class DiskIsEncrypted(BadDisk):
    """The qcow2 disk is encrypted: `qemu-img convert` with its passphrase (--object secret, --image-opts) makes one
    that is not."""


class DiskIsCorrupt(BadDisk):
    """The disk is marked as corrupt or as in use: repair it with `qemu-img check -r all` first."""


class DiskHasSnapshots(BadDisk):
    """The qcow2 disk has internal snapshots ({count}): `qemu-img convert -f qcow2 -O qcow2 FILE DISK.qcow2` makes
    one without."""


class DiskHeaderBroken(BadDisk):
    """The header of the qcow2 disk is broken ({reason}): send it again; `qemu-img check FILE` says whether it was
    good before."""


class DiskTablesAbsurd(BadDisk):
    """The tables of the {format} disk cannot be right: {reason} Send it again; `qemu-img check FILE` says whether
    it was good before."""


class WrongDiskSize(BadDisk):
    """The disk has {size_bytes} bytes, and {reason}"""


class DiskCutShort(BadDisk):
    """The disk is cut short: {reason} Send it again; `qemu-img check FILE` says whether it was whole before."""


class DiskSharesData(BadDisk):
    """The tables of the {format} disk name the same data more than once: `qemu-img convert -O qcow2 FILE DISK.qcow2`
    makes one that names them once."""


class DiskExpands(BadDisk):
    """The disk expands to {data_bytes} bytes of data from {read_bytes}; no disk does that whose data are of use."""
