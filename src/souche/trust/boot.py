"""Boots an image as a check: QEMU in a sandbox, on temporary overlays of its disks.

the disks    read-only over NBD; the guest's writes go into files without a name
the network  QEMU's own, without any way out: the sandbox has none, and QEMU lets nothing through
the console  a file; the boot succeeds with a login prompt or the end of cloud-init on it
the screen   one screenshot, when the boot is decided
"""

import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from souche import run, sandbox, staged
from souche.errors import ProgramMissing
from souche.model.image_boots import Boot
from souche.model.images import Architecture, BootMode
from souche.room import GIB
from souche.sandbox import Bind, Limits
from souche.trust.children import socket_path

MEMORY_MIB: Final = 1024
LIMITS: Final = Limits(memory_bytes=6 * GIB, cpu_seconds=7200, file_bytes=32 * GIB)
BOOT_SECONDS: Final = 1800.0
"""Without KVM, Debian 12 takes 25 to 80 s on two idle cores, and six minutes beside thirty other guests."""
EMULATED_CPU: Final = "Nehalem"
"""as for guests (`compute/libvirt/domain_xml.py`): newer CPUs have features that are slow to emulate"""
DEAD_END_SECONDS: Final = 120.0
"""A console that ends in a prompt of `_DEAD_ENDS` for so long waits for a person."""
POLL_SECONDS: Final = 0.25
MONITOR_SECONDS: Final = 10.0
LOG_BYTES: Final = 64 * 1024
MOST_CONSOLE_BYTES: Final = 64 * 1024 * 1024
MOST_SCREENSHOT_BYTES: Final = 4 * 1024 * 1024
WORK: Final = "/work"
UEFI_CODE: Final = "/usr/share/OVMF/OVMF_CODE_4M.fd"
UEFI_VARIABLES: Final = "/usr/share/OVMF/OVMF_VARS_4M.fd"
PROGRAMS: Final = {"x86_64": "qemu-system-x86_64", "i386": "qemu-system-i386"}

_ESCAPES: Final = re.compile(rb"\x1b(?:\[[0-9;?]*[A-Za-z]|[()][A-Za-z0-9]|.)")
_REACHED: Final = {
    "cloud-init": re.compile(rb"Cloud-init v\S{0,40} ?\S{0,40} finished at"),
    "login": re.compile(rb"(?:^|[\r\n])[\w.-]{1,64} login: ?"),
}
_PANIC: Final = re.compile(rb"Kernel panic - not syncing")
_DEAD_ENDS: Final = {
    "its initramfs did not find a usable root file system.": re.compile(rb"[\r\n]\(initramfs\) $"),
    "the UEFI firmware found no boot loader.": re.compile(rb"Shell> $"),
    "GRUB found no kernel.": re.compile(rb"[\r\n]grub(?: rescue)?> $"),
}
"""Prompts at the end of a console, and the reasons for them."""
_KVM_ERROR: Final = b"KVM internal error"
"""QEMU prints this to its own output, stops the guest, and keeps running"""


@dataclass(frozen=True)
class Machine:
    """The machine to boot: the disks' NBD URIs, the root's first, and the boot mode."""

    disks: Sequence[str]
    boot_mode: BootMode
    architecture: Architecture = "x86_64"


class _Process(Protocol):
    def poll(self) -> int | None: ...


class Booter(Protocol):
    """Boots images."""

    def missing(self, machine: Machine) -> str | None:
        """The program that this machine needs for a boot and lacks, if any."""
        ...

    def boot(self, machine: Machine, watch: Callable[[], None] = lambda: None) -> Boot:
        """Boot, and wait for the result. `watch` is called repeatedly; if it raises, the boot ends.

        Raises:
            ProgramMissing.
        """
        ...


class QemuBooter:
    """A `Booter` with temporary files in `folder`. `has_kvm`: whether guests really run under KVM here."""

    def __init__(
        self, folder: Path, has_kvm: Callable[[], bool] = lambda: False, most_seconds: float = BOOT_SECONDS
    ) -> None:
        self._folder = folder
        self._has_kvm = has_kvm
        self._most_seconds = most_seconds

    def missing(self, machine: Machine) -> str | None:
        for program in ("bwrap", "prlimit", PROGRAMS[machine.architecture]):
            if shutil.which(program, path=run.PATH) is None:
                return program
        return UEFI_CODE if machine.boot_mode == "uefi" and not Path(UEFI_CODE).exists() else None

    def boot(self, machine: Machine, watch: Callable[[], None] = lambda: None) -> Boot:
        lacking = self.missing(machine)
        if lacking is not None:
            raise ProgramMissing(program=lacking)
        with staged.folder(self._folder, "boot-") as folder:
            if machine.boot_mode == "uefi":
                shutil.copy(UEFI_VARIABLES, folder / "variables")
            return self._watched(machine, folder, watch)

    def _watched(self, machine: Machine, folder: Path, watch: Callable[[], None]) -> Boot:
        begun = time.monotonic()
        process = run.start(argv(machine, folder, kvm=self._has_kvm()), log_file=folder / "said")
        try:
            reached, reason = self._decided(folder, process, begun, watch)
            taken = screenshot(folder) if process.poll() is None else None
        finally:
            process.kill()
            process.wait()
        log = (_tail(folder / "console") or _tail(folder / "said"))[-LOG_BYTES:]
        return Boot(machine.boot_mode, reached, time.monotonic() - begun, reason, log, taken)

    def _decided(
        self, folder: Path, process: _Process, begun: float, watch: Callable[[], None]
    ) -> tuple[str, str]:
        """The state reached, or the reason for a failure."""
        length, since = 0, begun
        while True:
            ended = process.poll() is not None  # before the console is read, so that its output is complete
            console = _tail(folder / "console")
            reached, reason = judged(console)
            if reached or reason:
                return reached, reason
            if _length(folder / "console") != length:
                length, since = _length(folder / "console"), time.monotonic()
            if time.monotonic() - since > DEAD_END_SECONDS and (stuck := dead_end(console)):
                return "", stuck
            if ended:
                failed = "QEMU failed." if process.poll() else "the guest ended before a login prompt."
                return "", failed
            if _KVM_ERROR in _tail(folder / "said"):
                return "", "the host's KVM cannot run it (KVM internal error)."
            if time.monotonic() - begun > self._most_seconds:
                return "", f"there was no login prompt within {self._most_seconds:.0f} seconds."
            if _length(folder / "console") > MOST_CONSOLE_BYTES:
                return "", "it floods its console."
            watch()
            time.sleep(POLL_SECONDS)


def judged(console: bytes) -> tuple[str, str]:
    """The state that a serial console shows, and why the boot failed; two empty texts while it is undecided."""
    plain = _ESCAPES.sub(b"", console)
    for reached, pattern in _REACHED.items():
        if pattern.search(plain):
            return reached, ""
    return "", "its kernel panicked." if _PANIC.search(plain) else ""


def dead_end(console: bytes) -> str:
    """Why a guest waits for a person, by the end of its serial console; empty if it does not."""
    plain = _ESCAPES.sub(b"", console)
    return next((reason for reason, prompt in _DEAD_ENDS.items() if prompt.search(plain)), "")


def argv(machine: Machine, folder: Path, *, kvm: bool = False) -> list[str]:
    """The command that boots a machine. Of this host it sees /usr, the disks' sockets, /dev/kvm and `folder`."""
    sockets = [f"/disks/{number}" for number in range(len(machine.disks))]
    binds = [Bind(socket_path(uri), at) for uri, at in zip(machine.disks, sockets, strict=True)]
    binds.append(Bind(folder, WORK, writable=True))
    if kvm:
        binds.append(Bind(Path("/dev/kvm"), "/dev/kvm", device=True))
    return sandbox.argv(
        ["/usr/bin/env", f"TMPDIR={WORK}", *qemu_argv(machine, sockets, kvm=kvm)], binds, LIMITS
    )


def qemu_argv(machine: Machine, sockets: Sequence[str], *, kvm: bool) -> list[str]:
    """QEMU's command in the sandbox."""
    accelerator = "kvm" if kvm else "tcg,tb-size=256"
    kind = "q35" if machine.architecture == "x86_64" else "pc"
    command = [
        *(PROGRAMS[machine.architecture], "-machine", kind, "-accel", accelerator),
        *(
            "-cpu",
            "host" if kvm else EMULATED_CPU,
            "-m",
            str(MEMORY_MIB),
            "-smp",
            "2",
            "-nodefaults",
            "-no-user-config",
        ),
        *("-display", "none", "-vga", "std", "-serial", f"file:{WORK}/console"),
        *("-qmp", f"unix:{WORK}/monitor,server=on,wait=off"),
        *("-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net,romfile="),
        *("-object", "rng-random,filename=/dev/urandom,id=rng", "-device", "virtio-rng-pci,rng=rng"),
        *("-device", "virtio-scsi-pci,id=scsi"),
    ]
    if machine.boot_mode == "uefi":
        command += ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={UEFI_CODE}"]
        command += ["-drive", f"if=pflash,format=raw,unit=1,file={WORK}/variables"]
    for number, path in enumerate(sockets):
        source = f"file.driver=nbd,file.server.type=unix,file.server.path={path}"
        command += ["-drive", f"if=none,id=disk{number},format=raw,snapshot=on,{source}"]
        command += ["-device", f"scsi-hd,bus=scsi.0,drive=disk{number},bootindex={number + 1}"]
    return command


def screenshot(folder: Path) -> bytes | None:
    """A screenshot of the guest with files in `folder`, as a PNG; None: QEMU made none."""
    with suppress(OSError, ValueError), _monitor(folder) as ask:
        ask("qmp_capabilities", {})
        ask("screendump", {"filename": f"{WORK}/screen.png", "format": "png"})
        with (folder / "screen.png").open("rb") as file:
            return file.read(MOST_SCREENSHOT_BYTES) or None
    return None


@contextmanager
def _monitor(folder: Path) -> Iterator[Callable[[str, dict[str, str]], None]]:
    """A QMP connection to QEMU, through a short enough name of the socket (unix(7))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(MONITOR_SECONDS)
            client.connect(f"/proc/self/fd/{descriptor}/monitor")
            with client.makefile("rb") as answers:
                answers.readline(LOG_BYTES)
                yield lambda command, arguments: _ask(client, answers.readline, command, arguments)
    finally:
        os.close(descriptor)


def _ask(
    client: socket.socket, read: Callable[[int], bytes], command: str, arguments: dict[str, str]
) -> None:
    client.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
    for _ in range(100):  # skips events
        answer = json.loads(read(LOG_BYTES))
        if "return" in answer:
            return
        if "error" in answer:
            raise ValueError(answer["error"])
    raise ValueError(command)


def _tail(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_BYTES))
            return file.read(LOG_BYTES)
    except FileNotFoundError:
        return b""


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
