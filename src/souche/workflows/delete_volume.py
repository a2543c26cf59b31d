"""Delete a volume. Forward only: each step is retried until it succeeds.

1. forget: in the volume store; its snapshots keep their bytes.

Ending: the record and its tags are erased.
"""

from souche.db import tags, volumes
from souche.db.transactions import Transaction
from souche.model.operations import Operation
from souche.operations.volumes import DeleteVolume
from souche.workflows import locks
from souche.workflows.engine import Ending, Step, Workflow
from souche.workflows.parts import Parts


def _forget(parts: Parts, operation: Operation) -> None:
    parts.volumes.delete_volume(operation.subject_id)


def _erase(connection: Transaction, parts: Parts, operation: Operation) -> None:
    volumes.erase(connection, operation.subject_id)
    tags.erase(connection, operation.subject_id)


WORKFLOW = Workflow(
    params=DeleteVolume, steps=(Step("forget", _forget),), ending=Ending(_erase), lock=locks.subject
)
