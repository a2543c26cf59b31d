"""Bring the firewalls of guests up to date after a change of rules, or of the groups that a VM is in. Forward only.

1. apply: the hypervisor gets the rules on record of the groups, or of the VM's groups.

Operations of earlier releases name groups even if a VM has changed its groups: the sweep of firewalls then updates the
VM.
"""

from souche.model.operations import Operation
from souche.operations.firewalls import ApplySecurityGroups
from souche.workflows import firewalls
from souche.workflows.engine import Ending, Lane, Step, Workflow
from souche.workflows.parts import Parts


def _apply(parts: Parts, operation: Operation[ApplySecurityGroups]) -> None:
    if operation.params.vm_id is not None:
        firewalls.follow_vms(parts, [operation.params.vm_id])
    else:
        firewalls.follow_groups(parts, operation.params.security_group_ids)


WORKFLOW = Workflow(
    params=ApplySecurityGroups, steps=(Step("apply", _apply),), lane=Lane.FIREWALLS, ending=Ending()
)
