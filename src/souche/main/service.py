"""Notifies a service manager of this process's state (sd_notify(3)); does nothing without one."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

VARIABLE: Final = "NOTIFY_SOCKET"
READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"


def notify(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Notify a state. Errors are ignored."""
    place = environment.get(VARIABLE, "")
    if not place:
        return
    address = f"\0{place[1:]}" if place.startswith("@") else place
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.setblocking(False)  # noqa: FBT003 (socket's own)
        told.sendto(state.encode(), address)
