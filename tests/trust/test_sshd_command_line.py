"""What the files of an SSH server's command line may do to a report: add findings, and hide none."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

import pytest

from souche.model.image_reports import Finding, Severity
from souche.trust.disks.layout import look
from souche.trust.engine import Facts
from souche.trust.examination import examine
from souche.trust.linux.sshd_config import STARTED_WITH
from tests.trust import corpus
from tests.trust.corpus import KEY, Files, FileSource

SSHD: Final = "etc/ssh/sshd_config"
PASSWORDS: Final = "PasswordAuthentication yes\n"
PAM: Final = "PasswordAuthentication no\nUsePAM yes\n"
CLEAN: Final = (
    "AuthorizedKeysFile=none",
    "PasswordAuthentication=no",
    "UsePAM=no",
    "PermitRootLogin=no",
    "AuthorizedKeysCommand=none",
    "PubkeyAuthentication=yes",
)


def found(folder: Path, changed: Mapping[str, str | None]) -> list[Finding]:
    disk = corpus.linux(folder, Files(changed))
    made = examine("tsk", look([FileSource(disk)]), Facts(("legacy",), date(2026, 11, 27)))
    return [each for each in made.findings if each.severity != Severity.INFO]


@pytest.mark.parametrize("path", STARTED_WITH)
@pytest.mark.parametrize("config", [PASSWORDS, PAM])
@pytest.mark.parametrize("options", [" -o ".join(["", *CLEAN]), "-f /etc/clean", "-f /etc/nowhere"])
def test_a_command_line_hides_nothing_of_the_configuration(
    path: str, config: str, options: str, tmp_path: Path
) -> None:
    """Debian does not read Red Hat's file, nor Red Hat Debian's."""
    config += "PermitRootLogin yes\nAuthorizedKeysFile /srv/keys\nAuthorizedKeysCommand /bin/a\n"
    real = {f"{SSHD}.d/10-keys.conf": None, SSHD: config + "PubkeyAuthentication no\n", "srv/keys": KEY}
    clean = "Match all\n" + "\n".join(CLEAN)
    decoy = {path[1:]: f'OPTIONS="{options}"\nSSHD_OPTS="{options}"\n', "etc/clean": clean}
    codes = ["authorized-key", "sshd-password", "sshd-root", "sshd-key-command", "sshd-no-keys"]
    assert [each.code for each in found(tmp_path, real)] == codes
    assert found(tmp_path, {**real, **decoy}) == found(tmp_path, real)


def test_more_configurations_than_are_read_are_said_to_be(tmp_path: Path) -> None:
    named = "".join(f"OPTIONS='-f /etc/a{number}'\n" for number in range(300))
    (each,) = found(tmp_path, {"etc/sysconfig/sshd": named})
    assert (each.code, each.path) == ("unreadable", "/etc/ssh/sshd_config")
