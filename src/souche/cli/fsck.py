"""souche fsck"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from souche.cli.composition import Checked, Composition
from souche.cli.flags import HomeFlag
from souche.cli.output import errors_shown, plain

if TYPE_CHECKING:
    from souche.fsck.examine import Report
    from souche.fsck.findings import Finding

DeepFlag = Annotated[
    bool, typer.Option("--deep", help="Also read every layer and compare its hash, which takes long.")
]
RepairFlag = Annotated[
    bool,
    typer.Option("--repair", help="Print the possible repairs, then make them. The region must be stopped."),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print only a JSON list of findings.")]


def build(composition: Composition) -> Callable[[Path, bool, bool, bool], None]:
    """The command that checks a region."""

    def fsck(
        home: HomeFlag, repair: RepairFlag = False, deep: DeepFlag = False, json: JsonFlag = False
    ) -> None:
        """Check a region, running or not: its databases, disks, guests, addresses, firewalls, buckets, and their
        consistency. Changes nothing without --repair. Status 1 if there is a problem; leftovers that the server removes
        automatically do not count."""
        with errors_shown(), composition.check(home) as checked:
            report = checked.examine(deep)
            if repair and any(finding.repair for finding in report.findings):
                tried = _mend(checked, report.findings)
                report = checked.examine(deep)
                _print_outcome(tried, report.findings)
        _print(report, as_json=json)
        if not report.is_well:
            raise typer.Exit(1)

    return fsck


def _mend(checked: Checked, findings: "Sequence[Finding]") -> "list[Finding]":
    """Announce the repairs, then make them. Returns the findings that were repaired."""
    repairs = [(finding, finding.repair) for finding in findings if finding.repair]
    for finding, repair in repairs:
        print(f"to repair: {finding.code} {finding.resource_id}: {repair.text}", file=sys.stderr)
    with checked.mending() as tools:
        for _finding, repair in repairs:
            repair.act(tools)
    return [finding for finding, _repair in repairs]


def _print_outcome(tried: "Sequence[Finding]", found: "Sequence[Finding]") -> None:
    still = {(finding.code, finding.resource_id) for finding in found}
    for finding in tried:
        outcome = "still there" if (finding.code, finding.resource_id) in still else "repaired"
        print(f"{outcome}: {finding.code} {finding.resource_id}", file=sys.stderr)


def _print(report: "Report", *, as_json: bool) -> None:
    from souche.fsck.findings import Level

    for what in report.not_looked_at:
        print(f"not checked: {what}", file=sys.stderr)
    if as_json:
        print(json.dumps([_facts(finding) for finding in report.findings], indent=2))
        return
    for finding in report.findings:
        mark = "leftover " if finding.level == Level.LEFTOVER else ""
        print(plain(f"{mark}{finding.code} {finding.resource_id}: {finding.text}"))
        print(f"    {_remedy(finding)}")
    if not report.findings:
        print("no findings")


def _remedy(finding: "Finding") -> str:
    return f"--repair: {finding.repair.text}" if finding.repair else finding.advice


def _facts(finding: "Finding") -> dict[str, object]:
    return {
        "Code": finding.code,
        "ResourceId": finding.resource_id,
        "Text": finding.text,
        "Level": finding.level,
        "Repair": finding.repair.text if finding.repair else None,
        "Advice": finding.advice or None,
    }
