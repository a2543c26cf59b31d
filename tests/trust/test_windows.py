"""Windows disks, made without Windows: what is wrong with them is found."""

from datetime import date
from pathlib import Path

import pytest

from souche.model.image_reports import Examination, Severity
from souche.trust.disks.layout import look
from souche.trust.engine import Facts
from souche.trust.examination import examine
from tests.trust import corpus, windows
from tests.trust.corpus import KEY, PRIVATE_KEY, SECRET
from tests.trust.windows import SOFTWARE, SYSTEM, Values

FACTS = Facts(("legacy",), date(2026, 11, 27))
SAME: Values = {}
STATE = r"Microsoft\Windows\CurrentVersion\Setup\State"
WINLOGON = r"Microsoft\Windows NT\CurrentVersion\Winlogon"
ANSWER = f"<unattend><AdministratorPassword><Value>{SECRET}</Value></AdministratorPassword></unattend>"


def looked(
    folder: Path, files: dict[str, str | bytes | None], software: Values = SAME, system: Values = SAME
) -> Examination:
    disk = windows.disk(folder, files, {**SOFTWARE, **software}, {**SYSTEM, **system})
    return examine("tsk", look([corpus.FileSource(disk)]), FACTS)


def codes(made: Examination) -> list[str]:
    assert SECRET not in repr(made)
    return [each.code for each in made.findings if each.severity != Severity.INFO]


def test_a_generalised_windows_has_no_findings(tmp_path: Path) -> None:
    deleted = ANSWER.replace(SECRET, "*SENSITIVE*DATA*DELETED*")
    made = looked(tmp_path, {"Windows/Panther/unattend.xml": deleted})
    assert codes(made) == []
    assert made.os == "Windows Server 2022 Standard (ServerStandard), build 20348"
    assert all(line.holds is not False for line in made.guidelines)


def test_all_that_is_wrong_with_a_windows_is_found(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {
        "Windows/Panther/unattend.xml": ANSWER.encode("utf-16"),
        "Windows/System32/drivers/netkvm.sys": None,
        "Windows/System32/winevt/Logs/System.evtx": bytes(80_000),
        "Program Files/Amazon/EC2Launch/EC2Launch.exe": None,
        "ProgramData/ssh/ssh_host_rsa_key": PRIVATE_KEY,
        "ProgramData/ssh/administrators_authorized_keys": KEY,
        "Users/zoe/.aws/credentials": f"aws_secret_access_key = {SECRET}",
        "Users/zoe/.ssh/id_rsa": PRIVATE_KEY,
        "Users/zoe/AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine/ConsoleHost_history.txt": SECRET,
    }
    version = {
        r"Microsoft\Windows NT\CurrentVersion": {
            "CurrentBuild": "9600",
            "ProductName": "Windows Server 2012 R2",
        }
    }
    state: Values = {STATE: {"ImageState": "IMAGE_STATE_COMPLETE"}, WINLOGON: {"DefaultPassword": SECRET}}
    domain: Values = {r"ControlSet001\Services\Tcpip\Parameters": {"Domain": "corp.example"}}
    made = looked(tmp_path, files, {**state, **version}, domain)
    assert sorted(set(codes(made))) == [
        "authorized-key",
        "cloud-credentials",
        "end-of-life",
        "host-key",
        "logs",
        "no-cloud-init",
        "no-virtio",
        "private-key",
        "shell-history",
        "windows-domain",
        "windows-not-generalised",
        "windows-password",
    ]
    assert codes(made).count("windows-password") == 2


@pytest.mark.parametrize(
    ("software", "system"),
    [
        ({STATE: {"ImageState": ""}}, {}),
        ({STATE: {"ImageState": "IMAGE_STATE_SPECIALIZE_RESEAL_TO_OOBE"}}, {}),
        ({}, {r"Setup\Status\SysprepStatus": {"GeneralizationState": 3}}),
    ],
)
def test_a_sysprep_that_did_not_end_is_none(software: Values, system: Values, tmp_path: Path) -> None:
    assert codes(looked(tmp_path, {}, software, system)) == ["windows-not-generalised"]


def test_a_registry_that_cannot_be_read_is_not_generalised(tmp_path: Path) -> None:
    made = looked(tmp_path, {"Windows/System32/config/SOFTWARE": b"regf, and no more"})
    assert "windows-not-generalised" in codes(made)
