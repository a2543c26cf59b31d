"""LVM's logical volumes, read by libvslvm."""

from typing import Any

import pyvslvm

from souche.trust.disks.files import CannotRead
from souche.trust.disks.sources import Source, SourceFile

MOST_VOLUMES = 64


class LogicalVolume:
    """A logical volume as a source; `name` is the name in the guest's device mapper: group/volume."""

    def __init__(self, group: "Group", volume: Any, name: str) -> None:
        self._group = group  # keeps the library's source open
        self._volume = volume
        self.name = name

    @property
    def size(self) -> int:
        return int(self._volume.size)

    def read(self, offset: int, length: int) -> bytes:
        length = min(length, self.size - offset)
        return bytes(self._volume.read_buffer_at_offset(length, offset)) if length > 0 else b""


class Group:
    """A volume group on one physical volume."""

    def __init__(self, source: Source) -> None:
        self._file = SourceFile(source)
        self._handle = pyvslvm.handle()
        try:
            self._handle.open_file_object(self._file)
            self._handle.open_physical_volume_files_as_file_objects([self._file])
            self._group = self._handle.get_volume_group()
            found = [self._group.get_logical_volume(index) for index in range(self._number())]
        except OSError as error:
            raise CannotRead("its LVM has a layout that is not read", other=True) from error
        self.volumes = [LogicalVolume(self, each, f"{self._group.name}/{each.name}") for each in found]

    def _number(self) -> int:
        return min(int(self._group.number_of_logical_volumes), MOST_VOLUMES)
