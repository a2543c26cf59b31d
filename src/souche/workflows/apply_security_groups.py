"""Bring the firewalls of guests up to date after a change of rules, or of who is in a group. Forward only.

1. apply: for every VM that depends on the groups, what its guest lets in is worked out from the records as they are
   now, and told to the hypervisor.

Arguments: `security_group_ids`, with commas between them.
"""

from souche.model.operations import Operation
from souche.workflows import firewalls
from souche.workflows.engine import Step, Workflow
from souche.workflows.parts import Parts


def _apply(parts: Parts, operation: Operation) -> None:
    firewalls.follow_groups(parts, str(operation.arguments["security_group_ids"]).split(","))


WORKFLOW = Workflow(name="apply_security_groups", steps=(Step("apply", _apply),))
