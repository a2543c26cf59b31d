"""Operations against the journal. Each has a workflow of this release. An operation that the journal has ended is
broken."""

from collections.abc import Iterator
from typing import Final

from souche.fsck.findings import Finding, Level
from souche.fsck.look import Observation
from souche.model.operations import RawParams
from souche.workflows import journal_file

REVIVED: Final = "the region's server continues it within a minute"
OTHER_RELEASE: Final = "install the release of Souche that made it, or a later one"
ENDED: Final = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")


def check(look: Observation) -> Iterator[Finding]:
    """Operations that no process will run."""
    statuses = journal_file.statuses(look.region.journal)
    for operation in look.operations:
        if isinstance(operation.params, RawParams):
            what = f"it needs the workflow {operation.workflow} of another release"
            yield Finding("OperationUnknown", operation.subject_id, what, advice=OTHER_RELEASE)
        elif statuses.get(operation.operation_id) in ENDED:
            what = f"{operation.operation_id} was interrupted, and is not done"
            yield Finding("OperationBroken", operation.subject_id, what, Level.LEFTOVER, advice=REVIVED)
