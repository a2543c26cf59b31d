"""Direct public IPs to the guests that they are linked to now. Forward only.

1. apply: the hypervisor gets the public IP on record of each of the VMs, or none.
"""

from souche.model.operations import Operation
from souche.operations.firewalls import ApplyPublicIps
from souche.workflows import firewalls
from souche.workflows.engine import Ending, Lane, Step, Workflow
from souche.workflows.parts import Parts


def _apply(parts: Parts, operation: Operation[ApplyPublicIps]) -> None:
    firewalls.follow_vms(parts, operation.params.vm_ids)


WORKFLOW = Workflow(
    params=ApplyPublicIps, steps=(Step("apply", _apply),), lane=Lane.FIREWALLS, ending=Ending()
)
