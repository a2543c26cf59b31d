"""The audit log: lines of requests and of commands, in a file that is rotated, or in the system's log."""

import errno
import fcntl
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from structlog.testing import capture_logs
from typer import Typer

from souche import config
from souche.audit import AuditFile, AuditSyslog
from souche.config import BadSetting
from souche.home import Home
from souche.main import auditing, command_audit
from tests.support.polling import eventually
from tests.test_main import serving, souche, told

MIB = 1024 * 1024


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_requests_and_commands_leave_lines_without_secrets(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with serving(home) as served:
        account = told("account", "create", "alice", "--home", home)
        volume = served.call(account, "CreateVolume", SubregionName="souche-1a", Size=1)["Volume"]["VolumeId"]
        eventually(lambda: served.volume_state(account, volume) == "available")
        task = served.call(account, "CreateSnapshot", VolumeId=volume)["Snapshot"]["SnapshotId"]
        served.call(account, "CreateKeypair", KeypairName="pair")
        url = served.facts["Api"] + "/ReadVms"
        requests.post(url, data="{}", headers={"User-Agent": "probe/1 \n{}"[:7]}, timeout=10)
        assert souche("account", "show", "nobody", "--home", home).returncode == 1
        souche("import", "https://host/m?Signature=SIGNED", "--home", home)
    text = (home / "audit.jsonl").read_text()
    assert account["SecretKey"] not in text
    assert "PRIVATE KEY" not in text
    assert "SIGNED" not in text
    found = lines(home / "audit.jsonl")
    asked = {each["action"]: each for each in found if each["event"] == "request"}
    created = asked["CreateVolume"]
    assert (created["account_id"], created["access_key_id"]) == (account["AccountId"], account["AccessKeyId"])
    assert (created["address"], created["status"], created["code"]) == ("127.0.0.1", 200, "")
    assert (created["named"], created["read"], created["made"]) == ([], [], [volume])
    assert (asked["ReadVolumes"]["named"], asked["ReadVolumes"]["read"]) == ([volume], [volume])
    assert (asked["CreateSnapshot"]["named"], asked["CreateSnapshot"]["made"]) == ([volume], [task])
    assert asked["CreateKeypair"]["made"][0].startswith("key-")
    refused = asked["ReadVms"]
    assert (refused["account_id"], refused["status"], refused["user_agent"]) == (None, 401, "probe/1")
    ran = [
        (each["command"], each["arguments"], each["status"]) for each in found if each["event"] == "command"
    ]
    assert ran[0] == ("account create", ["alice", "--home", "--json"], 0)
    assert ("account show", ["nobody", "--home"], 1) in ran
    assert ("import", ["--home"], 1) in ran
    assert stat.S_IMODE((home / "audit.jsonl").stat().st_mode) == 0o600


def test_a_command_without_a_server_leaves_a_line_where_the_last_server_did(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere.jsonl"
    with serving(home, "--audit-log", str(elsewhere)) as served:
        assert served.facts["AuditLog"] == str(elsewhere)
    told("account", "create", "alice", "--home", home)
    assert [each["command"] for each in lines(elsewhere) if each["event"] == "command"] == ["account create"]
    assert not (home / "audit.jsonl").exists()


def test_help_and_what_has_no_region_leave_none(tmp_path: Path) -> None:
    assert souche("account", "list", "--home", tmp_path / "none").returncode == 1
    assert not (tmp_path / "none").exists()


def settings(tmp_path: Path, **given: object) -> config.Settings:
    return config.read_settings({"home": tmp_path, **given}, {})


def test_an_empty_setting_turns_it_off(tmp_path: Path) -> None:
    assert auditing.open_audit(settings(tmp_path, audit_log="")) is None
    assert list(tmp_path.iterdir()) == []
    Home(tmp_path).record_facts({"AuditLog": ""})
    assert auditing.open_told(Home(tmp_path)) is None


@pytest.mark.parametrize(
    ("flag", "given"),
    [
        ("--audit-log is", {"audit_log": "none/audit.jsonl"}),
        ("--audit-log-mib", {"audit_log_mib": 0}),
        ("--audit-log-files", {"audit_log_files": -1}),
    ],
)
def test_what_cannot_be_is_refused_at_the_start(
    tmp_path: Path, flag: str, given: Mapping[str, object]
) -> None:
    with pytest.raises(BadSetting, match=flag):
        auditing.open_audit(settings(tmp_path, **given))


def test_a_file_is_rotated_and_few_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    audit, other = (AuditFile(path, 200, 2) for _ in range(2))  # as of two processes
    for number in range(40):
        (audit if number % 2 else other)({"number": number})
    names = ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    assert sorted(each.name for each in tmp_path.iterdir()) == names
    kept = [each["number"] for name in reversed(names) for each in lines(tmp_path / name)]
    assert kept == list(range(kept[0], 40))
    assert all((tmp_path / name).stat().st_size < 300 for name in names)
    assert all(stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600 for name in names)


def test_a_file_that_another_program_renamed_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    audit = AuditFile(path, MIB, 2)
    audit({"number": 1})
    path.rename(tmp_path / "old")
    audit({"number": 2})
    path.unlink()
    audit({"number": 3})
    assert [each["number"] for each in (*lines(tmp_path / "old"), *lines(path))] == [1, 3]


def test_what_callers_send_is_one_line(tmp_path: Path) -> None:
    audit = AuditFile(tmp_path / "audit.jsonl", MIB, 2)
    audit({"user_agent": 'a\n{"event": "request"}\u2028', "action": "\x1b[2J"})
    (line,) = lines(tmp_path / "audit.jsonl")
    assert line["user_agent"] == 'a\n{"event": "request"}\u2028'


def test_lines_that_cannot_be_written_are_counted_and_refuse_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = AuditFile(tmp_path / "audit.jsonl", MIB, 2)
    audit({"number": 1})
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        write(descriptor, data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    with capture_logs() as logs:
        monkeypatch.setattr(os, "write", full)
        audit({"number": 2})
        audit({"number": 3})
        monkeypatch.setattr(os, "write", write)
        audit({"number": 4})
    assert [(each["event"], each.get("lost")) for each in logs] == [
        ("audit lines are lost", None),
        ("audit lines are written again", 2),
    ]
    text = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert json.loads(text[0])["number"] == 1
    assert json.loads(text[-1])["number"] == 4


def test_the_systems_log_gets_the_lines(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(tmp_path / "log"))
        log.settimeout(10)
        audit = AuditSyslog(str(tmp_path / "log"))
        audit({"event": "request", "action": "ReadVms"})
        line = log.recv(65536).decode()
        audit.close()
    begin, _, text = line.partition(": ")
    assert begin == f"<86>souche[{os.getpid()}]"  # authpriv.info
    assert json.loads(text)["action"] == "ReadVms"


def test_several_processes_write_whole_lines(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from souche.audit import AuditFile\n"
        "audit = AuditFile(Path(sys.argv[1]), 20_000, 50)\n"
        "for number in range(200): audit({'process': sys.argv[2], 'number': number, 'text': 'x' * 300})\n"
    )
    path = tmp_path / "audit.jsonl"
    processes = [subprocess.Popen([sys.executable, "-c", program, path, str(each)]) for each in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    found = [(each["process"], each["number"]) for file in tmp_path.iterdir() for each in lines(file)]
    assert sorted(found) == sorted((str(process), number) for process in range(3) for number in range(200))


NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@contextmanager
def nobody() -> Iterator[None]:
    """This process as another user, who is not root."""
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@as_root
def test_a_home_below_a_closed_folder_has_no_log(tmp_path: Path) -> None:
    home = tmp_path / "closed" / "home"
    home.mkdir(parents=True)
    (home / "region-id").touch()
    home.parent.chmod(0o700)
    with nobody(), pytest.raises(SystemExit), command_audit.recorded(Typer(), ["fsck", "--home", str(home)]):
        sys.exit(1)
    assert [each.name for each in home.iterdir()] == ["region-id"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users reach, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="souche-audit-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@as_root
@pytest.mark.parametrize(("mode", "owner"), [(0o755, NOBODY), (0o1777, 0)])
def test_a_file_that_cannot_be_renamed_grows_and_no_file_is_lost(folder: Path, mode: int, owner: int) -> None:
    """In a folder of another user, which refuses each rename; in a sticky one, where the file alone is another's."""
    path = folder / "audit.jsonl"
    for number, name in enumerate(("audit.jsonl.2", "audit.jsonl.1", "audit.jsonl")):
        (folder / name).write_text(json.dumps({"number": number}) + "\n")
        os.chown(folder / name, NOBODY, NOBODY)
    os.chown(path, owner, owner)
    path.chmod(0o666)
    folder.chmod(mode)
    with nobody(), capture_logs() as logs:
        audit = AuditFile(path, 10, 2)
        for number in range(3, 7):
            audit({"number": number})
    assert [each["event"] for each in logs] == ["the audit log cannot be rotated"]
    assert [each["number"] for each in lines(path)] == [2, 3, 4, 5, 6]
    older = [each for each in folder.iterdir() if each != path]
    assert sorted(each["number"] for file in older for each in lines(file)) == [0, 1]
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    audit({"number": 7})  # root may
    audit.close()
    kept = [[each["number"] for each in lines(folder / f"audit.jsonl{name}")] for name in ("", ".1", ".2")]
    assert kept == [[7], [2, 3, 4, 5, 6], [1]]
    assert len(list(folder.iterdir())) == 3


def test_while_another_process_rotates_lines_are_written(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from souche.audit import AuditFile\n"
        "audit = AuditFile(Path(sys.argv[1]), 10, 2)\n"
        "for number in range(3): audit({'number': number})\n"
    )
    path = tmp_path / "audit.jsonl"
    with path.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        subprocess.run([sys.executable, "-c", program, path], timeout=60, check=True)
    assert [each["number"] for each in lines(path)] == [0, 1, 2]
    assert [each.name for each in tmp_path.iterdir()] == ["audit.jsonl"]


@as_root
def test_roots_command_makes_the_file_for_the_owner_of_its_folder(folder: Path) -> None:
    os.chown(folder, NOBODY, NOBODY)
    AuditFile(folder / "audit.jsonl", MIB, 2).close()
    made = (folder / "audit.jsonl").stat()
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (NOBODY, NOBODY, 0o600)


@as_root
@pytest.mark.parametrize("text", ["", "roots\n"])
@pytest.mark.parametrize(("owner", "mode"), [(NOBODY, 0o755), (0, 0o1777)])
def test_a_link_in_a_folder_of_another_user_is_refused(
    folder: Path, tmp_path: Path, owner: int, mode: int, text: str
) -> None:
    target = tmp_path / "target"
    if text:
        target.write_text(text)
    (folder / "audit.jsonl").symlink_to(target)
    os.chown(folder, owner, owner)
    folder.chmod(mode)
    with pytest.raises(BadSetting, match="a symbolic link, in a folder that another"):
        auditing.open_audit(settings(folder))
    assert target.exists() == bool(text)
    assert not text or (target.read_text(), target.stat().st_uid) == (text, 0)


def test_a_link_in_a_folder_of_ones_own_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "elsewhere" / "log")
    AuditFile(tmp_path / "audit.jsonl", MIB, 2)({"number": 1})
    assert [each["number"] for each in lines(tmp_path / "elsewhere" / "log")] == [1]
