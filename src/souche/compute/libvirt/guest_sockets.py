"""The sockets of a running guest, in its folder: its serial console and its screen.

libvirtd creates the console's socket. QEMU accepts one client there at a time, and the guest's kernel waits while that
client does not read. QEMU creates the screen's socket (VNC, without a password), in a separate folder. Only root and
QEMU's user can reach the sockets.
"""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from souche.refusals import ConsoleTaken, NoConsole

MOST_PATH_BYTES: Final = 107
"""longest address of a Unix socket, without the final zero byte (unix(7))"""


def fits(path: Path) -> bool:
    """Whether a socket can have this path."""
    return len(os.fsencode(path)) <= MOST_PATH_BYTES


@contextmanager
def connected(vm_id: str, path: Path) -> Iterator[socket.socket]:
    """A connection to a guest's serial console. A lock on the guest's folder keeps other connections of Souche out of
    the socket's queue, where QEMU would leave them waiting.

    Raises:
        ConsoleTaken, NoConsole.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(folder, vm_id)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as serial:
            try:
                serial.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError) as error:
                raise NoConsole(vm_id=vm_id, reason="it has just ended.") from error
            yield serial
    finally:
        os.close(folder)


def _lock(folder: int, vm_id: str) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConsoleTaken(vm_id=vm_id) from error
