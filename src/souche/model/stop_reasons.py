"""Why a VM is not running, as in its record: a code, followed by a text.

These are EC2's codes. OUTSCALE's API shows them, and its filters compare them with the record, so records contain them
in this form. Workflows and sweeps name a reason by its constant. A VM that is `pending` or `running` has none
(reference section 12).
"""

from typing import Final

NONE: Final = ""
BY_USER: Final = "Client.UserInitiatedShutdown: User initiated shutdown"
"""the user stopped or deleted the VM, or created it without booting it"""
BY_GUEST: Final = "Client.InstanceInitiatedShutdown: Instance initiated shutdown"
PANICKED: Final = "Client.GuestPanic: the guest's kernel panicked; its console tells why"
HOST_FAILED: Final = "Server.HostFailure: the VM's process or its host ended"


def failed(reason: str) -> str:
    """Souche could not start it."""
    return f"Server.InternalError: {reason}"
