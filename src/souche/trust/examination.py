"""The examination itself: finds the system on the disks, and runs every check."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from souche.model.image_reports import Examination, Finding, Severity
from souche.trust import guidelines
from souche.trust.boot_loader import boot_loaders
from souche.trust.codes import finding
from souche.trust.disks.layout import Found, Layout
from souche.trust.disks.tree import Tree
from souche.trust.engine import Facts
from souche.trust.guidelines import Family
from souche.trust.linux import accounts, boot, identity, places, release, secrets, services, ssh
from souche.trust.linux.system import System
from souche.trust.windows import checks
from souche.trust.windows.system import System as WindowsSystem

Check = Callable[[System], Iterable[Finding]]
WindowsCheck = Callable[[WindowsSystem], Iterable[Finding]]

MOST_FINDINGS: Final = 1000
MOST_OF_A_CODE: Final = 100
MOST_TEXT: Final = 500

LINUX_CHECKS: Final[Sequence[Check]] = (
    accounts.authorized_keys,
    accounts.passwords,
    accounts.sudo,
    ssh.host_keys,
    ssh.sshd_options,
    secrets.private_keys,
    secrets.credentials,
    secrets.histories,
    services.services,
    identity.machine_id,
    identity.cloud_init_data,
    identity.leases,
    identity.logs,
    places.setuid_files,
    places.world_writable,
    release.end_of_support,
    release.packages,
    boot.fstab,
    boot.virtio,
    boot.cloud_init,
    boot.loaders,
)

WINDOWS_CHECKS: Final[Sequence[WindowsCheck]] = (
    checks.generalised,
    checks.passwords,
    checks.agent,
    checks.drivers,
    checks.event_logs,
    checks.domain,
    checks.end_of_support,
    checks.histories,
    checks.ssh,
    secrets.private_keys,
    secrets.credentials,
)

WINDOWS_FILE: Final = "/Windows/System32"
ROOT_FILES: Final = ("/etc/os-release", "/usr/lib/os-release", "/etc/passwd", "/etc/fstab")


@dataclass(frozen=True)
class Looked:
    """A system that was found: its family, its name, what was found in it, and what of it could not be read."""

    family: Family
    name: str
    findings: list[Finding]
    unread: list[str]


def examine(engine: str, layout: Layout, facts: Facts) -> Examination:
    """Examine what the disks have."""
    looked = _system(layout, facts)
    findings = [
        *(looked.findings if looked else _no_system(layout)),
        *boot_loaders(layout, facts.boot_modes),
        *_repairs(layout),
        *_unread(layout, looked.unread if looked else []),
    ]
    kept = tuple(_bounded(findings))
    family: Family = looked.family if looked else ""
    other = any(error.other for _, error in layout.unread)
    return Examination(
        engine, looked.name if looked else "", kept, guidelines.judged(family, findings), other
    )


def _system(layout: Layout, facts: Facts) -> Looked | None:
    for found in layout.found:
        if is_windows(found):
            return _windows(layout, Tree({"/": found}), facts)
        if is_linux(found):
            return _linux(layout, found, facts)
    return None


def is_windows(found: Found) -> bool:
    """Whether a file system is the root of a Windows."""
    return found.files.kind == "ntfs" and Tree({"/": found}).exists(WINDOWS_FILE)


def is_linux(found: Found) -> bool:
    """Whether a file system is the root of a Linux system."""
    return found.files.kind not in ("vfat", "ntfs") and any(map(Tree({"/": found}).exists, ROOT_FILES))


def _windows(layout: Layout, tree: Tree, facts: Facts) -> Looked:
    system = WindowsSystem(tree, layout, facts.today)
    findings = [each for check in WINDOWS_CHECKS for each in _guarded(check, system)]
    return Looked("windows", system.name[:MOST_TEXT], findings, tree.unread)


def _linux(layout: Layout, root: Found, facts: Facts) -> Looked:
    tree = Tree(mounts_of(layout, root))
    system = System(tree, layout, facts.boot_modes, facts.today)
    findings: list[Finding] = []
    for check in LINUX_CHECKS:
        findings += _guarded(check, system)
    return Looked("linux", release.name_of(system)[:MOST_TEXT], findings, tree.unread)


def _guarded(check: Callable[[Any], Iterable[Finding]], system: System | WindowsSystem) -> list[Finding]:
    """A check that breaks on what nobody thought of leaves the others their turn, and says so."""
    found: list[Finding] = []
    try:
        found.extend(check(system))
    except Exception as error:
        what = f"The check {check.__name__} ended with {type(error).__name__}."
        found.append(finding("unreadable", "", what))
    return found


def mounts_of(layout: Layout, root: Found) -> dict[str, Found]:
    """The file systems of a Linux system: the root's fstab says where the others are mounted."""
    mounts = {"/": root}
    for line in Tree({"/": root}).text("/etc/fstab").splitlines():
        fields = line.split()
        if (
            len(fields) >= 2
            and not fields[0].startswith("#")
            and fields[1].startswith("/")
            and fields[1] != "/"
        ):
            options = fields[3] if len(fields) > 3 else ""
            found = next((each for each in layout.found if _is_mounted(each, fields[0], options)), None)
            if found is not None and found is not root:
                mounts[fields[1].rstrip("/")] = found
    return mounts


def _is_mounted(found: Found, source: str, options: str) -> bool:
    """Whether a line of fstab means this: of btrfs, which subvolume."""
    named = re.search(r"(?:^|,)subvol=/?([^,]+)", options)
    wanted = named[1] if named else ""
    return _is_named(found, source) and (found.files.kind != "btrfs" or (found.place.volume or "") == wanted)


def _is_named(found: Found, source: str) -> bool:
    kind, _, value = source.partition("=")
    value = value.strip('"').lower()
    partition = found.place.partition
    match kind:
        case "UUID":
            return found.files.uuid.lower() == value
        case "LABEL":
            return found.files.label.lower() == value
        case "PARTUUID":
            return partition is not None and partition.part_uuid == value
    if found.place.volume and found.files.kind != "btrfs":
        mapped = found.place.volume.replace("-", "--").replace("/", "-")
        return source in (f"/dev/{found.place.volume}", f"/dev/mapper/{mapped}")
    letter = "abcdefghijklmnop"[found.place.disk % 16]
    number = str(partition.number) if partition else ""
    return source in {f"/dev/{kind}{letter}{number}" for kind in ("sd", "vd", "xvd")}


def _no_system(layout: Layout) -> Iterator[Finding]:
    if layout.unread:
        return
    if layout.found:
        kinds = ", ".join(sorted({each.files.kind for each in layout.found}))
        yield finding("no-system", "", f"No operating system was found, only file systems ({kinds}).")
    else:
        yield finding("unreadable", "", "No file system was found.")


def _repairs(layout: Layout) -> Iterator[Finding]:
    for found in layout.found:
        for problem in found.files.problems:
            yield finding("needs-repair", found.place.name, f"{found.files.kind}: {problem}.")


def _unread(layout: Layout, paths: list[str]) -> Iterator[Finding]:
    for place, error in layout.unread:
        yield finding("unreadable", place.name, f"This could not be read: {error.reason}.")
    for path in paths:
        yield finding("unreadable", path, "This could not be read: the file system is damaged here.")


def _bounded(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The gravest first; of one kind no more than a hundred, and no text without end."""
    ranks = {severity: rank for rank, severity in enumerate(Severity)}
    numbers: dict[str, int] = {}
    for total, each in enumerate(sorted(findings, key=lambda each: ranks[each.severity])):
        numbers[each.code] = numbers.get(each.code, 0) + 1
        if numbers[each.code] <= MOST_OF_A_CODE and total < MOST_FINDINGS:
            yield _short(each)


def _short(each: Finding) -> Finding:
    if (
        max(len(each.path), len(each.text)) <= MOST_TEXT
        and each.path.isprintable()
        and each.text.isprintable()
    ):
        return each
    path, text = (printable(part) for part in (each.path, each.text))
    return Finding(each.code, each.severity, path, each.fingerprint, text, each.remedy, each.user)


def printable(text: str) -> str:
    """A guest's text as far as it is shown."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MOST_TEXT])
