"""Tables of VMDK files. Whole files are in tests/transfer/test_gate.py."""

import struct
import time
from pathlib import Path

from souche.formats import vmdk
from souche.formats.vmdk import VmdkHeader


def test_a_small_vmdk_that_names_one_table_again_and_again_is_read_at_once(tmp_path: Path) -> None:
    """A million times: to read it each time took a minute."""
    directory, tables = 1, vmdk.MOST_TABLES
    header = VmdkHeader(tables * vmdk.ENTRIES, 1, 1, 1, directory, compressed=False)
    table = directory + tables * 4 // 512
    file = tmp_path / "many.vmdk"
    file.write_bytes(bytes(512) + struct.pack("<I", table) * tables + struct.pack("<I", 1) * vmdk.ENTRIES)
    began = time.thread_time()
    with file.open("rb") as image:
        assert vmdk.data(image, header) == vmdk.VmdkData(0, 0)
    assert time.thread_time() - began < 5
