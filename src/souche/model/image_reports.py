"""The trust report of an OMI: the findings in its contents."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """How serious a finding is. High: the image's users or its author are exposed."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


class ReportState(StrEnum):
    """`pending`: it waits for its turn; `active`: the disks are being read; `completed`."""

    PENDING = "pending"
    ACTIVE = "active"
    COMPLETED = "completed"


NOT_GENERALISED: Final = "windows-not-generalised"
"""the code that a publication can never accept"""


@dataclass(frozen=True)
class Finding:
    """One finding. `code` names its kind and never changes; `path` is the guest's; `fingerprint` identifies a key, and
    is no secret. `user` is the owner, if others than the image's owner must not learn that name."""

    code: str
    severity: Severity
    path: str
    fingerprint: str
    text: str
    remedy: str
    user: str | None = None


@dataclass(frozen=True)
class Guideline:
    """A line of OUTSCALE's "Guidelines for Baking OUTSCALE Machine Images", and whether it holds; None: it does not
    apply to such a system, or cannot be seen from its disk."""

    code: str
    text: str
    holds: bool | None


@dataclass(frozen=True)
class Examination:
    """The findings of an engine. `other`: it could not read everything, and another engine may."""

    engine: str
    os: str
    findings: tuple[Finding, ...]
    guidelines: tuple[Guideline, ...]
    other: bool = False


@dataclass(frozen=True)
class Report:
    """The report of an image. While a new one is made, the former findings stay. `accepted` are the codes that its
    publisher accepted."""

    image_id: str
    state: ReportState
    creation_date: datetime
    date: datetime | None = None
    engine: str = ""
    os: str = ""
    findings: tuple[Finding, ...] = ()
    guidelines: tuple[Guideline, ...] = ()
    accepted: tuple[str, ...] = field(default=())

    @property
    def is_complete(self) -> bool:
        return self.state == ReportState.COMPLETED

    @property
    def high(self) -> list[str]:
        """The codes of severity high, each once."""
        return sorted({each.code for each in self.findings if each.severity == Severity.HIGH})

    def refused(self, accepted: Collection[str] = ()) -> list[str]:
        """The codes that prevent publication: of severity high, and accepted neither now nor before. A Windows that
        sysprep has not generalised is never published."""
        taken = {*accepted, *self.accepted} - {NOT_GENERALISED}
        return [code for code in self.high if code not in taken]


HOMES: Final = re.compile(r"^((?:disk [^/:]*: )?/(?:home|Users|Documents and Settings)/)[^/]+", re.IGNORECASE)
"""A path in a home folder. For a second system, its place on the disks comes first."""


def hidden(finding: Finding) -> Finding:
    """The finding as others than the image's owner see it: without the names of home folders and their users."""
    path, text = without_user(finding.path, finding.text, finding.user)
    return replace(finding, path=path, text=text, user=None)


def without_user(path: str, text: str, user: str | None) -> tuple[str, str]:
    """A guest's path and a text about it, without the names of home folders and the user's name."""
    path = HOMES.sub(r"\1*", path)
    if user:
        path = "/".join("*" if part == user else part for part in path.split("/"))
        text = text.replace(f"'{user}'", "'*'")
    return path, text
