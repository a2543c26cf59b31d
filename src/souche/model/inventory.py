"""The rows of the operator's lists. States are those on record."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias


@dataclass(frozen=True)
class ListedVm:
    """A VM."""

    vm_id: str
    account_id: str
    state: str
    vm_type: str
    image_id: str
    private_ip: str
    creation_date: datetime


@dataclass(frozen=True)
class ListedVolume:
    """A volume, and the VM that it is linked to."""

    volume_id: str
    account_id: str
    state: str
    size_gib: int
    volume_type: str
    vm_id: str | None
    device_name: str | None
    snapshot_id: str | None
    creation_date: datetime


@dataclass(frozen=True)
class ListedSnapshot:
    """A snapshot. `image_id` is that of the image which it was made for."""

    snapshot_id: str
    account_id: str
    state: str
    size_gib: int
    volume_id: str | None
    image_id: str | None
    public: bool
    creation_date: datetime


@dataclass(frozen=True)
class ListedImage:
    """An image."""

    image_id: str
    account_id: str
    state: str
    image_name: str
    public: bool
    creation_date: datetime


@dataclass(frozen=True)
class ListedBucket:
    """A bucket."""

    bucket: str
    account_id: str


Listed: TypeAlias = ListedVm | ListedVolume | ListedSnapshot | ListedImage | ListedBucket
