"""Records that contradict each other (`db/contradictions.py` has the kinds)."""

from collections.abc import Iterator
from typing import Final

from souche.db import contradictions
from souche.fsck import record_repairs
from souche.fsck.findings import Finding
from souche.fsck.look import Observation

BACKUP: Final = "only a backup can bring back what is missing"


def check(look: Observation) -> Iterator[Finding]:
    """Every contradiction that no work under way explains."""
    for found in contradictions.find(look.connection):
        if found.resource_id not in look.busy:
            repair = record_repairs.of(found.code, found.resource_id)
            advice = "" if repair else BACKUP
            yield Finding(found.code, found.resource_id, found.text, repair=repair, advice=advice)
