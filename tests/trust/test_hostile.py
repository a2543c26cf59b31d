"""Disks whose authors want a clean report: what a launch would use is found all the same, or is said to be unread."""

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Final

import pytest

from souche.model.image_reports import Examination, Severity, hidden
from souche.trust.children import decoded
from souche.trust.disks.layout import look
from souche.trust.disks.partitions import read_table
from souche.trust.engine import Facts
from souche.trust.examination import examine
from tests.trust import corpus, hfs, windows
from tests.trust.corpus import GOOD, HASH, KEY, MIB, PASSWD, PRIVATE_KEY, BytesSource, Files, FileSource

FACTS: Final = Facts(("legacy",), date(2026, 11, 27))
NO_PASSWORDS: Final = "PasswordAuthentication no\n"
PASSWORDS: Final = "PasswordAuthentication yes\n"
NO_PAM: Final = "KbdInteractiveAuthentication no\n"
SSHD: Final = "etc/ssh/sshd_config"
LUKS: Final = b"LUKS\xba\xbe\0\2"
LINUX_GUID: Final = bytes.fromhex("e3bc684fcde8b14d96e7fbcaf984b709")


def looked(*disks: Path) -> Examination:
    return examine("tsk", look([FileSource(each) for each in disks]), FACTS)


def found(
    folder: Path, changed: Mapping[str, str | bytes | None], **more: Mapping[str, str]
) -> list[tuple[str, str]]:
    made = looked(corpus.linux(folder, Files(changed, **more)))  # type: ignore[arg-type]
    return [(each.code, each.path) for each in made.findings if each.severity != Severity.INFO]


@pytest.mark.parametrize(
    ("option", "file"),
    [
        ('"/etc/ssh/a" "/etc/ssh/b"', "etc/ssh/b"),
        ('"/etc/ssh/my keys/%u"', "etc/ssh/my keys/outscale"),
        ("/etc/ssh/%%u", "etc/ssh/%u"),
        ("/etc/ssh/a=b", "etc/ssh/a=b"),
        ("/etc/ssh/keys # none", "etc/ssh/keys"),
        ("%h/../keys", "home/keys"),
        ("%u/own", "home/outscale/outscale/own"),
        ("/etc/ssh/users/*", "etc/ssh/users/somebody"),
        ("none\nMatch User outscale\nAuthorizedKeysFile=/etc/ssh/matched", "etc/ssh/matched"),
    ],
)
def test_key_files_are_found_however_they_are_written(option: str, file: str, tmp_path: Path) -> None:
    config = f"{NO_PASSWORDS}AuthorizedKeysFile {option}\n"
    paths = [path for code, path in found(tmp_path, {SSHD: config, file: KEY}) if code == "authorized-key"]
    assert [path.rpartition("/")[2] for path in paths] == [file.rpartition("/")[2]]


@pytest.mark.parametrize(
    "changed",
    [
        {SSHD: f"Include /etc/ssh/*/more\n{NO_PASSWORDS}", "etc/ssh/a/more": PASSWORDS},
        {SSHD: 'Include "/etc/ssh/with space"\n' + NO_PASSWORDS, "etc/ssh/with space": PASSWORDS},
        {SSHD: "PasswordAuthentication yes # no\n"},
        {SSHD: "Banner /a\x0bPasswordAuthentication no\nPasswordAuthentication yes\n"},
        {SSHD: f"{NO_PASSWORDS}UsePAM yes\n"},
        {SSHD: f"{NO_PASSWORDS}UsePAM yes\n{NO_PAM}Match User a\nChallengeResponseAuthentication yes\n"},
        {SSHD: NO_PASSWORDS, "etc/default/ssh": 'SSHD_OPTS="-o PasswordAuthentication=yes"\n'},
        {SSHD: NO_PASSWORDS, "etc/default/ssh": 'SSHD_OPTS="-o UsePAM=yes"\n'},
        {SSHD: NO_PASSWORDS, "etc/sysconfig/sshd": "OPTIONS='-f /etc/other'\n", "etc/other": PASSWORDS},
    ],
)  # fmt: skip
def test_passwords_are_found_however_the_server_is_told_to_take_them(
    changed: dict[str, str | bytes | None], tmp_path: Path
) -> None:
    none = {"etc/ssh/sshd_config.d/10-keys.conf": None}
    assert found(tmp_path, {**none, **changed}) == [("sshd-password", "/etc/ssh/sshd_config")]


def test_a_server_whose_pam_asks_nothing_takes_no_passwords(tmp_path: Path) -> None:
    config = f"{NO_PASSWORDS}UsePAM yes\n{NO_PAM}"
    assert found(tmp_path, {SSHD: config}) == []


@pytest.mark.parametrize(
    "keys",
    [
        "# a comment\n" * 300 + KEY,
        f'environment="A=\u2028#" {KEY}',
        f"\t {KEY}",
        f"\r\n{KEY}",
    ],
)
def test_a_key_is_found_wherever_it_stands_in_its_file(keys: str, tmp_path: Path) -> None:
    path = "root/.ssh/authorized_keys"
    assert found(tmp_path, {path: keys}) == [("authorized-key", f"/{path}")]


def test_a_file_that_is_longer_than_what_is_read_is_said_to_be(tmp_path: Path) -> None:
    path = "root/.ssh/authorized_keys"
    assert found(tmp_path, {path: "#" * MIB + "\n" + KEY}) == [("unreadable", f"/{path}")]


def test_keys_that_link_to_themselves_open_nothing(tmp_path: Path) -> None:
    links = {
        "root/.ssh/authorized_keys": "authorized_keys2",
        "root/.ssh/authorized_keys2": "../.ssh/authorized_keys",
    }
    assert found(tmp_path, {}, links=links) == []


@pytest.mark.parametrize(
    ("passwd", "shadow", "code"),
    [
        ("", "root:$y$j9T$abc$def:19000::::::\n", "usable-password"),
        ("", "root:$7$CU..../....abc$def:19000::::::\n", "usable-password"),
        ("", "root:abcdefghijklm:19000::::::\n", "usable-password"),
        ("", "root:abcdefghijklm,M.z8:19000::::::\n", "usable-password"),
        ("", "root:abcdefghijklmnopqrstuvwx:19000::::::\n", "usable-password"),
        ("", f"root:{HASH}:19000::::::\nroot:*:19000::::::\n", "usable-password"),
        ("", f"root:*:19000::::::\nroot:{HASH}:19000::::::\n", "usable-password"),
        (f"mallory:{HASH}:0:0\n", "", "usable-password"),
        ("mallory::0:0\n", "", "empty-password"),
        (f"  mallory:{HASH}: 0:0::/root:/bin/sh\n", "", "usable-password"),
        (f"mallory:{HASH}:0:0:a\u2028b:/root:/bin/sh\n", "", "usable-password"),
        ("mallory:##mallory:0:0::/root:/bin/sh\n", f"mallory:{HASH}:19000::::::\n", "usable-password"),
        ("".join(f"u{number}:*:9::::\n" for number in range(1200)) + f"mallory:{HASH}:0:0\n", "", "usable-password"),
        ("", f"root:*{HASH}:19000::::::\n", None),
        ("", f"root:!{HASH}:19000::::::\n", None),
        ("", f"root:!!:19000::::::\nnobody-here:{HASH}:1::::::\n", None),
        (f"# mallory:{HASH}:0:0\nmallory:{HASH}:none:0\n", "", None),
    ],
)  # fmt: skip
def test_an_account_opens_as_glibc_and_pam_read_it(
    passwd: str, shadow: str, code: str | None, tmp_path: Path
) -> None:
    changed = {"etc/passwd": PASSWD + passwd, "etc/shadow": shadow}
    codes = {each for each, _ in found(tmp_path, changed) if each.endswith("-password")}
    assert codes == ({code} if code else set())


def test_more_accounts_than_are_looked_at_are_said_to_be(tmp_path: Path) -> None:
    passwd = PASSWD + "".join(f"u{number}:*:9::::\n" for number in range(1200))
    assert found(tmp_path, {"etc/passwd": passwd}) == [("unreadable", "/etc/passwd")]


@pytest.mark.parametrize(
    ("changed", "links"),
    [
        ({f"{SSHD}.d/a.conf": "HostKey /srv/key\n", "srv/key": PRIVATE_KEY}, {}),
        ({"srv/key": PRIVATE_KEY}, {"etc/ssh/ssh_host_rsa_key": "/srv/key"}),
    ],
)
def test_host_keys_are_found_behind_links_and_options(
    changed: dict[str, str], links: dict[str, str], tmp_path: Path
) -> None:
    assert ("host-key", "/srv/key") in found(tmp_path, changed, links=links)


def test_a_private_key_behind_a_link_is_found_once(tmp_path: Path) -> None:
    links = {"root/.ssh/id_rsa": "/usr/share/doc/x", "root/.ssh/again": "/usr/share/doc/x"}
    assert found(tmp_path, {"usr/share/doc/x": PRIVATE_KEY}, links=links) == [
        ("private-key", "/usr/share/doc/x")
    ]


def test_a_service_is_known_by_what_its_unit_leads_to(tmp_path: Path) -> None:
    wants = "usr/lib/systemd/system/multi-user.target.wants"
    links = {f"{wants}/quiet.service": "../vsftpd.service", f"{wants}/telnet.socket": "../telnet.socket"}
    masked = {**links, "etc/systemd/system/telnet.socket": "/dev/null"}
    assert found(tmp_path, {}, links=masked) == [("cleartext-service", f"/{wants}/quiet.service")]


@pytest.mark.parametrize("path", ["etc/fstab", "root/.bashrc", "etc/cloud/cloud.cfg.d/99-a.cfg"])
def test_nothing_but_line_ends_takes_no_time(path: str, tmp_path: Path) -> None:
    """Each was gone over once for every line end that it has: 64 KiB took a minute."""
    assert found(tmp_path, {path: "\n" * (MIB - 1)}) in ([], [("unreadable", f"/{path}")])


def test_every_system_of_the_disks_is_looked_into(tmp_path: Path) -> None:
    """A boot loader may start any of them."""
    decoy = corpus.ext(tmp_path / "decoy", Files())
    real = corpus.ext(
        tmp_path / "real", Files({"home/zoe/.ssh/authorized_keys": KEY}), "ext4", 8, "-L", "real"
    )
    made = looked(corpus.disk(tmp_path / "disk", decoy, real))
    path = "disk 0, partition 2: /home/zoe/.ssh/authorized_keys"
    assert [(each.path, each.user) for each in made.findings if each.code == "authorized-key"] == [
        (path, "zoe")
    ]
    assert [line.code for line in made.guidelines if line.holds is False] == ["no-user-keys"]


def test_a_file_in_a_home_folder_is_its_users(tmp_path: Path) -> None:
    """Others than the image's owner do not learn that name."""
    passwd = PASSWD + "zoe:x:1001:1001::/srv/zoe:/bin/bash\n"
    files = Files({"etc/passwd": passwd, "srv/zoe/sh": "x"}, modes={"srv/zoe/sh": 0o4755})
    made = looked(corpus.linux(tmp_path, files))
    assert [(each.path, each.user) for each in made.findings if each.code == "setuid-file"] == [
        ("/srv/zoe/sh", "zoe")
    ]


NAMED: Final = PASSWD + "z\0\x1boe:x:1001:1001::/srv/z:/bin/bash\n"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"etc/passwd": f"{PASSWD}z\0\x1boe:{HASH}:0:0\n"}, "usable-password"),
        ({"etc/passwd": f"{PASSWD}{'z' * 600}:{HASH}:0:0\n"}, "usable-password"),
        ({"etc/passwd": NAMED, "srv/z/.ssh/authorized_keys": KEY}, "authorized-key"),
        ({"etc/passwd": NAMED, "srv/z/.bash_history": "ls\n"}, "shell-history"),
        ({"etc/sudoers": "\0zoe ALL=(ALL) NOPASSWD: ALL\n"}, "sudo-nopasswd"),
    ],
)
def test_a_name_that_cannot_be_shown_is_hidden_as_others_are(
    changed: dict[str, str | bytes | None], code: str, tmp_path: Path
) -> None:
    made = looked(corpus.linux(tmp_path, Files(changed)))
    (each,) = (each for each in made.findings if each.code == code)
    assert each.user is not None
    assert each.user.isprintable()
    assert f"'{each.user}'" in each.text
    assert "z" not in hidden(each).text


def test_the_name_of_a_system_is_as_the_disk_has_it_but_for_what_no_database_holds(tmp_path: Path) -> None:
    made = looked(corpus.linux(tmp_path, Files({"etc/os-release": 'PRETTY_NAME="a\0b\x1b"\n'})))
    assert made.os == "a\0b\x1b"
    read = decoded(json.dumps(asdict(made)).encode(), Examination)
    assert read == replace(made, os="a?b\x1b")


def test_a_windows_beside_a_linux_is_looked_into(tmp_path: Path) -> None:
    linux = corpus.disk(tmp_path / "linux", corpus.ext(tmp_path / "root", Files()))
    made = looked(linux, windows.disk(tmp_path, {}, {}, {}))
    named = [each.path for each in made.findings if each.code == "windows-not-generalised"]
    assert named == ["disk 1, partition 1: /Windows/System32/config/SOFTWARE"]


def test_what_lies_below_a_mount_point_is_looked_at_too(tmp_path: Path) -> None:
    """A launch need not mount what fstab names (`noauto`, a label that another disk has)."""
    fstab = "LABEL=empty /root ext4 noauto 0 2\n"
    files = {"etc/fstab": fstab, "root/.ssh/authorized_keys": KEY}
    root = corpus.ext(tmp_path / "root", Files(files))
    empty = corpus.ext(
        tmp_path / "empty", Files({"a": "b"}, base={}), "ext4", 4, "-L", "empty", "-U", "random"
    )
    made = looked(corpus.disk(tmp_path / "disk", root, empty))
    assert "/root/.ssh/authorized_keys" in [
        each.path for each in made.findings if each.code == "authorized-key"
    ]


def test_of_two_file_systems_of_one_name_it_is_said_that_nobody_knows(tmp_path: Path) -> None:
    root = corpus.ext(tmp_path / "root", Files({"etc/fstab": "LABEL=homes /home ext4 defaults 0 2\n"}))
    homes = [
        corpus.ext(tmp_path / name, Files({name: "x"}, base={}), "ext4", 4, "-L", "homes") for name in "ab"
    ]
    made = looked(corpus.disk(tmp_path / "disk", root, *homes))
    assert "/home" in [each.path for each in made.findings if each.code == "unreadable"]


def test_a_file_system_beneath_the_partitions_is_looked_at(tmp_path: Path) -> None:
    """The first 1024 bytes of ext4 are free: the disk is both partitioned and a file system as a whole."""
    whole = corpus.ext(tmp_path / "whole", Files({"root/.ssh/authorized_keys": KEY}), "ext4", 32)
    content = bytearray(whole.read_bytes())
    content[440:512] = corpus.linux(tmp_path).read_bytes()[440:512]
    made = examine("tsk", look([BytesSource(bytes(content))]), FACTS)
    assert "authorized-key" in [each.code for each in made.findings]


def test_an_encrypted_partition_beside_a_linux_is_named(tmp_path: Path) -> None:
    (tmp_path / "vault").write_bytes(LUKS + bytes(MIB))
    made = looked(corpus.disk(tmp_path / "disk", corpus.ext(tmp_path / "root", Files()), tmp_path / "vault"))
    (each,) = (each for each in made.findings if each.code == "unreadable")
    assert (each.path, each.severity) == ("disk 0, partition 2", Severity.MEDIUM)
    assert each.text == "This could not be read: it is encrypted (LUKS)."
    assert made.os == "Debian GNU/Linux 12 (bookworm)"


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (b"nobody knows" * 9000, ["unreadable"]),
        (b"\0\0\0EXFAT   " + bytes(MIB), ["unreadable"]),
        (bytes(MIB), []),
        (bytes(4086) + b"SWAPSPACE2" + bytes(MIB), []),
    ],
)
def test_a_partition_of_no_known_kind_is_named(content: bytes, codes: list[str], tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(content)
    made = looked(corpus.disk(tmp_path / "disk", corpus.ext(tmp_path / "root", Files()), tmp_path / "part"))
    assert [each.code for each in made.findings if each.severity != Severity.INFO] == codes


def gpt(sector: int, entries: bytes, *, is_whole: bool = True) -> bytes:
    """A header of a GPT, with its entries behind it."""
    numbers = (sector, 0, 34, 100, bytes(16), sector + 1, 4, 128, zlib.crc32(entries))
    head = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, *numbers)
    checksum = zlib.crc32(head) if is_whole else 1
    return (head[:16] + struct.pack("<I", checksum) + head[20:]).ljust(512, b"\0") + entries


def entry(first: int, last: int, name: str) -> bytes:
    return (LINUX_GUID + bytes(16) + struct.pack("<QQQ", first, last, 0) + name.encode("utf-16-le")).ljust(
        128, b"\0"
    )


def test_a_table_whose_checksum_is_wrong_does_not_hide_the_other(tmp_path: Path) -> None:
    """Linux takes the one at the end then."""
    mbr = bytearray(512)
    mbr[446:462] = struct.pack("<B3xB3xII", 0, 0xEE, 1, 0)
    mbr[510:] = b"\x55\xaa"
    real = (entry(50, 60, "a\ud800".encode("utf-16-le", "surrogatepass").decode("latin-1")) + bytes(384), 100)
    disk = bytes(mbr) + gpt(1, entry(40, 41, "decoy").ljust(512, b"\0"), is_whole=False)
    disk = disk.ljust(99 * 512, b"\0")
    last = gpt(99, real[0])
    table = read_table(BytesSource(disk + last[:512]))
    assert table.damaged
    assert table.partitions == ()  # its entries would lie behind the end
    fields = list(struct.unpack("<8sIIIIQQQQ16sQIII", last[:92]))
    fields[3], fields[10] = 0, 90
    head = struct.pack("<8sIIIIQQQQ16sQIII", *fields)
    fields[3] = zlib.crc32(head)
    head = struct.pack("<8sIIIIQQQQ16sQIII", *fields).ljust(512, b"\0")
    whole = bytearray(disk + head)
    whole[90 * 512 : 91 * 512] = real[0]
    table = read_table(BytesSource(bytes(whole)))
    assert (table.kind, table.damaged) == ("gpt", True)
    assert [each.offset for each in table.partitions] == [50 * 512]


def test_partitions_that_overlap_are_each_looked_at(tmp_path: Path) -> None:
    disk = bytearray(corpus.linux(tmp_path, Files({"root/.ssh/authorized_keys": KEY})).read_bytes())
    disk[462:478] = struct.pack("<B3xB3xII", 0, 0x83, 1, 0xFFFFFFFF)
    disk[478:494] = struct.pack("<B3xB3xII", 0, 0x83, 2050, 99)
    made = examine("tsk", look([BytesSource(bytes(disk))]), FACTS)
    codes = [each.code for each in made.findings]
    assert codes.count("authorized-key") == 1
    assert "unreadable" in codes


@pytest.mark.parametrize(
    "length", [0, 1, 511, 512, 513, 600, 1024, 1100, 2048, 70_000, MIB, MIB + 1500, 2 * MIB]
)
def test_a_disk_that_is_cut_off_ends_in_a_report(length: int, tmp_path: Path) -> None:
    content = corpus.linux(tmp_path).read_bytes()[:length]
    made = examine("tsk", look([BytesSource(content)]), FACTS)
    assert {"unreadable", "no-system"} & {each.code for each in made.findings}


def test_a_gpt_that_is_cut_off_ends_in_a_report() -> None:
    mbr = bytearray(512)
    mbr[446:462] = struct.pack("<B3xB3xII", 0, 0xEE, 1, 99)
    mbr[510:] = b"\x55\xaa"
    content = bytes(mbr) + gpt(1, entry(40, 41, "a").ljust(512, b"\0"))
    for length in (512, 520, 600, 1023, 1024, 1100):
        assert read_table(BytesSource(content[:length])).damaged


def test_an_ext4_that_ignores_case_hides_no_file_by_its_name(tmp_path: Path) -> None:
    files = Files({"etc/shadow": None, "etc/SHADOW": f"root:{HASH}:1::::::\n"})
    root = corpus.ext(tmp_path / "root", files, "ext4", 8, "-O", "casefold")
    assert "usable-password" in [each.code for each in looked(corpus.disk(tmp_path / "disk", root)).findings]


def test_what_is_in_hfs_is_found_whatever_the_case_of_its_name(tmp_path: Path) -> None:
    files = {name: text for name, text in GOOD.items() if text and not name.startswith("root/")}
    root = hfs.hfs(tmp_path / "root", {**files, "Root/.ssh/Authorized_Keys": KEY})
    made = looked(corpus.disk(tmp_path / "disk", root, kind=0xAF))
    assert made.os == "Debian GNU/Linux 12 (bookworm)"
    assert "/root/.ssh/authorized_keys" in [
        each.path for each in made.findings if each.code == "authorized-key"
    ]


def test_an_hfs_that_was_not_unmounted_needs_repair(tmp_path: Path) -> None:
    content = bytearray(hfs.hfs(tmp_path / "root", {"etc/os-release": "a"}).read_bytes())
    content[1028:1032] = bytes(4)
    made = examine("tsk", look([BytesSource(bytes(content))]), FACTS)
    assert "needs-repair" in [each.code for each in made.findings]
