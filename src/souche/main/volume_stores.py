"""The volume store of a home: the module that names its driver. Named states (`state_files.py`) and backups
(`souche.backup`) also know the driver's files."""

from pathlib import Path

from souche.home import Home
from souche.room import ENDLESS, Room
from souche.storage.base import VolumeStore
from souche.storage.inspection import StoreInspector
from souche.storage.qcow2.archive import Archive
from souche.storage.qcow2.directory import REMADE, lost_folders
from souche.storage.qcow2.driver import Qcow2Store
from souche.storage.qcow2.inspection import Qcow2Inspector
from souche.storage.qcow2.scratch import Scratch


def open_volumes(home: Home, room: Room = ENDLESS) -> VolumeStore:
    """The store. `room`: the space that it may use."""
    return Qcow2Store(home.path, room=room)


def inspect_volumes(home: Home) -> StoreInspector:
    """The state of the store, for `souche fsck`. It need not exist."""
    return Qcow2Inspector(home.disks)


def open_archive(home: Path) -> Archive:
    """The store in this home folder, for a backup or a restore."""
    return Archive(home)


def lost_volume_folders(home: Home) -> list[str]:
    """The folders of `home.disks` that once existed, are missing now, and are not made again at a start."""
    return [name for name in lost_folders(home.disks) if name not in REMADE]


def remove_unfinished(home: Home) -> None:
    """Remove the unfinished files of ended processes, without opening the store: the medium may be full."""
    work = home.disks / "work"
    if work.is_dir():
        Scratch(work).sweep()
