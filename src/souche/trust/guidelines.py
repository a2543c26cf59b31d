"""The lines of OUTSCALE's "Guidelines for Baking OUTSCALE Machine Images", and the check of each.

Source: https://docs.outscale.com/en/userguide/Guidelines-for-Baking-OUTSCALE-Machine-Images.html, later named
Guidelines-for-Building-OUTSCALE-Machine-Images.html, with the same lines.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from souche.model.image_reports import NOT_GENERALISED, Finding, Guideline

Family = Literal["linux", "windows", ""]


@dataclass(frozen=True)
class Line:
    """A line: its systems, and the findings that break it. Without any, a disk cannot show whether the line holds."""

    code: str
    text: str
    family: Family
    broken_by: tuple[str, ...]


LINES: Final = (
    Line("no-cleartext-services", "No service takes passwords in clear text", "", ("cleartext-service",)),
    Line(
        "no-other-services", "Only SSH or RDP, and what the image is for, listens", "", ("network-service",)
    ),
    Line("no-outscale-credentials", "No OUTSCALE credentials", "", ("cloud-credentials",)),
    Line("no-other-credentials", "No credentials of others", "", ("cloud-credentials", "cloud-init-data")),
    Line("no-key-material", "No certificates' keys or other key material", "", ("private-key",)),
    Line("no-default-accounts", "No software has a default account with a default password", "", ()),
    Line(
        "ssh-keys-only",
        "SSH lets in by public key only",
        "linux",
        ("sshd-password", "sshd-root", "sshd-no-keys"),
    ),
    Line(
        "host-keys-made-at-launch",
        "SSH host keys are made at the first start",
        "linux",
        ("host-key", "no-cloud-init"),
    ),
    Line("no-passwords", "No account has a password", "linux", ("usable-password", "empty-password")),
    Line("no-user-keys", "No key pairs of users", "linux", ("authorized-key", "private-key")),
    Line("no-histories-and-logs", "No shell histories and logs", "linux", ("shell-history", "logs")),
    Line("no-host-keys", "No SSH host keys", "linux", ("host-key",)),
    Line(
        "windows-new-passwords",
        "Passwords are made at the first start",
        "windows",
        ("windows-password", NOT_GENERALISED),
    ),
    Line("windows-generalised", "Sysprep has generalised it", "windows", (NOT_GENERALISED,)),
    Line("windows-no-event-logs", "The event logs are cleared", "windows", ("logs",)),
    Line("windows-no-domain", "It belongs to no domain", "windows", ("windows-domain",)),
    Line("windows-guest-disabled", "The guest account is disabled", "windows", ()),
    Line("windows-no-open-shares", "No file share is open to everybody", "windows", ()),
)


def judged(families: Collection[Family], findings: Iterable[Finding]) -> tuple[Guideline, ...]:
    """Which lines hold for systems of these families, by their findings. Unreadable parts do not count."""
    found = {each.code for each in findings}
    return tuple(Guideline(line.code, line.text, _holds(line, families, found)) for line in LINES)


def broken(lines: Iterable[Guideline], findings: Iterable[Finding]) -> tuple[Guideline, ...]:
    """The lines, updated with those that further findings break."""
    found = {each.code for each in findings}
    codes = {line.code for line in LINES if found.intersection(line.broken_by)}
    return tuple(replace(each, holds=False) if each.code in codes else each for each in lines)


def _holds(line: Line, families: Collection[Family], found: set[str]) -> bool | None:
    if not families or not line.broken_by or not (line.family == "" or line.family in families):
        return None
    return not found.intersection(line.broken_by)
