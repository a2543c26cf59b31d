"""Runs all checks, and separates faults from passing states of work under way."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from souche.compute.inspection import ComputeState
from souche.db import concerned
from souche.db import operations as operation_records
from souche.errors import ComputeFailed, SystemFailure, Unavailable
from souche.fsck import buckets, disks, exports, files, guests, operations, records, secrets, staged
from souche.fsck.findings import Finding, Level
from souche.fsck.look import Check, Observation, Region
from souche.model.operations import Operation

CHECKS: Final[Sequence[Check]] = (
    records.check,
    disks.check_volumes,
    disks.check_snapshots,
    disks.check_store,
    guests.check,
    exports.check,
    buckets.check,
    operations.check,
    staged.check,
    secrets.check,
    files.check,
)
LOOKS: Final = 3
PAUSE_SECONDS: Final = 1.0
NO_GUESTS: Final = "guests: serving.json, or the folder of simulated guests, is not there"


@dataclass(frozen=True)
class Report:
    """The findings, and the parts that could not be asked."""

    findings: Sequence[Finding]
    not_looked_at: Sequence[str] = ()

    @property
    def is_well(self) -> bool:
        return all(finding.level == Level.LEFTOVER for finding in self.findings)


def examine(region: Region, *, deep: bool = False, pause: Callable[[float], None] = time.sleep) -> Report:
    """Check everything; `deep` reads every layer too."""
    broken = list(region.check_databases()) or list(_identity(region))
    if broken:
        return Report(broken, ["everything but the databases"])
    report = _lasting(region, pause)
    if not deep:
        return report
    known = {finding.key for finding in report.findings}
    damaged = [finding for finding in disks.compare(region) if finding.key not in known]
    return Report([*report.findings, *damaged], report.not_looked_at)


def _lasting(region: Region, pause: Callable[[float], None]) -> Report:
    """Findings that remain after two more looks and that no work under way explains."""
    report = _look(region)
    for _ in range(LOOKS - 1):
        if not report.findings:
            return report
        pause(PAUSE_SECONDS)
        again = _look(region)
        keys = {finding.key for finding in report.findings}
        still = [finding for finding in again.findings if finding.key in keys]
        report = Report(still, again.not_looked_at)
    return report


def _identity(region: Region) -> Iterator[Finding]:
    try:
        region.belongs_together()
    except SystemFailure as error:
        yield Finding("IdentityDiffers", "region-id", str(error), advice="put back files of the same region")


def _look(region: Region) -> Report:
    """Operations are read before and after everything else: work that began or ended in between counts as under way."""
    with region.store.read() as connection:
        before = operation_records.outstanding(connection)
        busy = concerned.of_operations(connection, before)
    compute, not_looked_at = _compute(region)
    state = region.disks.inspect()
    with region.store.read() as connection:
        outstanding = _both(before, operation_records.outstanding(connection))
        busy |= concerned.of_operations(connection, outstanding)
        look = Observation(region, connection, state, compute, outstanding, busy)
        findings = [finding for check in CHECKS for finding in check(look)]
    with region.store.read() as connection:
        begun = concerned.of_operations(connection, operation_records.outstanding(connection)) - busy
    return Report([each for each in findings if each.resource_id not in begun], not_looked_at)


def _compute(region: Region) -> tuple[ComputeState | None, list[str]]:
    if region.compute is None:
        return None, [*region.not_looked_at, NO_GUESTS]
    try:
        return region.compute.inspect(), [*region.not_looked_at]
    except (ComputeFailed, Unavailable) as error:
        return None, [*region.not_looked_at, f"guests: {error}"]


def _both(before: list[Operation], after: list[Operation]) -> list[Operation]:
    return list({each.operation_id: each for each in (*before, *after)}.values())
