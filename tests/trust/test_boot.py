"""An image is booted in a sandbox, on disks that are thrown away (docs/official-images.md)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from souche.formats import tiny_disk
from souche.model.image_boots import Boot
from souche.storage import nbd
from souche.trust import boot
from souche.trust.boot import Machine, QemuBooter, judged
from tests.support.boot_disks import disk


@contextmanager
def served(folder: Path, data: bytes) -> Iterator[str]:
    (folder / "disk").write_bytes(data)
    (folder / "served").mkdir()
    with nbd.serve(folder / "disk", "raw", folder / "served") as uri:
        yield uri


def booted(folder: Path, data: bytes, most_seconds: float = 60) -> Boot:
    with served(folder, data) as uri:
        made = QemuBooter(folder, most_seconds=most_seconds).boot(Machine([uri], "legacy"))
    assert (folder / "disk").read_bytes() == data
    assert sorted(each.name for each in folder.iterdir()) == ["disk", "served"]
    return made


def test_a_guest_that_shows_a_login_prompt_has_booted(tmp_path: Path) -> None:
    made = booted(tmp_path, disk("souche login: "))
    assert (made.passed, made.reached, made.reason, made.boot_mode) == (True, "login", "", "legacy")
    assert b"souche login: " in made.log
    assert 0 < made.seconds < 60
    assert made.screenshot is not None
    assert made.screenshot.startswith(b"\x89PNG")


def test_the_tiny_disk_boots(tmp_path: Path) -> None:
    """With its marker, which the guest reads from the disk."""
    made = booted(tmp_path, tiny_disk.disk("Smoke"))
    assert (made.passed, made.reached) == (True, "login")
    assert made.log.endswith(b"souche: the tiny disk boots\r\nmarker: Smoke\r\nsouche-tiny login: ")


def test_a_guest_that_ends_before_has_not(tmp_path: Path) -> None:
    made = booted(tmp_path, disk("no root file system", ends=True))
    assert (made.passed, made.reason) == (False, "the guest ended before a login prompt.")
    assert b"no root file system" in made.log


def test_a_guest_that_never_gets_there_has_not(tmp_path: Path) -> None:
    made = booted(tmp_path, disk("waiting for nothing"), most_seconds=5)
    assert (made.passed, made.reason) == (False, "there was no login prompt within 5 seconds.")
    assert b"waiting for nothing" in made.log
    assert made.screenshot is not None


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("No init found.\r\n(initramfs) ", "its initramfs did not find a usable root file system."),
        ("startup.nsh\r\nShell> ", "the UEFI firmware found no boot loader."),
        ("error: no such partition.\r\ngrub rescue> ", "GRUB found no kernel."),
    ],
)
def test_a_guest_that_waits_for_a_person_has_not(
    prompt: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was waited for half an hour."""
    monkeypatch.setattr(boot, "DEAD_END_SECONDS", 1.0)
    made = booted(tmp_path, disk(prompt))
    assert (made.passed, made.reason) == (False, reason)


def test_a_prompt_that_is_not_the_end_is_no_dead_end() -> None:
    """As of a UEFI shell whose script starts the system."""
    assert boot.dead_end(b"Shell> startup.nsh\r\nLoading Linux\r\n") == ""


def test_the_prompt_of_a_uefi_shell_is_seen_in_its_colours() -> None:
    console = b"\x1b[17;01H\x1b[1m\x1b[33m\x1b[40mShell> \x1b[0m\x1b[37m\x1b[40m"
    assert boot.dead_end(console) == "the UEFI firmware found no boot loader."


def test_a_guest_that_kvm_cannot_run_has_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU continues to run. Before, the test waited for half an hour, without a reason."""
    says = ["sh", "-c", "echo 'KVM internal error. Suberror: 1' >&2; exec sleep 600"]
    monkeypatch.setattr(boot, "argv", lambda *_arguments, **_more: says)
    made = booted(tmp_path, disk("waiting for nothing"))
    assert (made.passed, made.reason) == (False, "the host's KVM cannot run it (KVM internal error).")
    assert b"Suberror" in made.log


def test_a_watch_that_raises_ends_the_boot(tmp_path: Path) -> None:
    class EnoughError(Exception):
        pass

    def watch() -> None:
        raise EnoughError

    with served(tmp_path, disk("waiting")) as uri, pytest.raises(EnoughError):
        QemuBooter(tmp_path).boot(Machine([uri], "legacy"), watch)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["disk", "served"]


@pytest.mark.parametrize(
    ("console", "reached"),
    [
        (b"Debian GNU/Linux 12 host ttyS0\r\n\r\nhost login: ", "login"),
        (b"\x1b[0;32m  OK  \x1b[0m\r\n\x1b[?25hip-10-0-0-1 login:", "login"),
        (b"[   41.2] cloud-init[511]: Cloud-init v. 22.4.2 finished at Tue", "cloud-init"),
        (b"Cloud-init v. 24.1 running 'init'", ""),
        (b"please say your login: to somebody", ""),
        (b"Starting Login Service...", ""),
        (b"", ""),
    ],
)
def test_what_a_console_says(console: bytes, reached: str) -> None:
    assert judged(console) == (reached, "")


def test_a_kernel_that_panics_has_not_booted() -> None:
    said = b"[ 2.1] Kernel panic - not syncing: VFS: Unable to mount root fs"
    assert judged(said) == ("", "its kernel panicked.")


def test_the_guest_sees_nothing_of_this_machine_and_no_network(tmp_path: Path) -> None:
    machine = Machine(["nbd+unix:///?socket=/a/nbd", "nbd+unix:///?socket=/b/nbd"], "uefi")
    command = boot.argv(machine, tmp_path)
    assert "--unshare-all" in command
    assert "user,id=net,restrict=on" in command
    bound = [command[at + 1] for at, part in enumerate(command) if part in ("--bind", "--dev-bind")]
    assert set(bound) <= {str(tmp_path), "/dev/kvm"}
    drives = [part for part in command if "driver=nbd" in part]
    assert len(drives) == 2
    assert all("snapshot=on" in drive for drive in drives)
