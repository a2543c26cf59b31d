"""The socket by which commands ask a region's server, and the words of its protocol.

The protocol is HTTP with JSON: POST /operator/v1/ACTION with `{"Args": [...], "Named": {...}}`. The answer is a line of
JSON for each report of progress, `{"Transfer": [what, done, total]}` or `{"Step": [what, share]}`, then one that ends
it: `{"Result": ...}`, or `{"Refused": "why"}`. Both sides are of one version of Souche, which the header VERSION says;
only that, and `Refused`, are the same in every version.
"""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = "/operator/v1/"
VERSION: Final = "souche-version"
ARGS, NAMED = "Args", "Named"
TRANSFER, STEP, RESULT, REFUSED = "Transfer", "Step", "Result", "Refused"

SOCKET: Final = "operator.sock"
CONSOLE: Final = "console-"
"""begins the names of sockets for sessions at consoles (`admin/console_bridge.py`)"""
BACKLOG: Final = 128
MOST_PATH_BYTES: Final = 107
"""of a Unix socket's address, beside its final zero (unix(7))"""
OWNER_FOLDER: Final = 0o700
OWNER_FILE: Final = 0o600
ROOT: Final = 0
CREDENTIALS: Final = struct.Struct("3i")
"""pid, uid, gid (unix(7), SO_PEERCRED)"""


def bind(folder: Path, name: str = SOCKET) -> socket.socket:
    """A listening socket in a folder that only its owner enters. That of a server which was killed is replaced: the
    caller has the lock of the region's server, or a name of its own."""
    folder.mkdir(mode=OWNER_FOLDER, exist_ok=True)
    folder.chmod(OWNER_FOLDER)
    remove(folder, name)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(folder, name) as address:
            listening.bind(address)
        (folder / name).chmod(OWNER_FILE)
        listening.listen(BACKLOG)
    except OSError as error:  # a file system without Unix sockets, for one
        listening.close()
        raise OSError(error.errno, error.strerror, str(folder / name)) from error
    return listening


def connect(folder: Path, name: str = SOCKET) -> socket.socket | None:
    """A connection to the server; None: no server has a socket there.

    Raises:
        PermissionError: it is another user's.
    """
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(folder, name) as address:
            connected.connect(address)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        connected.close()
        return None
    except PermissionError as error:
        connected.close()
        raise PermissionError(error.errno, error.strerror, str(folder)) from error
    return connected


def remove(folder: Path, name: str = SOCKET) -> None:
    """Remove the socket, if there is one."""
    (folder / name).unlink(missing_ok=True)


def remove_consoles(folder: Path) -> None:
    """Remove the sockets of sessions that a server which was killed has offered."""
    for left in folder.glob(f"{CONSOLE}*"):
        left.unlink(missing_ok=True)


def is_owner(peer: int) -> bool:
    """Whether a user id is this process's own, or root's."""
    return peer in (ROOT, os.geteuid())


def peer_of_socket(connected: socket.socket) -> int:
    """The user id of the process at the other end."""
    return peer_of(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))


def peer_of(credentials: bytes) -> int:
    """The user id of a peer, by what SO_PEERCRED gives."""
    _, user_id, _ = CREDENTIALS.unpack(credentials)
    return int(user_id)


def process_of(credentials: bytes) -> int:
    """The process id of a peer: of the one that listens, where a client asks."""
    process_id, _, _ = CREDENTIALS.unpack(credentials)
    return int(process_id)


@contextmanager
def _address(folder: Path, name: str) -> Iterator[str]:
    """The socket's address. If the path is too long, it goes through an open descriptor of the folder."""
    whole = str(folder / name)
    if len(os.fsencode(whole)) <= MOST_PATH_BYTES:
        yield whole
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
