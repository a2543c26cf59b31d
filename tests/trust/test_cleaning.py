"""The list of changes to a clean image: what is removed, and what stays despite links. `test_appliance_cleaner.py`
executes them.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import pytest

from souche.refusals import CannotClean
from souche.trust import appliance_inside
from souche.trust.cleaning import plan
from souche.trust.cleaning.changes import CleaningRule
from souche.trust.disks.files import Entry
from souche.trust.disks.layout import FoundFileSystem, Place, look
from souche.trust.disks.tree import Tree
from souche.trust.engine import Facts
from tests.trust import corpus, windows
from tests.trust.bad_system import BAD, LINKS
from tests.trust.corpus import GOOD, HASH, KEY, PASSWD, PRIVATE_KEY, SECRET, Files, FileSource

FACTS = Facts(("legacy",), date(2026, 11, 28))

REMOVED: list[tuple[str, str]] = [
    ("authorized-key", "/home/outscale/.ssh/authorized_keys"),
    ("authorized-key", "/root/.ssh/authorized_keys"),
    ("authorized-key", "/home/stray/.ssh/authorized_keys2"),
    ("authorized-key", "/etc/skel/.ssh/authorized_keys"),
    ("authorized-key", "/etc/dropbear/initramfs/authorized_keys"),
    ("authorized-key", "/etc/ssh/zoe"),
    ("authorized-key", "/etc/ssh/ca.pub"),
    ("password-backup", "/etc/shadow-"),
    ("host-key", "/etc/ssh/ssh_host_rsa_key"),
    ("host-key", "/etc/ssh/ssh_host_rsa_key.pub"),
    ("private-key", "/root/.ssh/id_rsa"),
    ("private-key", "/root/.ssh/id_rsa.pub"),
    ("private-key", "/etc/ssl/private/www.key"),
    ("known-hosts", "/root/.ssh/known_hosts"),
    ("cloud-credentials", "/root/.osc/config.json"),
    ("cloud-credentials", "/home/outscale/.aws/credentials"),
    ("shell-history", "/root/.bash_history"),
    ("shell-history", "/home/outscale/.mysql_history"),
    ("shell-history", "/home/outscale/.zsh_history"),
    ("machine-id", "/var/lib/dbus/machine-id"),
    ("random-seed", "/var/lib/systemd/random-seed"),
    ("cloud-init-data", "/var/lib/cloud/instances/i-12345678/user-data.txt"),
    ("cloud-init-data", "/var/lib/cloud/instances"),
    ("cloud-init-data", "/var/lib/cloud/instance"),
    ("cloud-init-data", "/var/lib/cloud/data"),
    ("cloud-init-data", "/var/lib/cloud/data/previous-instance-id"),
    ("cloud-init-data", "/var/lib/cloud/sem/config"),
    ("cloud-init-data", "/var/lib/cloud/sem"),
    ("dhcp-lease", "/var/lib/dhcp/dhclient.eth0.leases"),
    ("persistent-net", "/etc/udev/rules.d/70-persistent-net.rules"),
    ("logs", "/var/log/auth.log.1.gz"),
    ("logs", "/var/log/journal/0123/system.journal"),
    ("mail", "/var/mail/root"),
    ("core-dumps", "/var/crash/core"),
    ("temporary-files", "/tmp/notes"),
    ("temporary-files", "/var/tmp/folder/notes"),
    ("temporary-files", "/var/tmp/folder"),
]
EMPTIED: list[tuple[str, str]] = [("machine-id", "/etc/machine-id"), ("logs", "/var/log/auth.log")]
WRITTEN: dict[tuple[str, str], str] = {
    ("authorized-key", "/etc/ssh/keys/outscale"): "not a key\n",
    ("usable-password", "/etc/shadow"): "root:*:19000::::::\noutscale:*:19000::::::\nzoe:!:19000::::::\n",
    ("empty-password", "/etc/shadow"): "root:*:19000::::::\noutscale:*:19000::::::\nzoe:!:19000::::::\n",
    ("usable-password", "/etc/gshadow"): "root:*::\nstaff:*::\n",
    ("cloud-credentials", "/home/outscale/.bashrc"): "alias ll='ls -l'\n:\numask 022\n",
    ("cloud-credentials", "/etc/environment"): "LANG=C\n",
    ("persistent-net", "/etc/sysconfig/network-scripts/ifcfg-eth0"): "DEVICE=eth0\nONBOOT=yes\n",
}

Changed = Mapping[tuple[str, str], tuple[str, bytes]]


def deeds(path: Path) -> list[CleaningRule]:
    layout = look([FileSource(path)])
    systems = (*plan.systems(layout, FACTS), *plan.data(layout, FACTS))
    return [each for system in systems for each in plan.deeds(system)]


def changed(planned: list[CleaningRule]) -> Changed:
    """How each file is changed, and why."""
    return {
        (each.done.code, change.node.path): (change.how, change.content)
        for each in planned
        for change in each.changes
    }


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> list[CleaningRule]:
    return deeds(corpus.linux(tmp_path_factory.mktemp("bad"), BAD))


@pytest.mark.parametrize("which", REMOVED, ids=str)
def test_what_its_author_has_left_is_removed(bad: list[CleaningRule], which: tuple[str, str]) -> None:
    assert changed(bad)[which][0] in ("remove", "remove tree")


@pytest.mark.parametrize("which", EMPTIED, ids=str)
def test_what_has_to_be_there_is_emptied(bad: list[CleaningRule], which: tuple[str, str]) -> None:
    assert changed(bad)[which] == ("empty", b"")


@pytest.mark.parametrize("which", WRITTEN, ids=str)
def test_of_other_files_lines_are_taken(bad: list[CleaningRule], which: tuple[str, str]) -> None:
    assert changed(bad)[which] == ("write", WRITTEN[which].encode())


def test_nothing_else_is_changed(bad: list[CleaningRule]) -> None:
    """No file that a link leads to, above all."""
    links = {f"/{name}" for name in LINKS}
    others = {path for _, path in changed(bad)} - {path for _, path in (*REMOVED, *EMPTIED, *WRITTEN)}
    assert others <= links
    assert {path for path in others if path.startswith("/var/log")} == set()


def test_what_is_listed_tells_no_secret(bad: list[CleaningRule]) -> None:
    assert SECRET not in repr([each.done for each in bad])
    assert {each.done.user for each in bad} == {None, "outscale", "stray", "zoe", "staff"}


def test_of_a_good_system_nothing_is_changed(tmp_path: Path) -> None:
    assert deeds(corpus.linux(tmp_path)) == []


def test_what_lies_below_a_mount_point_is_removed_too(tmp_path: Path) -> None:
    """A launch that does not mount what fstab names would have it."""
    fstab = f"{GOOD['etc/fstab']}LABEL=homes /home ext4 defaults 0 2\n"
    mine = {"home/outscale/.ssh/authorized_keys": KEY, "home/outscale/.bash_history": "ls\n"}
    root = corpus.ext(tmp_path / "root.img", Files({"etc/fstab": fstab, **mine}))
    homes = Files({"outscale/.ssh/authorized_keys": KEY}, base={})
    home = corpus.ext(tmp_path / "home.img", homes, "ext4", 4, "-L", "homes")
    planned = deeds(corpus.disk(tmp_path / "disk.raw", root, home))
    places = {(change.node.path, change.node.found.place.name) for each in planned for change in each.changes}
    assert {path for path, _ in places} == {f"/{name}" for name in mine}
    assert len(places) == len(mine) + 1
    assert len(planned) == len(places)


LED_ASTRAY: list[tuple[str, Files]] = [
    ("keys", Files(links={"root/.ssh/authorized_keys": "/etc/passwd"})),
    ("a key file that is no key file", Files({"etc/ssh/sshd_config": "AuthorizedKeysFile /etc/passwd\n"})),
    ("a folder of keys", Files(links={"root/.ssh": "/etc"})),
    ("leases", Files({"var/lib/a": ""}, links={"var/lib/dhcp": "/etc"})),
    ("machine-id", Files({"etc/machine-id": None}, links={"etc/machine-id": "passwd"})),
    ("temporary files", Files(links={"tmp": "/etc", "var/tmp": "/home"})),
    ("mail", Files({"var/a": ""}, links={"var/mail": "/etc", "var/crash": "/etc"})),
    ("a host key", Files(links={"etc/ssh/ssh_host_rsa_key": "/etc/passwd"})),
    ("links that go round", Files(links={"root/.netrc": ".netrc", "root/.ssh": ".ssh"})),
]


@pytest.mark.parametrize(("what", "files"), LED_ASTRAY, ids=[what for what, _ in LED_ASTRAY])
def test_links_lead_to_no_other_change(what: str, files: Files, tmp_path: Path) -> None:
    assert deeds(corpus.linux(tmp_path, files)) == []


@pytest.mark.parametrize(("folder", "code"), [("var/log", "logs"), ("var/lib/cloud", "cloud-init-data")])
def test_a_folder_that_is_a_link_is_left_and_said_so(folder: str, code: str, tmp_path: Path) -> None:
    files = Files({"var/lib/a": ""}, links={folder: "/etc"})
    (left,) = deeds(corpus.linux(tmp_path, files))
    assert (left.done.code, left.done.path, left.changes) == (code, f"/{folder}", ())
    assert "was left" in left.done.text


def test_a_folder_that_is_a_link_to_the_root_is_said_to_be(tmp_path: Path) -> None:
    (left,) = deeds(corpus.linux(tmp_path, Files({"var/lib/a": ""}, links={"var/lib/cloud": "/"})))
    assert left.done.text == "It leads to / by a link, and was left as it is."


def test_what_cannot_be_read_is_left_and_said_so(tmp_path: Path) -> None:
    root = corpus.ext(tmp_path / "root.img", Files({"tmp/notes": SECRET, "root/.bash_history": SECRET}))
    corpus.made_by("debugfs", "-w", "-R", "set_inode_field tmp block[5] 0x7fffffff", str(root))
    planned = deeds(corpus.disk(tmp_path / "disk.raw", root))
    assert set(changed(planned)) == {("shell-history", "/root/.bash_history")}
    (left,) = [each.done for each in planned if each.done.code == "unreadable"]
    assert (left.path, "cannot be read" in left.text) == ("/tmp", True)


class OneDamaged:
    """A file system of one file, which the kernel refuses, as libguestfs shows it."""

    kind, uuid, label, folds_case = "ext4", "", "", False
    problems: Sequence[str] = ()

    def root(self) -> Entry:
        return Entry("", "directory", 0, 0o755, 0, 0)

    def entries(self, directory: Entry) -> list[Entry]:
        return [appliance_inside._entry(f"lost{directory.name}", {"st_ino": -1, "st_mode": -1}, 1)]

    def read(self, file: Entry, most: int) -> bytes:
        raise AssertionError((file, most))

    def target(self, link: Entry) -> str:
        raise AssertionError(link)


def test_a_file_that_cannot_be_looked_at_counts_as_not_read() -> None:
    tree = Tree({"/": FoundFileSystem(Place(0, None), OneDamaged())})
    assert [each.is_file for each in tree.children("/")] == [False]
    assert tree.unread == ["/lost"]


def test_homes_behind_a_link_are_cleaned(tmp_path: Path) -> None:
    """As some systems have them: /home leads to /var/home."""
    files = Files(
        {
            "home/outscale/.profile": None,
            "var/home/outscale/.ssh/authorized_keys": KEY,
            "var/home/outscale/.bash_history": SECRET,
        },
        links={"home": "var/home"},
    )
    assert set(changed(deeds(corpus.linux(tmp_path, files)))) == {
        ("authorized-key", "/var/home/outscale/.ssh/authorized_keys"),
        ("shell-history", "/var/home/outscale/.bash_history"),
    }


def test_keys_behind_a_link_are_removed_with_it(tmp_path: Path) -> None:
    files = Files({"srv/keys": KEY}, links={"root/.ssh/authorized_keys": "/srv/keys"})
    assert {path for _, path in changed(deeds(corpus.linux(tmp_path, files)))} == {
        "/srv/keys",
        "/root/.ssh/authorized_keys",
    }


def test_a_password_in_passwd_is_taken(tmp_path: Path) -> None:
    passwd = PASSWD.replace("outscale:x:", f"outscale:{HASH}:").replace("root:x:", "root::")
    (written,) = {
        content
        for _, content in changed(deeds(corpus.linux(tmp_path, Files({"etc/passwd": passwd})))).values()
    }
    assert written.decode() == PASSWD.replace(":x:", ":*:")


def test_files_on_other_file_systems_are_cleaned(tmp_path: Path) -> None:
    fstab = (
        "UUID=11111111-2222-3333-4444-555555555555 / ext4 defaults 0 1\nLABEL=homes /home ext4 defaults 0 2\n"
    )
    root = corpus.ext(tmp_path / "root.img", Files({"etc/fstab": fstab, "home/outscale/.profile": None}))
    homes = Files({"outscale/.ssh/id_rsa": PRIVATE_KEY}, base={})
    home = corpus.ext(tmp_path / "home.img", homes, "ext4", 4, "-L", "homes")
    planned = deeds(corpus.disk(tmp_path / "disk.raw", root, home))
    assert set(changed(planned)) == {("private-key", "/home/outscale/.ssh/id_rsa")}


def test_a_file_system_that_no_fstab_names_is_cleaned(tmp_path: Path) -> None:
    root = corpus.ext(tmp_path / "root.img", Files({}))
    data = corpus.ext(tmp_path / "data.img", corpus.LEFT_ON_DATA)
    planned = deeds(corpus.disk(tmp_path / "disk.raw", root, data))
    assert set(changed(planned)) == set(corpus.FOUND_ON_DATA)


def test_every_system_of_the_disks_is_cleaned(tmp_path: Path) -> None:
    keys = Files({"root/.ssh/authorized_keys": KEY})
    first, second = (corpus.ext(tmp_path / name, keys) for name in ("first.img", "second.img"))
    assert len(deeds(corpus.disk(tmp_path / "disk.raw", first, second))) == 2


def test_a_windows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotClean, match="sysprep"):
        deeds(windows.disk(tmp_path, {}, {}, {}))


def test_what_has_no_system_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    data = corpus.disk(tmp_path / "data.raw", corpus.ext(tmp_path / "data.img", Files(base={})))
    with pytest.raises(CannotClean, match="no Linux system"):
        deeds(data)
    locked = tmp_path / "luks.raw"
    locked.write_bytes(b"LUKS\xba\xbe".ljust(1 << 20, b"\0"))
    with pytest.raises(CannotClean, match="encrypted"):
        deeds(locked)
