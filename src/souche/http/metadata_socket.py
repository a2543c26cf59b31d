"""The socket on which guests reach the metadata server."""

import socket

from souche.errors import Unavailable

METADATA_IP = "169.254.169.254"
BACKLOG = 128


def listen(bridge: str, address: str = METADATA_IP, port: int = 80) -> socket.socket:
    """A listening TCP socket that receives only from `bridge`. Two regions on one machine both have the address, each
    on its own bridge: SO_BINDTODEVICE separates their guests, and sends replies through the same bridge. The socket is
    tied to this bridge; if the bridge is recreated, open a new one.

    Needs CAP_NET_RAW, and CAP_NET_BIND_SERVICE for port 80.

    Raises:
        Unavailable: there is no such bridge or it does not have the address (yet), or the port is taken on it.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bridge.encode())
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise Unavailable(what=f"{address}:{port} on {bridge}", reason=str(error)) from error
    return listening
