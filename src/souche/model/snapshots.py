"""Snapshots of volumes."""

from dataclasses import dataclass
from datetime import datetime

from souche.model.permissions import PRIVATE, Permissions
from souche.states import SnapshotState


@dataclass(frozen=True)
class Snapshot:
    """A snapshot. Its bytes never change once it is `completed`. `image_id` is the image whose creation from a VM made
    it, if any; other images may use it too. `problem` explains why a snapshot in the state `error` was not made.
    `request_digest` is that of the request with `client_token` (`app/context/client_tokens.py`)."""

    snapshot_id: str
    account_id: str
    volume_id: str | None
    volume_size_gib: int
    state: SnapshotState
    progress_percent: int
    description: str
    creation_date: datetime
    permissions: Permissions = PRIVATE
    product_codes: tuple[str, ...] = ()
    client_token: str | None = None
    request_digest: str | None = None
    source_snapshot_id: str | None = None
    image_id: str | None = None
    account_alias: str | None = None
    problem: str | None = None
