"""Each file system is read, or said to be unreadable; what the journal has is seen."""

import subprocess
from datetime import date
from pathlib import Path

import pytest

from souche.trust.disks import tsk
from souche.trust.disks.files import CannotRead, FileSystem
from souche.trust.disks.jbd2 import Journal, OddJournal, replay
from souche.trust.disks.layout import look
from souche.trust.disks.partitions import read_table
from souche.trust.disks.tree import Tree
from souche.trust.disks.xfs import XfsFileSystem
from souche.trust.engine import Facts
from souche.trust.examination import examine
from tests.trust import corpus, hfs, lvm
from tests.trust.corpus import KEY, Files, FileSource, made_by

FACTS = Facts(("legacy",), date(2026, 11, 27))
TEXT = "what the file says"


def content(files: FileSystem, path: str) -> str:
    from souche.trust.disks.layout import FoundFileSystem, Place

    return Tree({"/": FoundFileSystem(Place(0), files)}).text(path)


@pytest.mark.parametrize("kind", ["ext2", "ext3", "ext4"])
def test_ext_is_read(kind: str, tmp_path: Path) -> None:
    path = corpus.ext(tmp_path / "disk", Files({"a/b": TEXT}, links={"c": "a/b"}, base={}), kind)
    files = tsk.open_ext(FileSource(path))
    assert (files.kind, content(files, "/a/b"), content(files, "/c")) == (kind, TEXT, TEXT)
    assert files.uuid == "11111111-2222-3333-4444-555555555555"


def test_fat_is_read(tmp_path: Path) -> None:
    files = tsk.open_fat(FileSource(corpus.fat(tmp_path / "disk", {"EFI/BOOT/BOOTX64.EFI": TEXT})))
    assert content(files, "/efi/boot/bootx64.efi") == TEXT
    assert [each.name for each in files.entries(files.root()) if not each.name.startswith("$")] == ["EFI"]


def test_hfs_is_read(tmp_path: Path) -> None:
    path = hfs.hfs(tmp_path / "disk", {"etc/os-release": TEXT, "home/outscale/.ssh/authorized_keys": KEY})
    (found,) = look([FileSource(path)]).found
    assert (found.files.kind, content(found.files, "/etc/os-release")) == ("hfs+", TEXT)
    assert content(found.files, "/home/outscale/.ssh/authorized_keys") == KEY


def test_xfs_is_read(tmp_path: Path) -> None:
    files = XfsFileSystem(FileSource(corpus.xfs(tmp_path / "disk", {"etc/os-release": TEXT})))
    assert (files.kind, content(files, "/etc/os-release")) == ("xfs", TEXT)


def test_an_xfs_log_that_was_not_replayed_is_not_gone_past(tmp_path: Path) -> None:
    path = corpus.xfs(tmp_path / "disk", {"etc/os-release": TEXT})
    corpus.leave_log_dirty(path)
    with pytest.raises(CannotRead, match="log"):
        XfsFileSystem(FileSource(path))


@pytest.mark.parametrize(
    "options", [(), ("-O", "^metadata_csum,^64bit"), ("-O", "^metadata_csum"), ("-b", "4096")]
)
def test_a_journal_is_replayed_as_e2fsck_does(options: tuple[str, ...], tmp_path: Path) -> None:
    path = corpus.ext(tmp_path / "disk", Files(), "ext4", 16, *options)
    block_bytes = corpus.leave_in_journal(path, "root/key", KEY)
    before = path.read_bytes()
    files = tsk.open_ext(FileSource(path))
    assert content(files, "/root/key") == KEY
    assert content(files, "/etc/fstab") == ""
    made_by("e2fsck", "-E", "journal_only", "-y", str(path))
    source = FileSource(path)
    replayed = tsk.replayed(corpus.BytesSource(before), before[1024:2048], "ext4").read(0, len(before))
    different = [
        at
        for at in range(0, len(before), block_bytes)
        if replayed[at : at + block_bytes] != source.read(at, block_bytes)
    ]
    assert (
        len(different) == 2
    )  # the superblocks of the file system and of the journal, which say that it was done


def test_a_journal_that_is_no_journal_is_refused() -> None:
    with pytest.raises(OddJournal):
        replay(Journal(1024, lambda _number: bytes(1024)))
    with pytest.raises(OddJournal):
        replay(Journal(1024, lambda _number: b""))


@pytest.mark.parametrize(
    ("head", "offset", "what"),
    [
        (b"LUKS\xba\xbe\0\2", 0, "LUKS"),
        (b"-FVE-FS-", 3, "BitLocker"),
        (b"_BHRfS_M", 65600, "btrfs"),
        (b"hsqs", 0, "squashfs"),
        (b"\xfc\x4e\x2b\xa9", 4096, "RAID"),
    ],
)
def test_what_is_not_read_is_unreadable(head: bytes, offset: int, what: str, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(bytes(offset) + head + bytes(1 << 20))
    made = examine("tsk", look([FileSource(path)]), FACTS)
    (finding,) = (each for each in made.findings if each.code == "unreadable")
    assert what in finding.text
    assert made.other == (what not in ("LUKS", "BitLocker"))
    assert all(line.holds is None for line in made.guidelines)


def test_an_empty_disk_is_unreadable() -> None:
    made = examine("tsk", look([corpus.BytesSource(bytes(1 << 20))]), FACTS)
    assert "unreadable" in [each.code for each in made.findings]
    assert not made.other


def test_a_disk_without_a_system_says_so(tmp_path: Path) -> None:
    path = corpus.ext(tmp_path / "disk", Files({"photos/a": TEXT}, base={}))
    assert "no-system" in [each.code for each in examine("tsk", look([FileSource(path)]), FACTS).findings]


def test_logical_volumes_are_read_and_mounted_as_fstab_says(tmp_path: Path) -> None:
    fstab = "/dev/mapper/vg-root / ext4 defaults 0 1\n/dev/vg/home /home ext4 defaults 0 2\n"
    root = corpus.ext(tmp_path / "root", Files({"etc/fstab": fstab, "home/outscale/.profile": None}))
    home = corpus.ext(tmp_path / "home", Files({"outscale/.ssh/authorized_keys": KEY}, base={}), "ext4", 4)
    group = lvm.physical_volume(tmp_path / "pv", {"root": root, "home": home})
    made = examine("tsk", look([FileSource(corpus.disk(tmp_path / "disk", group, kind=0x8E))]), FACTS)
    assert made.os == "Debian GNU/Linux 12 (bookworm)"
    found = [(each.code, each.path) for each in made.findings]
    assert ("authorized-key", "/home/outscale/.ssh/authorized_keys") in found
    assert "unreadable" not in dict(found)


def test_a_damaged_group_is_unreadable(tmp_path: Path) -> None:
    group = lvm.physical_volume(tmp_path / "pv", {"root": corpus.ext(tmp_path / "root", Files())})
    content = group.read_bytes().replace(b"logical_volumes", b"logical_volumez")
    made = examine("tsk", look([corpus.BytesSource(content)]), FACTS)
    assert "unreadable" in [each.code for each in made.findings]
    assert made.other


def test_recorded_errors_need_repair(tmp_path: Path) -> None:
    disk = corpus.linux(tmp_path)
    content = bytearray(disk.read_bytes())
    content[corpus.PARTITION + 1024 + 0x3A] |= 2
    made = examine("tsk", look([corpus.BytesSource(bytes(content))]), FACTS)
    assert "needs-repair" in [each.code for each in made.findings]


def test_gpt_is_read_as_sfdisk_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    with path.open("wb") as image:
        image.truncate(16 << 20)
    script = b"label: gpt\nsize=1MiB, type=21686148-6449-6E6F-744E-656564454649\nsize=4MiB, type=uefi\ntype=linux\n"
    subprocess.run(
        ["sfdisk", "-q", str(path)], input=script, check=True, env={"PATH": "/usr/sbin:/sbin:/usr/bin"}
    )
    table = read_table(FileSource(path))
    assert (table.kind, table.damaged, [each.number for each in table.partitions]) == (
        "gpt",
        False,
        [1, 2, 3],
    )
    assert [each.is_esp for each in table.partitions] == [False, True, False]
    assert [each.offset >> 20 for each in table.partitions] == [1, 2, 6]


def test_mbr_with_logical_partitions_is_read(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    with path.open("wb") as image:
        image.truncate(16 << 20)
    script = (
        b"label: dos\nstart=2048, size=2048, type=83\nstart=4096, type=5\nstart=6144, size=2048\nsize=2048\n"
    )
    subprocess.run(
        ["sfdisk", "-q", str(path)], input=script, check=True, env={"PATH": "/usr/sbin:/sbin:/usr/bin"}
    )
    table = read_table(FileSource(path))
    assert [each.number for each in table.partitions] == [1, 5, 6]
    assert table.partitions[1].offset == 6144 * 512
