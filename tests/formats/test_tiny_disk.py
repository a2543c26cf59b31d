"""The tiny disk, in bytes. It boots in tests/trust/test_boot.py and tests/compute/test_libvirt_guests.py."""

import pytest

from souche.formats import tiny_disk
from souche.formats.tiny_disk import BadMarker


def test_it_has_a_boot_sector_and_its_marker_behind_it() -> None:
    disk = tiny_disk.disk("Smoke")
    assert len(disk) == tiny_disk.SIZE_BYTES
    assert disk[510:512] == b"\x55\xaa"
    assert disk[tiny_disk.MARKER_OFFSET :].rstrip(b"\0") == b"marker: Smoke\r\n"
    assert disk[:512] == tiny_disk.disk("Other")[:512]


@pytest.mark.parametrize("marker", ["", "x" * 129, "é", "a\nb"])
def test_a_marker_that_no_console_shows_is_refused(marker: str) -> None:
    with pytest.raises(BadMarker, match="1 to 128 printable ASCII characters"):
        tiny_disk.disk(marker)
