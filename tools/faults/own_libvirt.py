"""A separate libvirt for the harness, in its own namespaces, so that it can be killed without effect on other guests.

The process restarts itself under `unshare`, with mounts, a network and process ids that end with it. Inside, libvirt's
folders are copies in memory, and `tools/start-daemons` starts virtlogd and libvirtd as on a machine without systemd.
"""

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from souche.run import run

START_DAEMONS: Final = Path(__file__).parents[1] / "start-daemons"
INSIDE: Final = "SOUCHE_FAULTS_OWN_LIBVIRT"
"""Set in the process that `unshare` started."""
SOCKETS: Final = "/run"
CGROUPS: Final = "/sys/fs/cgroup"
FOLDERS: Final = ("/var/lib/libvirt", "/etc/libvirt/qemu", "/var/log/libvirt")
START_SECONDS: Final = 120.0
NAMESPACES: Final = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")


def enter() -> None:
    """Return inside of namespaces in which libvirt runs. Outside of them, restart this process in new ones."""
    if not os.environ.get(INSIDE):
        os.environ[INSIDE] = "1"
        command = ["unshare", *NAMESPACES, sys.executable, *sys.orig_argv[1:]]
        os.execvp(command[0], command)  # noqa: S606  no shell; the words are ours
    _become_a_child()
    _make_folders_private()
    run(["ip", "link", "set", "lo", "up"], timeout_seconds=10)
    start()


def start() -> None:
    """Start libvirt's daemons if they do not run, and wait until libvirtd answers.

    Raises:
        ProgramFailed, ProgramTimedOut: it does not.
    """
    run([START_DAEMONS], timeout_seconds=START_SECONDS)


def kill() -> bool:
    """Kill libvirtd. False if it does not run."""
    found = _libvirtd()
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return bool(found)


def _libvirtd() -> list[int]:
    """The process ids in this namespace. A zombie has no command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "comm").read_text() == "libvirtd\n" and (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _become_a_child() -> None:
    """Continue in a child. The first process of a namespace must reap orphans: otherwise libvirt considers a zombie
    QEMU as running."""
    child = os.fork()
    if child == 0:
        return
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    signal.signal(signal.SIGINT, lambda *_: os.kill(child, signal.SIGINT))
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _make_folders_private() -> None:
    """Copy libvirt's folders into memory, and hide the machine's running state (`/run`)."""
    with tempfile.TemporaryDirectory() as aside:
        for number, folder in enumerate(map(Path, FOLDERS)):
            kept = Path(aside) / str(number)
            run(["cp", "--archive", "--", folder, kept], timeout_seconds=60)
            run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", folder], timeout_seconds=10)
            run(["cp", "--archive", "--", f"{kept}/.", folder], timeout_seconds=60)
        run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", SOCKETS], timeout_seconds=10)
        _show_own_network_devices(Path(aside) / "cgroup")


def _show_own_network_devices(aside: Path) -> None:
    """Mount /sys again, with the control groups in it."""
    aside.mkdir()
    run(["mount", "--rbind", CGROUPS, aside], timeout_seconds=10)
    run(["mount", "-t", "sysfs", "sysfs", "/sys"], timeout_seconds=10)
    run(["mount", "--rbind", aside, CGROUPS], timeout_seconds=10)
    run(["umount", "--recursive", aside], timeout_seconds=10)
    aside.rmdir()
