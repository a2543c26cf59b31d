from pathlib import Path
from uuid import UUID

from souche.recipes.partitions import Layout, mke2fs_argv, sfdisk_argv, sfdisk_script


def test_the_root_is_partition_1_and_last_on_the_disk() -> None:
    assert sfdisk_script(Layout(4096)) == (
        "label: gpt\n"
        "sector-size: 512\n"
        "\n"
        "disk14 : start=2048, size=6144, type=21686148-6449-6E6F-744E-656564454649\n"
        "disk15 : start=8192, size=122880, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n"
        "disk1 : start=131072, size=8255488, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n"
    )


def test_sfdisk_works_on_a_file() -> None:
    assert sfdisk_argv(Path("/w/disk.raw")) == [
        "sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never", "/w/disk.raw",
    ]  # fmt: skip


def test_mke2fs_writes_at_the_offset_of_the_root_and_leaves_nothing_for_later() -> None:
    uuid = UUID("12345678-1234-1234-1234-123456789abc")
    assert mke2fs_argv(Path("/w/disk.raw"), Layout(4096).root, uuid=uuid) == [
        "mke2fs", "-q", "-F", "-t", "ext4",
        "-O", "^metadata_csum_seed,^orphan_file",
        "-E", "offset=67108864,lazy_itable_init=0,lazy_journal_init=0,nodiscard",
        "-L", "root",
        "-U", "12345678-1234-1234-1234-123456789abc",
        "/w/disk.raw", "4031M",
    ]  # fmt: skip
