"""Detach a volume from its VM.

1. detach: the hypervisor unplugs it; a running guest must release it. Nothing to undo: a guest that does not
   release it still has it.
2. record: the volume is `available`. Forward only: the guest has released it.

If step 1 fails, the result is recorded: a volume that the guest did not release is `attached` as before, a released one
is `available`.

The subject is the volume.
"""

from souche.operations.volumes import UnlinkVolume
from souche.workflows import locks
from souche.workflows.engine import Step, Workflow
from souche.workflows.link_volume import detach, record_as_is, record_detached

WORKFLOW = Workflow(
    params=UnlinkVolume,
    steps=(Step("detach", detach), Step("record", record_detached, forward_only=True)),
    failed=record_as_is,
    lock=locks.volume_and_vm,
)
