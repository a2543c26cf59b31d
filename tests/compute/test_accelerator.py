"""The probe that decides between KVM and TCG."""

import time
from pathlib import Path

import pytest

from souche.compute.libvirt import accelerator
from souche.compute.libvirt.accelerator import (
    MARKER,
    boot_sector,
    failure_of,
    firmware_argv,
    output_failure,
    probe_argv,
)

FOR_EVER = "; exec sleep 600"


def test_boot_sector_is_one_sector_with_its_line() -> None:
    sector = boot_sector(MARKER)
    assert len(sector) == 512
    assert sector[:8] == bytes.fromhex("31c08ed8fcbe1d7c")
    assert sector[29:].startswith(MARKER + b"\0")
    assert sector[510:] == b"\x55\xaa"


def test_probe_argv() -> None:
    assert probe_argv(Path("/tmp/sector"), "kvm") == [
        "qemu-system-x86_64", "-machine", "pc,accel=kvm", "-cpu", "host", "-m", "32",
        "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
        "-drive", "file=/tmp/sector,format=raw,if=floppy,readonly=on",
    ]  # fmt: skip


def test_the_firmware_is_tried_with_the_cpu_of_real_guests() -> None:
    command = firmware_argv(Path("/tmp/variables"), "kvm")
    assert command[:6] == ["qemu-system-x86_64", "-machine", "q35,accel=kvm", "-cpu", "host", "-smp"]
    assert "file=/tmp/variables,format=raw,if=pflash,unit=1" in command


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("echo BdsDxe: failed to load Boot0001" + FOR_EVER, None),
        ("echo 'KVM internal error. Suberror: 1' >&2" + FOR_EVER, "the firmware stopped: KVM internal error"),
        ("echo no such CPU >&2; exit 1", "QEMU ended with status 1: no such CPU"),
        ("true" + FOR_EVER, "the firmware did not finish its start within 1 s"),
    ],
)
def test_what_the_firmware_says_decides(script: str, failure: str | None, tmp_path: Path) -> None:
    """Seen under KVM's PVM variant: the boot sector runs, and the firmware stops forever, with an internal error."""
    most_seconds = 1 if failure is not None and "within 1 s" in failure else 100
    began = time.monotonic()
    assert output_failure(["sh", "-c", script], tmp_path / "output", most_seconds) == failure
    assert time.monotonic() - began < 300, "the guest was not ended"


def test_a_host_whose_kvm_runs_no_firmware_gets_tcg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Although its boot sector runs."""
    monkeypatch.setattr(accelerator, "run", lambda *_arguments, **_more: MARKER)
    script = "echo KVM internal error" + FOR_EVER
    monkeypatch.setattr(accelerator, "firmware_argv", lambda *_arguments: ["sh", "-c", script])
    variables = tmp_path / "variables"
    variables.write_bytes(b"")
    monkeypatch.setattr(accelerator, "UEFI_CODE", str(variables))
    monkeypatch.setattr(accelerator, "UEFI_VARIABLES", str(variables))
    assert failure_of("kvm") == "the firmware stopped: KVM internal error"


@pytest.mark.guest
def test_probe_succeeds_where_guests_run() -> None:
    assert failure_of("tcg", firmware_seconds=300) is None
