"""Staged disk files that nothing needs any more."""

from collections.abc import Iterator
from typing import Final

from souche.fsck.findings import Finding, Level
from souche.fsck.look import Observation
from souche.operations.images import ImportImage
from souche.staged import is_held

SWEEP: Final = "the region's server removes it"


def check(look: Observation) -> Iterator[Finding]:
    """Files that no operation names and no process holds."""
    named = {each.params.path for each in look.operations if isinstance(each.params, ImportImage)}
    staging = look.region.staging
    for path in sorted(staging.iterdir()) if staging.is_dir() else ():
        if path.name not in look.busy and str(path) not in named and not is_held(path):
            what = f"nothing uses staging/{path.name}"
            yield Finding("StagedLeft", path.name, what, Level.LEFTOVER, advice=SWEEP)
