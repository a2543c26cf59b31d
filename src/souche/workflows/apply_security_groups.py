"""Bring the firewalls of guests up to date after a change of rules, or of the groups that a VM is in. Forward only.

1. apply: the rules of the groups, or the VM's groups with their rules, are told to the hypervisor as the records have
   them now.

Arguments: `security_group_ids`, with commas between them; or `vm_id`, where a VM has changed its groups (promises of
earlier releases name groups: the sweep of firewalls has the VM follow then).
"""

from souche.model.operations import Operation
from souche.workflows import firewalls
from souche.workflows.engine import Ending, Lane, Step, Workflow
from souche.workflows.parts import Parts


def _apply(parts: Parts, operation: Operation) -> None:
    if "vm_id" in operation.arguments:
        firewalls.follow_vms(parts, [str(operation.arguments["vm_id"])])
    else:
        firewalls.follow_groups(parts, str(operation.arguments["security_group_ids"]).split(","))


WORKFLOW = Workflow(
    name="apply_security_groups", steps=(Step("apply", _apply),), lane=Lane.FIREWALLS, ending=Ending()
)
