"""The faults of a Windows system as an image."""

import re
from collections.abc import Iterator
from typing import Final

from souche.model.image_reports import NOT_GENERALISED, Finding
from souche.trust import end_of_life
from souche.trust.codes import finding
from souche.trust.linux.accounts import KEY_TYPES, fingerprint
from souche.trust.linux.keys import is_private_key, public_half
from souche.trust.windows.system import System

GENERALISED: Final = "IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE"
STATE: Final = r"Microsoft\Windows\CurrentVersion\Setup\State"
SYSPREP: Final = r"Setup\Status\SysprepStatus"
DONE: Final = "7"
STATE_FILE: Final = "/Windows/Setup/State/State.ini"
WINLOGON: Final = r"Microsoft\Windows NT\CurrentVersion\Winlogon"
SOFTWARE_PATH: Final = "/Windows/System32/config/SOFTWARE"
SYSTEM_PATH: Final = "/Windows/System32/config/SYSTEM"
ANSWER_FILES: Final = (
    "/Windows/Panther/unattend.xml", "/Windows/Panther/Unattend/unattend.xml", "/Windows/Panther/autounattend.xml",
    "/Windows/System32/Sysprep/unattend.xml", "/Windows/System32/Sysprep/Panther/unattend.xml", "/unattend.xml",
    "/autounattend.xml", "/Windows/Panther/unattend-original.xml", "/sysprep/unattend.xml", "/sysprep.inf",
)  # fmt: skip
PASSWORD: Final = re.compile(
    r"<(?:\w+:)?(?:Administrator)?Password>\s*(?:<(?:\w+:)?Value>\s*)?([^<\s][^<]*)<"
    r"|(?m:^[ \t]*AdminPassword\s*=\s*(\S+))"
)
DELETED: Final = "*SENSITIVE*DATA*DELETED*"
AGENTS: Final = (
    "/Program Files/Amazon/EC2Launch", "/Program Files/Amazon/Ec2ConfigService",
    "/ProgramData/Amazon/EC2-Windows/Launch", "/ProgramData/Amazon/EC2Launch",
    "/Program Files/Cloudbase Solutions/Cloudbase-Init", "/Windows/Outscale", "/Program Files/Outscale",
)  # fmt: skip
DRIVERS: Final = "/Windows/System32/drivers"
EMPTY_LOG: Final = 69_632
"""bytes of an event log without events"""
SELECT: Final = "Select"
"""the registry key that names the control set that Windows starts with"""
TCPIP: Final = r"ControlSet{:03}\Services\Tcpip\Parameters"
HISTORY: Final = "AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine/ConsoleHost_history.txt"
SSH: Final = "/ProgramData/ssh"


def generalised(system: System) -> Iterator[Finding]:
    """Whether sysprep has generalised the system for its first start. If that is unknown, it has not."""
    state = system.software.text(STATE, "ImageState")
    if not state:
        found = re.search(r"ImageState\s*=\s*(\w+)", _utf16(system.tree.read(STATE_FILE)))
        state = found[1] if found else ""
    progress = system.system.text(SYSPREP, "GeneralizationState")
    if state != GENERALISED or progress not in ("", DONE):
        what = f"Sysprep has not generalised it: its state is {state or 'unknown'}"
        yield finding(NOT_GENERALISED, SOFTWARE_PATH, f"{what}, GeneralizationState {progress or 'unknown'}.")


def passwords(system: System) -> Iterator[Finding]:
    """Passwords in answer files, and of an automatic logon."""
    for path in ANSWER_FILES:
        content = system.tree.read(path)
        for found in PASSWORD.finditer(_utf16(content)):
            value = (found[1] or found[2] or "").strip()
            if value and DELETED not in value:
                yield finding("windows-password", path, "An answer file has a password.")
                break
    if system.software.text(WINLOGON, "DefaultPassword"):
        logs_on = system.software.text(WINLOGON, "AutoAdminLogon") == "1"
        text = "A user is logged on automatically, by a password in the registry."
        text = text if logs_on else "The registry has the password of an automatic logon."
        yield finding("windows-password", SOFTWARE_PATH, text)


def agent(system: System) -> Iterator[Finding]:
    """Checks whether a launch's data reaches the system."""
    if not any(map(system.tree.exists, AGENTS)):
        text = "There is neither EC2Launch nor Cloudbase-Init: a launch gets no password and no user data."
        yield finding("no-cloud-init", "/Program Files", text)


def drivers(system: System) -> Iterator[Finding]:
    """Checks for drivers of virtio's disks and networks."""
    has = {name: system.tree.exists(f"{DRIVERS}/{name}.sys") for name in ("viostor", "vioscsi", "netkvm")}
    if not ((has["viostor"] or has["vioscsi"]) and has["netkvm"]):
        yield finding("no-virtio", DRIVERS, "It has no virtio drivers for disks and networks.")


def event_logs(system: System) -> Iterator[Finding]:
    """Event logs with events."""
    folder = "/Windows/System32/winevt/Logs"
    kept = [node for node in system.tree.children(folder) if node.name.lower().endswith(".evtx")]
    kept = [node for node in kept if node.entry.size > EMPTY_LOG]
    if kept:
        yield finding("logs", folder, f"{len(kept)} event logs have events of the author's VM.")


def domain(system: System) -> Iterator[Finding]:
    """The system's domain, if it belongs to one."""
    current = system.system.text(SELECT, "Current")
    number = int(current) if current.isdecimal() and int(current) < 1000 else 1
    named = system.system.text(TCPIP.format(number), "Domain")
    if named:
        yield finding("windows-domain", SYSTEM_PATH, "It belongs to a domain.")


def end_of_support(system: System) -> Iterator[Finding]:
    """A build without security updates."""
    end = end_of_life.WINDOWS_BUILDS.get(system.build)
    if end is not None and end < system.today:
        yield finding(
            "end-of-life",
            SOFTWARE_PATH,
            f"{system.name} has had no security updates since {end.isoformat()}.",
        )


def histories(system: System) -> Iterator[Finding]:
    """Commands that users have typed into PowerShell."""
    for user, home in system.homes:
        node = system.tree.node(f"{home}/{HISTORY}")
        if node and node.is_file and node.entry.size:
            text = f"A history of '{user.name}', of {node.entry.size} bytes."
            yield finding("shell-history", node.path, text, user=user.name)


def ssh(system: System) -> Iterator[Finding]:
    """The SSH server's host keys and authorised keys."""
    for node in system.tree.children(SSH):
        content = (system.tree.content(node) or b"") if node.is_file else b""
        if node.name.startswith("ssh_host_") and is_private_key(content):
            text = "The SSH host key is the same in every launch."
            yield finding("host-key", node.path, text, fingerprint=public_half(content))
    places = [(None, f"{SSH}/administrators_authorized_keys")]
    places += [(user.name, f"{home}/.ssh/authorized_keys") for user, home in system.homes]  # type: ignore[misc]
    for user, path in places:
        for line in system.tree.lines(path):
            fields = line.split()
            at = next((index for index, each in enumerate(fields) if each.startswith(KEY_TYPES)), None)
            if at is not None and at + 1 < len(fields):
                text = f"A key of type {fields[at]} lets its holder in."
                yield finding(
                    "authorized-key", path, text, fingerprint=fingerprint(fields[at + 1]), user=user
                )


def _utf16(content: bytes | None) -> str:
    """Windows writes text files in UTF-16 or in UTF-8."""
    raw = content or b""
    return (
        raw.decode("utf-16", "replace")
        if raw[:2] in (b"\xff\xfe", b"\xfe\xff")
        else raw.decode("utf-8", "replace")
    )
