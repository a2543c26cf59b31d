"""The Unix socket between the operator's commands and a region's server, and the names in its protocol.

The protocol is HTTP with JSON: POST /operator/v1/ACTION with `{"Args": [...], "Named": {...}}`. The answer is lines of
JSON: one for each report of progress, `{"Transfer": [what, done, total]}` or `{"Step": [what, share]}`, and a last one,
`{"Result": ...}` or `{"Refused": "why"}`. Both sides must have the same version of Souche, given in the header VERSION.
Only that header and `Refused` stay the same in every version.
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
"""prefix of the sockets of console sessions (`admin/console_bridge.py`)"""
BACKLOG: Final = 128
MOST_PATH_BYTES: Final = 107
"""longest address of a Unix socket, without the final zero byte (unix(7))"""
OWNER_FOLDER: Final = 0o700
OWNER_FILE: Final = 0o600
ROOT: Final = 0
CREDENTIALS: Final = struct.Struct("3i")
"""pid, uid, gid (unix(7), SO_PEERCRED)"""


def bind(folder: Path, name: str = SOCKET) -> socket.socket:
    """A listening socket in a folder that only its owner can enter.

    Replaces a socket of the same name, which a killed server left. This is safe: the caller holds the lock of the
    region's server, or uses a unique name.
    """
    folder.mkdir(mode=OWNER_FOLDER, exist_ok=True)
    folder.chmod(OWNER_FOLDER)
    remove(folder, name)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(folder, name) as address:
            listening.bind(address)
        (folder / name).chmod(OWNER_FILE)
        listening.listen(BACKLOG)
    except OSError as error:  # for example, the file system has no Unix sockets
        listening.close()
        raise OSError(error.errno, error.strerror, str(folder / name)) from error
    return listening


def connect(folder: Path, name: str = SOCKET) -> socket.socket | None:
    """A connection to the server, or None if no server listens there.

    Raises:
        PermissionError: the socket belongs to another user.
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
    """Remove the socket if it exists."""
    (folder / name).unlink(missing_ok=True)


def remove_consoles(folder: Path) -> None:
    """Remove the console sockets that a killed server left."""
    for left in folder.glob(f"{CONSOLE}*"):
        left.unlink(missing_ok=True)


def is_owner(peer: int) -> bool:
    """Whether a user id is that of this process or of root."""
    return peer in (ROOT, os.geteuid())


def peer_of_socket(connected: socket.socket) -> int:
    """The user id of the process at the other end."""
    return peer_of(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))


def peer_of(credentials: bytes) -> int:
    """The user id in the credentials from SO_PEERCRED."""
    _, user_id, _ = CREDENTIALS.unpack(credentials)
    return int(user_id)


def process_of(credentials: bytes) -> int:
    """The process id in the credentials from SO_PEERCRED. On a client's socket, it is the listening process."""
    process_id, _, _ = CREDENTIALS.unpack(credentials)
    return int(process_id)


@contextmanager
def _address(folder: Path, name: str) -> Iterator[str]:
    """The socket's address. A path that is too long is replaced by one through an open descriptor of the folder."""
    whole = str(folder / name)
    if len(os.fsencode(whole)) <= MOST_PATH_BYTES:
        yield whole
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
