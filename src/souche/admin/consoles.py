"""The serial consoles and screens of VMs."""

from base64 import b64encode
from contextlib import ExitStack

from souche.admin.action import Administered, Facts, action
from souche.admin.console_bridge import Offer
from souche.app import console_tokens, consoles


@action
def connect(at: Administered, vm_id: str) -> Facts:
    """Begin a session at the serial console of a running VM. `Socket` is the name of the session's socket in the
    operator's folder (`console_bridge.py`)."""
    consoles.check_running(at.region, vm_id)
    return _connected(at, vm_id)


@action
def redeem(at: Administered, token: str) -> Facts:
    """Begin a session at the console that a token is for (CreateConsoleToken): as `connect`."""
    return _connected(at, console_tokens.redeem(at.region, token))


@action
def screenshot(at: Administered, vm_id: str) -> Facts:
    """The screen of a running VM: a PNG, in base64."""
    consoles.check_running(at.region, vm_id)
    return {"VmId": vm_id, "Screenshot": b64encode(at.consoles().screenshot(vm_id)).decode()}


def _connected(at: Administered, vm_id: str) -> Facts:
    with ExitStack() as opening:
        serial = opening.enter_context(at.consoles().serial(vm_id))
        offer = Offer(at.sockets)
        offer.hold(serial, opening.pop_all())
    return {"VmId": vm_id, "Socket": offer.name}
