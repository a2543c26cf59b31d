"""Every kind of finding in a Linux system has a disk that shows it; the good disk shows none."""

import re
import sqlite3
from contextlib import closing
from dataclasses import asdict
from datetime import date
from pathlib import Path

import pytest

from souche.model.image_reports import Examination, Severity
from souche.trust.codes import CODES, finding
from souche.trust.disks.layout import FoundFileSystem, Layout, Place, look
from souche.trust.engine import Facts
from souche.trust.examination import examine
from souche.trust.guidelines import LINES, judged
from tests.trust import corpus
from tests.trust.corpus import GOOD, HASH, KEY, PASSWD, PRIVATE_KEY, SECRET, Files, FileSource

LEGACY = Facts(("legacy",), date(2026, 11, 27))
NO_PASSWORDS = "PasswordAuthentication no\n"
ENABLED = "etc/systemd/system/multi-user.target.wants/"


def rpm_database(packages: int) -> bytes:
    """RPM's database of packages, as far as they are counted."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
        database.executemany(
            "INSERT INTO Packages VALUES (?, x'00')", [(number,) for number in range(packages)]
        )
        database.commit()
        return bytes(database.serialize())


BAD: list[tuple[str, str, Files]] = [
    ("authorized-key", "/home/outscale/.ssh/authorized_keys", Files({"home/outscale/.ssh/authorized_keys": KEY})),
    ("authorized-key", "/root/.ssh/authorized_keys2", Files({"root/.ssh/authorized_keys2": f"no-pty {KEY}"})),
    ("authorized-key", "/home/stray/.ssh/authorized_keys", Files({"home/stray/.ssh/authorized_keys": KEY})),
    ("authorized-key", "/etc/skel/.ssh/authorized_keys", Files({"etc/skel/.ssh/authorized_keys": KEY})),
    ("authorized-key", "/etc/dropbear/authorized_keys", Files({"etc/dropbear/authorized_keys": KEY})),
    ("private-key", "/etc/skel/.ssh/id_rsa", Files({"etc/skel/.ssh/id_rsa": PRIVATE_KEY})),
    (
        "authorized-key",
        "/etc/ssh/keys/outscale",
        Files(
            {
                "etc/ssh/keys/outscale": KEY,
                "etc/ssh/sshd_config": "PasswordAuthentication no\nAuthorizedKeysFile /etc/ssh/keys/%u\n",
            }
        ),
    ),
    (
        "authorized-key",
        "/etc/ssh/more/outscale",
        Files(
            {
                "etc/ssh/more/outscale": KEY,
                "etc/ssh/sshd_config": f"{NO_PASSWORDS}Match User outscale\n  AuthorizedKeysFile /etc/ssh/more/%u\n",
            }
        ),
    ),
    (
        "authorized-key",
        "/etc/ssh/ca.pub",
        Files(
            {
                "etc/ssh/ca.pub": KEY,
                "etc/ssh/sshd_config": f"{NO_PASSWORDS}TrustedUserCAKeys /etc/ssh/ca.pub\n",
            }
        ),
    ),
    (
        "sshd-key-command",
        "/etc/ssh/sshd_config",
        Files({"etc/ssh/sshd_config.d/10-keys.conf": f"{NO_PASSWORDS}AuthorizedKeysCommand /usr/bin/ask %u\n"}),
    ),
    (
        "sshd-no-keys",
        "/etc/ssh/sshd_config",
        Files({"etc/ssh/sshd_config.d/10-keys.conf": f"{NO_PASSWORDS}PubkeyAuthentication no\n"}),
    ),
    (
        "sshd-password",
        "/etc/ssh/sshd_config",
        Files({"etc/ssh/sshd_config.d/10-keys.conf": f"{NO_PASSWORDS}Match User a\nPasswordAuthentication yes\n"}),
    ),
    (
        "sshd-root",
        "/etc/ssh/sshd_config",
        Files({"etc/ssh/sshd_config.d/10-keys.conf": f"{NO_PASSWORDS}Match Address 10.0.0.0/8\nPermitRootLogin yes\n"}),
    ),
    ("usable-password", "/etc/shadow", Files({"etc/shadow": f"root:{HASH}:19000::::::\noutscale:!::::::\n"})),
    ("usable-password", "/etc/passwd", Files({"etc/passwd": PASSWD.replace("outscale:x:", f"outscale:{HASH}:")})),
    ("empty-password", "/etc/shadow", Files({"etc/shadow": "root::19000::::::\noutscale:!::::::\n"})),
    ("host-key", "/etc/ssh/ssh_host_rsa_key", Files({"etc/ssh/ssh_host_rsa_key": PRIVATE_KEY})),
    ("private-key", "/root/.ssh/id_rsa", Files({"root/.ssh/id_rsa": PRIVATE_KEY})),
    ("private-key", "/home/outscale/deploy.pem", Files({"home/outscale/deploy.pem": PRIVATE_KEY})),
    ("private-key", "/etc/ssl/private/www.key", Files({"etc/ssl/private/www.key": PRIVATE_KEY})),
    ("private-key", "/root/.ssh/work", Files({"root/.ssh/work": PRIVATE_KEY})),
    (
        "cloud-credentials",
        "/root/.osc/config.json",
        Files({"root/.osc/config.json": f'{{"default": {{"secret_key": "{SECRET}"}}}}'}),
    ),
    (
        "cloud-credentials",
        "/home/outscale/.aws/credentials",
        Files({"home/outscale/.aws/credentials": f"[default]\naws_secret_access_key = {SECRET}\n"}),
    ),
    ("cloud-credentials", "/etc/environment", Files({"etc/environment": f"OSC_SECRET_KEY={SECRET}\n"})),
    ("cloud-credentials", "/root/.netrc", Files({"root/.netrc": f"machine a login b password {SECRET}\n"})),
    ("cloud-credentials", "/root/.kube/config", Files({"root/.kube/config": f"users: [{{token: {SECRET}}}]"})),
    ("cloud-credentials", "/root/.git-credentials", Files({"root/.git-credentials": f"https://a:{SECRET}@b"})),
    (
        "private-key",
        "/root/.gnupg/private-keys-v1.d/A.key",
        Files({"root/.gnupg/private-keys-v1.d/A.key": f"(11:private-key(3:rsa({SECRET})))"}),
    ),
    (
        "cloud-credentials",
        "/home/outscale/.docker/config.json",
        Files({"home/outscale/.docker/config.json": f'{{"auths": {{"r": {{"auth": "{SECRET}"}}}}}}'}),
    ),
    ("cloud-credentials", "/root/.pgpass", Files({"root/.pgpass": f"*:*:*:postgres:{SECRET}\n"})),
    ("shell-history", "/root/.bash_history", Files({"root/.bash_history": f"mysql -p{SECRET}\n"})),
    ("sudo-nopasswd", "/etc/sudoers.d/90-a", Files({"etc/sudoers.d/90-a": "outscale ALL=(ALL) NOPASSWD:ALL\n"})),
    ("sshd-password", "/etc/ssh/sshd_config", Files({"etc/ssh/sshd_config.d/10-keys.conf": None})),
    (
        "sshd-root",
        "/etc/ssh/sshd_config",
        Files({"etc/ssh/sshd_config": "PasswordAuthentication no\nPermitRootLogin yes\n"}),
    ),
    (
        "cleartext-service",
        f"/{ENABLED}vsftpd.service",
        Files(links={f"{ENABLED}vsftpd.service": "/lib/systemd/system/vsftpd.service"}),
    ),
    ("cleartext-service", "/etc/xinetd.d/rsh", Files({"etc/xinetd.d/rsh": "service shell {\n disable = no\n}\n"})),
    (
        "cleartext-service",
        "/etc/rc3.d/S50proftpd",
        Files(links={"etc/rc3.d/S50proftpd": "../init.d/proftpd"}),
    ),
    ("cleartext-service", "/etc/inetd.conf", Files({"etc/inetd.conf": "telnet stream tcp nowait root tcpd\n"})),
    (
        "network-service",
        f"/{ENABLED}nginx.service",
        Files(links={f"{ENABLED}nginx.service": "/lib/systemd/system/nginx.service"}),
    ),
    ("machine-id", "/etc/machine-id", Files({"etc/machine-id": "0123456789abcdef0123456789abcdef\n"})),
    (
        "cloud-init-data",
        "/var/lib/cloud/instances/i-12345678",
        Files({"var/lib/cloud/instances/i-12345678/user-data.txt": SECRET}),
    ),
    ("dhcp-lease", "/var/lib/dhcp/dhclient.eth0.leases", Files({"var/lib/dhcp/dhclient.eth0.leases": "lease {}"})),
    (
        "persistent-net",
        "/etc/udev/rules.d/70-persistent-net.rules",
        Files({"etc/udev/rules.d/70-persistent-net.rules": 'ATTR{address}=="00:11:22:33:44:55", NAME="eth0"'}),
    ),
    ("logs", "/var/log", Files({"var/log/auth.log": "Accepted publickey for root from 192.0.2.7"})),
    ("setuid-file", "/home/outscale/sh", Files({"home/outscale/sh": "x"}, modes={"home/outscale/sh": 0o4755})),
    ("world-writable", "/etc/cron.sh", Files({"etc/cron.sh": "x"}, modes={"etc/cron.sh": 0o777})),
    ("end-of-life", "/etc/os-release", Files({"etc/os-release": 'ID=debian\nVERSION_ID="10"\nNAME="Debian"\n'})),
    (
        "end-of-life",
        "/etc/os-release",
        Files({"etc/os-release": None}, links={"etc/os-release": "../usr/lib/os-release"}, base={
            **GOOD, "usr/lib/os-release": 'ID=ubuntu\nVERSION_ID="18.04"\nPRETTY_NAME="Ubuntu 18.04.6 LTS"\n'}),
    ),
    ("boot-loader", "/boot", Files({"boot/vmlinuz-6.1.0": None})),
    ("no-virtio", "/lib/modules/6.1.0", Files({"lib/modules/6.1.0/modules.builtin": "kernel/drivers/ata/ahci.ko\n"})),
    ("fstab-device", "/etc/fstab", Files({"etc/fstab": "/dev/sda1 / ext4 defaults 0 1\n"})),
    ("fstab-device", "/boot/grub/grub.cfg", Files({"boot/grub/grub.cfg": "linux /vmlinuz root=/dev/sda1 ro\n"})),
    ("no-cloud-init", "/usr/bin/cloud-init", Files({"usr/bin/cloud-init": None})),
    ("no-cloud-init", "/etc/cloud/cloud-init.disabled", Files({"etc/cloud/cloud-init.disabled": ""})),
    ("no-cloud-init", "/etc/cloud/cloud.cfg", Files({"etc/cloud/cloud.cfg": "datasource_list: [ NoCloud, None ]\n"})),
    ("packages", "/lib/apk/db/installed", Files({"lib/apk/db/installed": "P:musl\nV:1\n\nP:zlib\nV:1\n"})),
    ("packages", "/var/lib/rpm/rpmdb.sqlite", Files({"var/lib/rpm/rpmdb.sqlite": rpm_database(3)})),
    ("packages", "/var/lib/dpkg/status", Files({"var/lib/dpkg/status": "Package: a\nStatus: install ok installed\n"})),
]  # fmt: skip


def looked(path: Path, facts: Facts = LEGACY) -> Examination:
    return examine("tsk", look([FileSource(path)]), facts)


@pytest.mark.parametrize(("code", "path", "files"), BAD, ids=[f"{code}-{path}" for code, path, _ in BAD])
def test_a_bad_disk_shows_its_finding(code: str, path: str, files: Files, tmp_path: Path) -> None:
    made = looked(corpus.linux(tmp_path, files))
    assert (code, path) in [(each.code, each.path) for each in made.findings]
    assert not {"unreadable", "needs-repair"} & {each.code for each in made.findings}
    assert SECRET not in repr(asdict(made))


def test_a_good_disk_shows_none(tmp_path: Path) -> None:
    made = looked(corpus.linux(tmp_path))
    assert [each.code for each in made.findings if each.severity != Severity.INFO] == []
    assert made.os == "Debian GNU/Linux 12 (bookworm)"
    assert all(line.holds is not False for line in made.guidelines)


def test_only_the_code_that_was_made_bad_is_found(tmp_path: Path) -> None:
    made = looked(corpus.linux(tmp_path, Files({"root/.ssh/authorized_keys": KEY})))
    assert [each.code for each in made.findings if each.severity != Severity.INFO] == ["authorized-key"]
    (key,) = (each for each in made.findings if each.code == "authorized-key")
    assert key.fingerprint == "SHA256:" + key.fingerprint.removeprefix("SHA256:")
    assert key.severity == Severity.HIGH
    assert "author@laptop" not in repr(made)
    broken = [line.code for line in made.guidelines if line.holds is False]
    assert broken == ["no-user-keys"]


LOGIN = r"echo \"Please login as the user outscale rather than root\";echo;sleep 10;exit 142"


@pytest.mark.parametrize(
    ("options", "severity"),
    [
        ('no-pty,command="echo no"', Severity.LOW),
        (f'no-port-forwarding,no-pty,command="{LOGIN}"', Severity.LOW),
        ('COMMAND="/usr/bin/rrdtool dump a,b",from="198.51.100.0/24"', Severity.LOW),
        ('environment="A=command=1"', Severity.HIGH),
        ('from="*,command=no"', Severity.HIGH),
        ("command=no", Severity.HIGH),
        ('command="/bin/bash -i"', Severity.HIGH),
        ('command="sh -c \\"$SSH_ORIGINAL_COMMAND\\""', Severity.HIGH),
    ],
)
def test_a_forced_command_weighs_less_where_it_holds_the_key_back(
    options: str, severity: Severity, tmp_path: Path
) -> None:
    files = Files({"root/.ssh/authorized_keys": f"{options} {KEY}"})
    (key,) = (
        each for each in looked(corpus.linux(tmp_path, files)).findings if each.code == "authorized-key"
    )
    assert key.severity == severity


def test_keys_that_are_held_back_hide_none_that_opens_the_account(tmp_path: Path) -> None:
    files = Files({"root/.ssh/authorized_keys": f'command="echo no" {KEY}' * 300 + KEY})
    found = looked(corpus.linux(tmp_path, files)).findings
    assert Severity.HIGH in [each.severity for each in found if each.code == "authorized-key"]


def test_a_thousand_findings_of_one_kind_hide_no_other(tmp_path: Path) -> None:
    """A publisher who accepts the one kind would publish the other without a word."""
    users = [f"user{number}" for number in range(6)]
    homes = {f"home/{user}/.ssh/authorized_keys": KEY * 200 for user in users}
    passwd = "".join(f"{user}:x:{1001 + at}:100::/home/{user}:/bin/sh\n" for at, user in enumerate(users))
    shadow = f"root:{HASH}:19000::::::\n"
    files = Files(
        {**homes, "etc/passwd": PASSWD + passwd, "etc/shadow": shadow, "root/.bash_history": "ls\n"}
    )
    found = [each.code for each in looked(corpus.linux(tmp_path, files)).findings]
    assert found.count("authorized-key") == 100
    assert {"usable-password", "shell-history", "packages"} <= set(found)


def test_systems_that_nobody_looks_at_are_no_small_matter(tmp_path: Path) -> None:
    one = look([FileSource(corpus.linux(tmp_path))])
    many = Layout(one.tables, [FoundFileSystem(Place(number), one.found[0].files) for number in range(18)])
    missed = [each for each in examine("tsk", many, LEGACY).findings if "was not looked at" in each.text]
    assert [(each.code, each.path, each.severity) for each in missed] == [
        ("unreadable", "disk 16", Severity.HIGH),
        ("unreadable", "disk 17", Severity.HIGH),
    ]


def test_files_on_other_file_systems_are_found(tmp_path: Path) -> None:
    fstab = (
        "UUID=11111111-2222-3333-4444-555555555555 / ext4 defaults 0 1\nLABEL=homes /home ext4 defaults 0 2\n"
    )
    root = corpus.ext(tmp_path / "root.img", Files({"etc/fstab": fstab, "home/outscale/.profile": None}))
    homes = Files({"outscale/.ssh/authorized_keys": KEY}, base={})
    home = corpus.ext(tmp_path / "home.img", homes, "ext4", 4, "-L", "homes")
    made = looked(corpus.disk(tmp_path / "disk.raw", root, home))
    assert "/home/outscale/.ssh/authorized_keys" in [each.path for each in made.findings]


def test_a_file_system_that_no_fstab_names_is_searched(tmp_path: Path) -> None:
    """A launch may mount it. Until 2026-11-29 only file systems in an fstab were searched."""
    root = corpus.ext(tmp_path / "root.img", Files({}))
    data = corpus.ext(tmp_path / "data.img", corpus.LEFT_ON_DATA)
    disks = [FileSource(corpus.disk(tmp_path / "disk.raw", root)), FileSource(data)]
    made = examine("tsk", look(disks), LEGACY)
    found = {(each.code, each.path): each.user for each in made.findings if each.path.startswith("disk 1: ")}
    assert set(found) == {(code, f"disk 1: {path}") for code, path in corpus.FOUND_ON_DATA}
    assert found["private-key", "disk 1: /home/dave/.ssh/id_rsa"] == "dave"
    assert {line.code: line.holds for line in made.guidelines}["no-key-material"] is False


def test_a_disk_without_boot_code_shows_it(tmp_path: Path) -> None:
    root = corpus.ext(tmp_path / "root.img", Files())
    disk = corpus.disk(tmp_path / "disk.raw", root, boot_code=b"")
    assert [each.code for each in looked(disk).findings if each.severity == Severity.MEDIUM] == [
        "boot-loader"
    ]
    uefi = Facts(("uefi",), LEGACY.today)
    assert "boot-loader" in [each.code for each in looked(corpus.linux(tmp_path), uefi).findings]


def test_links_that_go_round_end(tmp_path: Path) -> None:
    links = {"etc/environment": "loop", "etc/loop": "environment", "root/.netrc": "../../../../root/.netrc"}
    assert looked(corpus.linux(tmp_path, Files(links=links))).os == "Debian GNU/Linux 12 (bookworm)"


def test_every_code_of_linux_has_a_bad_disk() -> None:
    elsewhere = {"unreadable", "needs-repair", "no-system"} | {
        code for code in CODES if code.startswith("windows-")
    }
    assert {code for code, _, _ in BAD} == set(CODES) - elsewhere


def test_packages_are_counted_whichever_the_manager(tmp_path: Path) -> None:
    for name, content, told in (
        ("lib/apk/db/installed", "P:musl\nV:1\n\nP:zlib\nV:1\n", "2 packages (apk); kernels: 6.1.0."),
        ("var/lib/rpm/rpmdb.sqlite", rpm_database(3), "3 packages (rpm); kernels: 6.1.0."),
    ):
        made = looked(corpus.linux(tmp_path, Files({name: content})))
        assert [each.text for each in made.findings if each.code == "packages"] == [told]


def test_the_codes_are_kept_to_the_letter() -> None:
    """Clients compare them."""
    kept = """authorized-key usable-password empty-password host-key private-key cloud-credentials shell-history
    sudo-nopasswd sshd-password sshd-root cleartext-service machine-id cloud-init-data logs end-of-life boot-loader
    no-virtio fstab-device no-cloud-init windows-not-generalised windows-password needs-repair unreadable"""
    assert set(kept.split()) <= set(CODES)


def test_the_page_has_a_row_for_every_code_with_its_severity() -> None:
    page = (Path(__file__).parents[2] / "docs/trust.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (high|medium|low|info) \|", page, re.MULTILINE))
    assert rows == {name: code.severity.value for name, code in CODES.items()}


def test_every_line_of_the_guidelines_is_a_code_that_a_finding_can_break() -> None:
    untold = {"no-default-accounts", "windows-guest-disabled", "windows-no-open-shares"}
    assert {line.code for line in LINES if not line.broken_by} == untold
    assert len({line.code for line in LINES}) == len(LINES)
    for line in LINES:
        for code in line.broken_by:
            (judged_line,) = (
                each
                for each in judged([line.family or "linux"], [finding(code, "", "")])
                if each.code == line.code
            )
            assert judged_line.holds is False


def test_a_partition_table_that_says_what_cannot_be_is_told(tmp_path: Path) -> None:
    content = bytearray(corpus.linux(tmp_path).read_bytes())
    content[462:478] = b"\0\0\0\0\x83\0\0\0" + b"\0\0\0\x7f" * 2
    made = examine("tsk", look([corpus.BytesSource(bytes(content))]), LEGACY)
    assert ("boot-loader", "disk 0") in [(each.code, each.path) for each in made.findings]


def test_a_configuration_that_includes_itself_is_read_once_around(tmp_path: Path) -> None:
    """Sixteen patterns in each of sixteen files would be more lines than any machine reads."""
    include = f"Include {' '.join(['/etc/ssh/sshd_config'] * 16)}\n"
    system = corpus.linux(tmp_path, Files({"etc/ssh/sshd_config": f"{NO_PASSWORDS}{include}"}))
    (each,) = (each for each in looked(system).findings if each.severity != Severity.INFO)
    assert (each.code, each.path) == ("unreadable", "/etc/ssh/sshd_config")


def test_what_a_match_block_says_ends_with_its_file_and_at_match_all(tmp_path: Path) -> None:
    files = {
        "etc/ssh/sshd_config.d/10-keys.conf": "Match User a\nX11Forwarding yes\n",
        "etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\n"
        f"Match User b\nX11Forwarding yes\nMatch all\n{NO_PASSWORDS}",
    }
    assert [
        each.code
        for each in looked(corpus.linux(tmp_path, Files(files))).findings
        if each.severity != Severity.INFO
    ] == []
