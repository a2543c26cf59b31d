"""Captures for a backup (workflows/capture_for_backup.py)."""

import secrets
from collections.abc import Collection

from souche.app.context.region import Region
from souche.db import volumes
from souche.operations.backups import capture_for_backup


def request_captures(region: Region, volume_ids: Collection[str], snapshot_prefix: str) -> list[str]:
    """Request captures of volumes, those of one VM together, each into the snapshot of the prefix and its id. Returns
    the ids of the operations."""
    with region.begin() as work:
        found = (volumes.get(work.connection, volume_id) for volume_id in volume_ids)
        subjects = {volume.link.vm_id if volume.link else volume.volume_id for volume in found if volume}
        work.operations += [
            capture_for_backup(subject_id, snapshot_prefix, secrets.token_hex(8))
            for subject_id in sorted(subjects)
        ]
        return [operation.operation_id for operation in work.operations]
