"""The states of every resource, and their transitions.

Source: specification 1.42.0 and reference sections 2, 3, 6 and 7.
"""

from enum import IntEnum, StrEnum


class ImageState(StrEnum):
    PENDING = "pending"
    AVAILABLE = "available"
    FAILED = "failed"


class SnapshotState(StrEnum):
    IN_QUEUE = "in-queue"
    PENDING = "pending"
    COMPLETED = "completed"
    ERROR = "error"
    DELETING = "deleting"


class VolumeState(StrEnum):
    CREATING = "creating"
    AVAILABLE = "available"
    IN_USE = "in-use"
    DELETING = "deleting"
    ERROR = "error"


class LinkState(StrEnum):
    """Of a volume's attachment to a VM."""

    ATTACHING = "attaching"
    ATTACHED = "attached"
    DETACHING = "detaching"
    DETACHED = "detached"


class VolumeUpdateState(StrEnum):
    """Of a task that changes a volume."""

    PENDING = "pending"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class ExportState(StrEnum):
    """Of a task that exports an image or a snapshot; `api/export_tasks.py` has the two spellings of those under
    way."""

    QUEUED = "queued"
    ACTIVE = "active"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class VmState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"


class VmStateCode(IntEnum):
    """The codes that the VmStateCodes filter takes (reference section 6)."""

    PENDING = 0
    RUNNING = 16
    SHUTTING_DOWN = 32
    TERMINATED = 48
    STOPPING = 64
    STOPPED = 80
