"""The checks of `souche doctor`: one row per check, with a remedy.

A check inspects a `Machine`, which tells it where to look; nothing here changes anything.
"""

import importlib
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from souche import client_variables
from souche.compute.libvirt import accelerator
from souche.compute.libvirt.host_paths import require_traversable
from souche.doctor.findings import Check, Finding, Machine, Result, State, missing, ok, warning
from souche.errors import ComputeFailed, SystemFailure
from souche.objects.seaweedfs import embedded
from souche.room import GIB, LEVELS, Usage, usage_of
from souche.run import run
from souche.transfer import sandbox

FREE_BYTES_WANTED = 10 * GIB  # an official image, its build, and a few guests
FREE_BYTES_NEEDED = 2 * GIB
LIBVIRT_URI = "qemu:///system"


def run_checks(
    home: Path | None, compute: str = "libvirt", database: Callable[[], str | None] = lambda: None
) -> list[Result]:
    """Check everything that guests of this kind need on this machine. Takes a few seconds if the accelerator probe runs
    a guest. `database`: as of `Machine`."""
    checks = tuple(check for check in CHECKS if compute == "libvirt" or check.name in SIMULATED)
    return list(examine(checks, Machine(home, database=database)))


def examine(checks: tuple[Check, ...], machine: Machine) -> Iterator[Result]:
    """The result of each check, as it is found."""
    for check in checks:
        finding = check.look(machine)
        remedy = "" if finding.state is State.OK else check.remedy
        yield Result(check.name, finding.state, finding.detail, remedy)


def _python(machine: Machine) -> Finding:
    version = ".".join(map(str, machine.python))
    return ok(version) if (3, 11) <= machine.python <= (3, 13) else missing(version)


def _user(_machine: Machine) -> Finding:
    return ok("root") if os.geteuid() == 0 else warning(f"user {os.geteuid()}: simulated guests only")


def _binding(module: str) -> Callable[[Machine], Finding]:
    def look(_machine: Machine) -> Finding:
        try:
            importlib.import_module(module)
        except ImportError as error:
            return missing(str(error))
        return ok(f"Python imports {module}")

    return look


def _program(name: str, absent: State = State.MISSING) -> Callable[[Machine], Finding]:
    def look(machine: Machine) -> Finding:
        found = shutil.which(name, path=machine.program_path)
        return ok(found) if found else Finding(absent, f"no {name} in {machine.program_path}")

    return look


def _libvirt(_machine: Machine) -> Finding:
    command = ["virsh", "--quiet", "--connect", LIBVIRT_URI, "version", "--daemon"]
    try:
        answer = run(command, timeout_seconds=20).decode()
    except SystemFailure as error:
        return missing(str(error))
    return ok(libvirt_versions(answer))


def libvirt_versions(answer: str) -> str:
    """The versions of daemon and hypervisor in what `virsh version --daemon` prints."""
    found = re.findall(r"^Running (?:hypervisor|against daemon): (.+)$", answer, re.MULTILINE)
    return ", ".join(reversed([f"libvirt {each}" if each[0].isdigit() else each for each in found]))


def _log_daemon(machine: Machine) -> Finding:
    path = machine.root / "run/libvirt/virtlogd-sock"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(str(path))
        except OSError as error:
            return missing(f"{path}: {error.strerror or error}")
    return ok(str(path))


def _uefi(machine: Machine) -> Finding:
    wanted = [machine.root / "usr/share/OVMF" / f"OVMF_{part}_4M.fd" for part in ("CODE", "VARS")]
    absent = [str(path) for path in wanted if not path.exists()]
    return missing(f"no {', '.join(absent)}") if absent else ok(str(wanted[0].parent))


def _object_store(machine: Machine) -> Finding:
    """The program, and whether the store answers where a server runs the region."""
    try:
        said = run([embedded.PROGRAM, "version"], timeout_seconds=20).decode()
    except SystemFailure as error:
        return missing(str(error))
    found = re.search(r"\b\d+\.\d+\b", said)
    version = f"SeaweedFS {found[0] if found else said.strip()}"
    endpoint = _told_endpoint(machine)
    if endpoint is None:
        return ok(version)
    try:
        with build_opener(ProxyHandler({})).open(endpoint, timeout=5):
            pass
    except HTTPError as error:
        error.close()  # it answers, and wants a signature
    except OSError as error:
        return missing(f"{endpoint} does not answer: {error}")
    return ok(f"{version}; {endpoint} answers")


def _told_endpoint(machine: Machine) -> str | None:
    """The running server's endpoint of its object store."""
    try:
        facts = json.loads(((machine.home or Path()) / "serving.json").read_text())
        os.kill(facts["ProcessId"], 0)
    except (OSError, ValueError, KeyError):
        return None
    return str(facts["Oos"]) if facts.get("Oos") else None


def _kernel(machine: Machine) -> Finding:
    boot = machine.root / "boot"
    usable = [kernel for kernel in sorted(boot.glob("vmlinuz-*")) if _has_modules(machine, kernel)]
    readable = [each for each in usable if os.access(each, os.R_OK)]
    if readable:
        return ok(readable[-1].name)
    return missing(f"{usable[-1]} cannot be read" if usable else f"no kernel with modules in {boot}")


def _has_modules(machine: Machine, kernel: Path) -> bool:
    version = kernel.name.removeprefix("vmlinuz-")
    return (machine.root / "lib/modules" / version / "modules.dep").exists()


def _accelerator(_machine: Machine) -> Finding:
    return accelerator_finding(accelerator.detect())


def accelerator_finding(found: accelerator.Accelerator) -> Finding:
    """KVM is as it should be; with TCG everything works, slowly."""
    if found == "kvm":
        return ok("KVM: a guest ran under it")
    return warning("TCG: guests are emulated, many times slower; no guest ran under KVM")


def _tap_device(machine: Machine) -> Finding:
    path = machine.root / "dev/net/tun"
    return ok(str(path)) if path.is_char_device() else missing(f"no {path}")


def _bridge_netfilter(machine: Machine) -> Finding:
    path = machine.root / "proc/sys/net/bridge"
    if path.exists():
        return ok(str(path))
    return warning("no br_netfilter: security groups do not filter traffic between guests")


def existing_part(path: Path) -> Path:
    """The path itself or the nearest of its parents that exists."""
    absolute = path.absolute()
    return next(each for each in (absolute, *absolute.parents) if each.exists())


def _reachable_home(machine: Machine) -> Finding:
    if machine.home is None:
        return ok("not checked: no --home given")
    try:
        require_traversable(existing_part(machine.home))
    except ComputeFailed as error:
        return missing(str(error))
    return ok(str(machine.home))


def _database(machine: Machine) -> Finding:
    try:
        found = machine.database()
    except SystemFailure as error:
        return missing(str(error))
    return ok(found or "no PostgreSQL: neither --database-file nor the region of --home names one")


def _free_space(machine: Machine) -> Finding:
    home = machine.home or Path.cwd()
    places = [existing_part(home / part) for part in ("", "disks", "staging", "oos")]
    usage, place = min(((usage_of(place), place) for place in places), key=lambda each: each[0].free_bytes)
    return free_space_finding(place, usage)


def free_space_finding(place: Path, usage: Usage) -> Finding:
    """Whether there is room for images, and how full the medium is."""
    detail = f"{usage.free_bytes / GIB:.1f} GiB free at {place}, {usage.percent:.0f} % full"
    if usage.free_bytes < FREE_BYTES_NEEDED:
        return missing(detail)
    plenty = usage.free_bytes >= FREE_BYTES_WANTED and usage.percent < LEVELS[0]
    return ok(detail) if plenty else warning(detail)


def _sandbox(machine: Machine) -> Finding:
    problem = sandbox.problem(machine.program_path)
    return (
        warning(f"images are not inspected, and no disk is converted: {problem}")
        if problem
        else ok("bwrap runs programs")
    )


def _client_variables(_machine: Machine) -> Finding:
    reasons = list(client_variables.leading_away(os.environ))
    return warning("; ".join(reasons)) if reasons else ok("none of them leads to the real cloud")


def _clock(_machine: Machine) -> Finding:
    return clock_finding(now=time.time(), written=Path(__file__).stat().st_mtime)


def clock_finding(*, now: float, written: float) -> Finding:
    """A clock that shows a time before Souche was installed is wrong; then the signatures of clients with the
    right time are refused. Both in seconds since the epoch."""
    shown = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(now))
    return ok(shown) if now >= written else warning(f"{shown} is before the installation of Souche")


def _apt(package: str) -> str:
    return f"apt-get install -y {package}"


def _program_check(name: str, looks_at: str, package: str) -> Check:
    return Check(name, looks_at, _apt(package), _program(name))


SIMULATED: Final = frozenset(
    (
        "python",
        "qemu-img",
        "qemu-nbd",
        "bubblewrap",
        "object store",
        "database",
        "free space",
        "clock",
        "client variables",
    )
)
"""the checks for a region with simulated guests; all others are for real guests and for building images"""


def _binding_check(module: str) -> Check:
    package = f"python3-{module}"
    remedy = (
        f"{_apt(package)}; a virtual environment needs --system-site-packages (`make setup` in a checkout)"
    )
    return Check(package, "Debian's Python binding", remedy, _binding(module))


def _start(unit: str, daemon: str) -> str:
    return f"systemctl start {unit}; without systemd: {daemon} --daemon, or `make daemons` in a checkout"


CHECKS: tuple[Check, ...] = (
    Check("python", "Python 3.11 to 3.13", "use Debian 12 or 13 (`make setup` in a checkout)", _python),
    Check("user", "who runs this", "run as root for real guests (networks, metadata server)", _user),
    *(_binding_check(module) for module in ("libvirt", "guestfs")),
    Check("libvirt", "the daemon at qemu:///system", _start("libvirtd", "libvirtd"), _libvirt),
    Check("virtlogd", "libvirt's log daemon", _start("virtlogd.socket", "virtlogd"), _log_daemon),
    _program_check("qemu-system-x86_64", "runs x86_64 guests", "qemu-system-x86"),
    _program_check("qemu-system-i386", "runs i386 guests", "qemu-system-x86"),
    Check("accelerator", "a test guest", "use a machine whose /dev/kvm works", _accelerator),
    Check("uefi", "UEFI firmware (OVMF)", _apt("ovmf"), _uefi),
    Check(
        "swtpm",
        "virtual TPMs of guests",
        _apt("swtpm swtpm-tools"),
        _program("swtpm", State.WARNING),
    ),
    Check(
        "tap devices",
        "/dev/net/tun",
        "modprobe tun; in a container, give it the device /dev/net/tun",
        _tap_device,
    ),
    _program_check("nft", "guests' firewalls", "nftables"),
    _program_check("ip", "keeps public IPs on this machine", "iproute2"),
    Check(
        "bridge netfilter",
        "firewalls see the traffic between guests",
        "modprobe br_netfilter (`souche serve` tries to)",
        _bridge_netfilter,
    ),
    _program_check("dnsmasq", "DHCP for guests", "dnsmasq-base"),
    _program_check("dhcp_release", "ends the leases of deleted guests", "dnsmasq-utils"),
    _program_check("qemu-img", "makes disks", "qemu-utils"),
    _program_check("qemu-nbd", "reads disks", "qemu-utils"),
    Check(
        "bubblewrap",
        "inspects images, and converts disks (VMDK, VHDX, OVA, ...), in a sandbox",
        f"{_apt('bubblewrap')}; a container must allow user namespaces",
        _sandbox,
    ),
    _program_check("mmdebstrap", "builds official images", "mmdebstrap"),
    _program_check("gpgv", "verifies signed lists of checksums", "gpgv"),
    _program_check("sfdisk", "partitions official images", "fdisk"),
    _program_check("mke2fs", "makes their file systems", "e2fsprogs"),
    Check(
        "object store", "embedded OOS (SeaweedFS)", "reinstall Souche, or change --oos-listen", _object_store
    ),
    Check(
        "kernel",
        "a kernel with modules that libguestfs can read and boot",
        f"{_apt('linux-image-cloud-amd64')}, or chmod 0644 /boot/vmlinuz-*",
        _kernel,
    ),
    _program_check("ssh", "logs in to guests", "openssh-client"),
    _program_check("ssh-keygen", "makes and reads keys", "openssh-client"),
    Check(
        "home",
        "QEMU's user can reach the region's files",
        "give libvirt-qemu access, or choose a home in /var/lib",
        _reachable_home,
    ),
    Check(
        "database",
        "PostgreSQL for the records: version, encoding, collation, rights, clock",
        "docs/databases.md says how to create it",
        _database,
    ),
    Check("free space", "room for disks", "free some space, or choose another --home", _free_space),
    Check(
        "client variables",
        "no client started here reaches the real cloud",
        'eval "$(souche env ACCOUNT)"',
        _client_variables,
    ),
    Check("clock", "the clock, which signatures depend on", "set the clock", _clock),
)
