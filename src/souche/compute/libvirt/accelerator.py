"""Chooses KVM or TCG by running guests.

A /dev/kvm that opens proves nothing. On some hosts guests hang under it, or QEMU aborts. On others (KVM's PVM variant,
nested without hardware support) a boot sector runs, and the firmware stops at its first floating-point instruction with
"KVM internal error". So two guests run under KVM, with the CPU model of real guests:

  1. a boot sector, which must write its line to the serial port within `SECTOR_SECONDS`;
  2. the UEFI firmware of real guests, with two vCPUs and no disk, which must report within `FIRMWARE_SECONDS` that
     it finds nothing to boot. This is skipped if the firmware is not installed.
"""

import shutil
import tempfile
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import structlog

from souche.compute.libvirt.host_paths import UEFI_CODE, UEFI_VARIABLES
from souche.errors import ProgramFailed, ProgramMissing, ProgramTimedOut
from souche.run import run, start

Accelerator = Literal["kvm", "tcg"]

SECTOR_SECONDS = 5.0
FIRMWARE_SECONDS = 60.0
"""long, because after a host's start all guests start together with the server; with a working KVM it takes 2 s"""
POLL_SECONDS = 0.05
MARKER = b"souche: a guest ran"
FIRMWARE_MARKER = b"BdsDxe"
"""EDK2's boot device selection, which prints its name to the serial port"""
KVM_ERROR = b"KVM internal error"
"""QEMU prints this, stops the guest and keeps running"""
PROBE_CPUS = {"kvm": "host", "tcg": "max"}  # QEMU's names for host-passthrough and maximum
LOAD_ADDRESS = 0x7C00  # a PC's firmware loads the boot sector there

log = structlog.get_logger()


def boot_sector(line: bytes) -> bytes:
    """A 512-byte boot sector that writes `line` to the first serial port and powers the machine off.

    Powering off is writing the sleep type S5 to QEMU's ACPI control register, port 0x604 (machines pc and
    q35).
    """
    before_text = bytes.fromhex("31c0 8ed8 fc be")  # xor ax,ax; mov ds,ax; cld; mov si,TEXT
    after_text = bytes.fromhex(
        "baf803"  # mov dx,0x3f8
        "ac 84c0 7403 ee ebf8"  # next: lodsb; test al,al; jz done; out dx,al; jmp next
        "ba0406 b80020 ef"  # done: mov dx,0x604; mov ax,0x2000; out dx,ax
        "f4 ebfd"  # stop: hlt; jmp stop
    )
    text_address = LOAD_ADDRESS + len(before_text) + 2 + len(after_text)
    code = before_text + text_address.to_bytes(2, "little") + after_text
    return (code + line + b"\0").ljust(510, b"\0") + b"\x55\xaa"


def probe_argv(sector: Path, accelerator: Accelerator) -> list[str]:
    """QEMU with only a floppy disk and a serial port, which is its standard output."""
    cpu = PROBE_CPUS[accelerator]
    return [
        "qemu-system-x86_64", "-machine", f"pc,accel={accelerator}", "-cpu", cpu, "-m", "32",
        "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
        "-drive", f"file={sector},format=raw,if=floppy,readonly=on",
    ]  # fmt: skip


def firmware_argv(variables: Path, accelerator: Accelerator) -> list[str]:
    """QEMU with the UEFI firmware, its `variables` file, and a serial port, which is its standard output."""
    cpu = PROBE_CPUS[accelerator]
    return [
        "qemu-system-x86_64", "-machine", f"q35,accel={accelerator}", "-cpu", cpu, "-smp", "2", "-m", "256",
        "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
        "-drive", f"file={UEFI_CODE},format=raw,if=pflash,unit=0,readonly=on",
        "-drive", f"file={variables},format=raw,if=pflash,unit=1",
    ]  # fmt: skip


@lru_cache(maxsize=1)
def detect() -> Accelerator:
    """The accelerator of guests on this host. Determined once per process, and logged."""
    failure = failure_of("kvm") if Path("/dev/kvm").exists() else "there is no /dev/kvm"
    accelerator: Accelerator = "tcg" if failure else "kvm"
    log.info("accelerator", accelerator=accelerator, kvm_failure=failure)
    return accelerator


def failure_of(accelerator: Accelerator, *, firmware_seconds: float = FIRMWARE_SECONDS) -> str | None:
    """The reason why a guest did not run under an accelerator; None if both ran."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        try:
            return _sector_failure(accelerator, folder) or _firmware_failure(
                accelerator, folder, firmware_seconds
            )
        except (ProgramFailed, ProgramMissing, ProgramTimedOut) as error:
            return str(error)


def _sector_failure(accelerator: Accelerator, folder: Path) -> str | None:
    sector = folder / "sector"
    sector.write_bytes(boot_sector(MARKER))
    output = run(probe_argv(sector, accelerator), timeout_seconds=SECTOR_SECONDS)
    return None if MARKER in output else "the guest wrote unexpected output"


def _firmware_failure(accelerator: Accelerator, folder: Path, most_seconds: float) -> str | None:
    if not (Path(UEFI_CODE).exists() and Path(UEFI_VARIABLES).exists()):
        return None
    variables = folder / "variables"
    shutil.copyfile(UEFI_VARIABLES, variables)
    return output_failure(firmware_argv(variables, accelerator), folder / "output", most_seconds)


def output_failure(command: Sequence[str], output: Path, most_seconds: float) -> str | None:
    """The reason why a guest that never ends did not write `FIRMWARE_MARKER` to `output`; None if it did. Ends the
    guest.

    Raises:
        ProgramMissing: no QEMU.
    """
    process = start(command, log_file=output)
    try:
        deadline = time.monotonic() + most_seconds
        while True:
            has_ended = process.poll() is not None  # asked first, so that the file is complete
            said = output.read_bytes()
            if FIRMWARE_MARKER in said:
                return None
            if KVM_ERROR in said:
                return "the firmware stopped: KVM internal error"
            if has_ended:
                return f"QEMU ended with status {process.returncode}: {said[-200:].decode(errors='replace').strip()}"
            if time.monotonic() > deadline:
                return f"the firmware did not finish its start within {most_seconds:.0f} s"
            time.sleep(POLL_SECONDS)
    finally:
        process.kill()
        process.wait()
