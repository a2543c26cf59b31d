"""KVM or TCG: found out by running a guest.

A /dev/kvm that opens proves nothing: there are hosts where it does and guests hang, or QEMU aborts. So a boot
sector is run under KVM, with the CPU model that real guests get; KVM is taken when it has written its line to
the serial port within `PROBE_SECONDS`.
"""

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Literal

import structlog

from souche.errors import ProgramFailed, ProgramMissing, ProgramTimedOut
from souche.run import run

Accelerator = Literal["kvm", "tcg"]

PROBE_SECONDS = 5.0
MARKER = b"souche: a guest ran"
PROBE_CPUS = {"kvm": "host", "tcg": "max"}  # what the guests' host-passthrough and maximum come to
LOAD_ADDRESS = 0x7C00  # where a PC's firmware puts a boot sector

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
    """QEMU with nothing but a floppy disk and a serial port, which is its standard output."""
    cpu = PROBE_CPUS[accelerator]
    return [
        "qemu-system-x86_64", "-machine", f"pc,accel={accelerator}", "-cpu", cpu, "-m", "32",
        "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
        "-drive", f"file={sector},format=raw,if=floppy,readonly=on",
    ]  # fmt: skip


@lru_cache(maxsize=1)
def detect() -> Accelerator:
    """The accelerator that guests run under on this host. Asked once in a process; logged."""
    failure = failure_of("kvm") if Path("/dev/kvm").exists() else "there is no /dev/kvm"
    accelerator: Accelerator = "tcg" if failure else "kvm"
    log.info("accelerator", accelerator=accelerator, kvm_failure=failure)
    return accelerator


def failure_of(accelerator: Accelerator) -> str | None:
    """Why a guest did not run under an accelerator; None when it did."""
    with tempfile.TemporaryDirectory() as directory:
        sector = Path(directory, "sector")
        sector.write_bytes(boot_sector(MARKER))
        try:
            output = run(probe_argv(sector, accelerator), timeout_seconds=PROBE_SECONDS)
        except (ProgramFailed, ProgramMissing, ProgramTimedOut) as error:
            return str(error)
    return None if MARKER in output else "the guest wrote something else"
