"""The examination: finds the systems on the disks, and runs every check."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from souche.model.image_reports import Examination, Finding, Severity
from souche.trust import guidelines
from souche.trust.boot_loader import boot_loaders
from souche.trust.codes import NOBODYS_NAMES, finding
from souche.trust.disks.layout import FoundFileSystem, Layout
from souche.trust.disks.tree import Tree
from souche.trust.engine import Facts
from souche.trust.guidelines import Family
from souche.trust.linux import accounts, boot, cloud_config, identity, places, release, secrets, services, ssh
from souche.trust.linux.data import Data
from souche.trust.linux.system import System
from souche.trust.windows import checks
from souche.trust.windows.system import System as WindowsSystem

Check = Callable[[System], Iterable[Finding]]
WindowsCheck = Callable[[WindowsSystem], Iterable[Finding]]

MOST_FINDINGS: Final = 1000
"""findings in a report, in addition to the first of each code"""
MOST_OF_A_CODE: Final = 100
MOST_TEXT: Final = 500
MOST_NAME: Final = 255
"""bytes of a user's name: the maximum for a home folder's name"""
MOST_SYSTEMS: Final = 16
MOST_DATA: Final = 64
"""file systems without a system"""
TOO_MANY: Final = "There are too many systems or file systems: this one was not looked at."
"""of high severity: otherwise sixteen systems could hide an unexamined one from every gate"""

LINUX_CHECKS: Final[Sequence[Check]] = (
    accounts.authorized_keys,
    accounts.passwords,
    cloud_config.cloud_config,
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

EXPOSED: Final = frozenset({
    accounts.authorized_keys, accounts.passwords, cloud_config.cloud_config, ssh.host_keys, secrets.private_keys,
    secrets.credentials, secrets.histories,
})  # fmt: skip
"""Checks that also search below mount points and on data disks: a VM need not mount the file systems in fstab, and may
mount others."""

WINDOWS_FILE: Final = "/Windows/System32"
ROOT_FILES: Final = ("/etc/os-release", "/usr/lib/os-release", "/etc/passwd", "/etc/fstab")


@dataclass(frozen=True)
class ExaminedSystem:
    """A found system: its family, its name, and its findings."""

    family: Family
    name: str
    findings: list[Finding]


def examine(engine: str, layout: Layout, facts: Facts) -> Examination:
    """Examine every system on the disks, as a boot loader may start any. The report is named after the first."""
    roots = _roots(layout)
    looked = [_looked(layout, root, facts) for root in roots[:MOST_SYSTEMS]]
    findings = [each for system in looked[:1] for each in system.findings]
    for root, system in zip(roots[1:], looked[1:], strict=False):
        findings += [replace(each, path=f"{root.place.name}: {each.path}") for each in system.findings]
    data = data_of(layout)
    for found in data[:MOST_DATA]:
        findings += [
            replace(each, path=f"{found.place.name}: {each.path}") for each in _data(layout, found, facts)
        ]
    findings += [
        *(() if looked else _no_system(layout)),
        *boot_loaders(layout, facts.boot_modes),
        *_repairs(layout),
        *_unread(layout),
        *(
            finding("unreadable", each.place.name, TOO_MANY, severity=Severity.HIGH)
            for each in (*roots[MOST_SYSTEMS:], *data[MOST_DATA:])
        ),
    ]
    kept = tuple(_bounded(findings))
    first = looked[0] if looked else ExaminedSystem("", "", [])
    other = any(error.other for _, error in layout.unread)
    lines = guidelines.judged({system.family for system in looked}, findings)
    return Examination(engine, first.name[:MOST_TEXT], kept, lines, other)


def _roots(layout: Layout) -> list[FoundFileSystem]:
    return [found for found in layout.found if is_windows(found) or is_linux(found)]


def data_of(layout: Layout) -> list[FoundFileSystem]:
    """The file systems that have no system and that no system's fstab mounts."""
    known = {id(each) for root in _roots(layout) for each in mounts_of(layout, root).values()}
    return [
        each for each in layout.found if id(each) not in known and not _is_top_of_subvolumes(layout, each)
    ]


def _is_top_of_subvolumes(layout: Layout, found: FoundFileSystem) -> bool:
    """Whether this is the top of a btrfs whose subvolumes are file systems of their own here."""
    place = found.place
    return (
        found.files.kind == "btrfs"
        and not place.volume
        and any(
            each.place.volume and replace(each.place, volume=place.volume) == place for each in layout.found
        )
    )


def _data(layout: Layout, found: FoundFileSystem, facts: Facts) -> list[Finding]:
    """What a launch would find on a file system that no system mounts."""
    system = Data(Tree({"/": found}), layout, facts.boot_modes, facts.today)
    findings = [each for check in LINUX_CHECKS if check in EXPOSED for each in _guarded(check, system)]
    return [_of_user(system, each) for each in (*findings, *_unread_of(system.tree))]


def _looked(layout: Layout, root: FoundFileSystem, facts: Facts) -> ExaminedSystem:
    return (_windows if is_windows(root) else _linux)(layout, root, facts)


def is_windows(found: FoundFileSystem) -> bool:
    """Whether a file system is the root of a Windows."""
    return found.files.kind == "ntfs" and Tree({"/": found}).exists(WINDOWS_FILE)


def is_linux(found: FoundFileSystem) -> bool:
    """Whether a file system is the root of a Linux system."""
    return found.files.kind not in ("vfat", "ntfs") and any(map(Tree({"/": found}).exists, ROOT_FILES))


def _windows(layout: Layout, root: FoundFileSystem, facts: Facts) -> ExaminedSystem:
    tree = Tree({"/": root})
    system = WindowsSystem(tree, layout, facts.today)
    findings = [each for check in WINDOWS_CHECKS for each in _guarded(check, system)]
    return ExaminedSystem("windows", system.name, [*findings, *_unread_of(tree)])


def _linux(layout: Layout, root: FoundFileSystem, facts: Facts) -> ExaminedSystem:
    tree = Tree(mounts_of(layout, root))
    system = System(tree, layout, facts.boot_modes, facts.today)
    findings = [each for check in LINUX_CHECKS for each in _guarded(check, system)]
    findings += [*_unread_of(tree), *_named_twice(layout, root)]
    bare = without_mounts(system)
    if bare is not None:
        found = (each for check in LINUX_CHECKS if check in EXPOSED for each in _guarded(check, bare))
        findings += [each for each in found if each not in findings]
    return ExaminedSystem("linux", release.name_of(system), [_of_user(system, each) for each in findings])


def without_mounts(system: System) -> System | None:
    """The system with its root file system only; None if there are no files below its mount points. A launch need not
    mount the file systems in fstab."""
    bare = Tree({"/": system.tree.mounts["/"]})
    has_more = any(bare.children(path) for path in system.tree.mounts if path != "/")
    return replace(system, tree=bare) if has_more else None


def _of_user(system: System, each: Finding) -> Finding:
    """A finding in a user's home folder belongs to that user, whose name is hidden from others."""
    if each.user is not None:
        return each
    owner = next((user.name for user, home in system.homes if each.path.startswith(f"{home}/")), "root")
    return each if owner in NOBODYS_NAMES else replace(each, user=owner)


def _named_twice(layout: Layout, root: FoundFileSystem) -> Iterator[Finding]:
    """If two file systems have the same id or label, either may be mounted at a launch."""
    for source, path, options in _fstab(root):
        named = [each for each in layout.found if _is_mounted(each, source, options)]
        if len(named) > 1:
            yield finding(
                "unreadable", path, f"{len(named)} file systems have the name of what is mounted here."
            )


def _guarded(check: Callable[[Any], Iterable[Finding]], system: System | WindowsSystem) -> list[Finding]:
    """If a check fails on unexpected input, the others still run, and the report mentions it."""
    found: list[Finding] = []
    try:
        found.extend(check(system))
    except Exception as error:
        what = f"The check {check.__name__} ended with {type(error).__name__}."
        found.append(finding("unreadable", "", what))
    return found


def mounts_of(layout: Layout, root: FoundFileSystem) -> dict[str, FoundFileSystem]:
    """The file systems of a Linux system: the root's fstab has the mount points of the others."""
    mounts = {"/": root}
    for source, path, options in _fstab(root):
        found = next((each for each in layout.found if _is_mounted(each, source, options)), None)
        if found is not None and found is not root and path != "/":
            mounts[path] = found
    return mounts


def _fstab(root: FoundFileSystem) -> Iterator[tuple[str, str, str]]:
    """The mounts: sources, mount points and options."""
    for line in Tree({"/": root}).lines("/etc/fstab"):
        fields = line.split()
        if len(fields) >= 2 and not fields[0].startswith("#") and fields[1].startswith("/"):
            yield fields[0], fields[1].rstrip("/") or "/", fields[3] if len(fields) > 3 else ""


def _is_mounted(found: FoundFileSystem, source: str, options: str) -> bool:
    """Whether a line of fstab means this file system, or this subvolume of btrfs."""
    named = re.search(r"(?:^|,)subvol=/?([^,]+)", options)
    wanted = named[1] if named else ""
    return _is_named(found, source) and (found.files.kind != "btrfs" or (found.place.volume or "") == wanted)


def _is_named(found: FoundFileSystem, source: str) -> bool:
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


def _unread(layout: Layout) -> Iterator[Finding]:
    for place, error in layout.unread:
        yield finding("unreadable", place.name, f"This could not be read: {error.reason}.")


def _unread_of(tree: Tree) -> Iterator[Finding]:
    for path in tree.unread:
        yield finding("unreadable", path, "This could not be read: the file system is damaged here.")
    for path in tree.cut:
        yield finding("unreadable", path, "There is more of this than is looked at: its end was not read.")


def _bounded(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Bounds the findings, most severe first: at most a hundred of one kind, with texts of limited length. Every kind
    is listed, however many findings another kind has: accepted findings must not hide others."""
    ranks = {severity: rank for rank, severity in enumerate(Severity)}
    numbers: Counter[str] = Counter()
    kept = 0
    for each in sorted(findings, key=lambda each: ranks[each.severity]):
        numbers[each.code] += 1
        if numbers[each.code] == 1 or (numbers[each.code] <= MOST_OF_A_CODE and kept < MOST_FINDINGS):
            kept += 1
            yield _short(each)


def _short(each: Finding) -> Finding:
    path, text, user = shown(each.path, each.text, each.user)
    return replace(each, path=path, text=text, user=user)


def shown(path: str, text: str, user: str | None) -> tuple[str, str, str | None]:
    """The shown form of a path and a text, with the user's name in the same form, so that `without_user` can replace
    it."""
    if user and len(user) > MOST_NAME:
        text = text.replace(f"'{user}'", f"'{user[:MOST_NAME]}'")
        user = user[:MOST_NAME]
    return printable(path), printable(text), None if user is None else printable(user)


def printable(text: str) -> str:
    """The shown form of a guest's text."""
    text = text[:MOST_TEXT]
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "?" for letter in text)
