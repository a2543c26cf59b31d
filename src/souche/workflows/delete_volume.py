"""Delete a volume. Forward only: each step is tried until it succeeds.

1. forget: in the volume store; snapshots made of it keep their bytes.
2. erase: the record and its tags.
"""

from souche.db import tags, volumes
from souche.model.operations import Operation
from souche.workflows import locks
from souche.workflows.engine import Step, Workflow
from souche.workflows.parts import Parts


def _forget(parts: Parts, operation: Operation) -> None:
    parts.volumes.delete_volume(operation.subject_id)


def _erase(parts: Parts, operation: Operation) -> None:
    with parts.store.begin() as connection:
        volumes.erase(connection, operation.subject_id)
        tags.erase(connection, operation.subject_id)


WORKFLOW = Workflow(
    name="delete_volume", steps=(Step("forget", _forget), Step("erase", _erase)), lock=locks.subject
)
