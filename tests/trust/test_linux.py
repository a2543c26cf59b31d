"""Every kind of finding in a Linux system has a disk that shows it; the good disk shows none."""

from dataclasses import asdict
from datetime import date
from pathlib import Path

import pytest

from souche.model.image_reports import Examination, Severity
from souche.trust.codes import CODES
from souche.trust.disks.layout import look
from souche.trust.engine import Facts
from souche.trust.examination import examine
from tests.trust import corpus
from tests.trust.corpus import GOOD, HASH, KEY, PASSWD, PRIVATE_KEY, SECRET, Files, FileSource

LEGACY = Facts(("legacy",), date(2026, 11, 27))
NO_PASSWORDS = "PasswordAuthentication no\n"
ENABLED = "etc/systemd/system/multi-user.target.wants/"

BAD: list[tuple[str, str, Files]] = [
    ("authorized-key", "/home/outscale/.ssh/authorized_keys", Files({"home/outscale/.ssh/authorized_keys": KEY})),
    ("authorized-key", "/root/.ssh/authorized_keys2", Files({"root/.ssh/authorized_keys2": f"no-pty {KEY}"})),
    ("authorized-key", "/home/stray/.ssh/authorized_keys", Files({"home/stray/.ssh/authorized_keys": KEY})),
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


def test_a_forced_command_weighs_less(tmp_path: Path) -> None:
    files = Files({"root/.ssh/authorized_keys": f'no-pty,command="echo no" {KEY}'})
    (key,) = (
        each for each in looked(corpus.linux(tmp_path, files)).findings if each.code == "authorized-key"
    )
    assert key.severity == Severity.LOW


def test_files_on_other_file_systems_are_found(tmp_path: Path) -> None:
    fstab = (
        "UUID=11111111-2222-3333-4444-555555555555 / ext4 defaults 0 1\nLABEL=homes /home ext4 defaults 0 2\n"
    )
    root = corpus.ext(tmp_path / "root.img", Files({"etc/fstab": fstab, "home/outscale/.profile": None}))
    homes = Files({"outscale/.ssh/authorized_keys": KEY}, base={})
    home = corpus.ext(tmp_path / "home.img", homes, "ext4", 4, "-L", "homes")
    made = looked(corpus.disk(tmp_path / "disk.raw", root, home))
    assert "/home/outscale/.ssh/authorized_keys" in [each.path for each in made.findings]


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
