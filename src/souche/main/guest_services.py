"""The API and the buckets for guests, at the address of their bridge (`--guest-services`)."""

import socket
from typing import Final

from souche.config import BadSetting, host_and_port
from souche.errors import Unavailable
from souche.http import metadata_socket
from souche.http.relay import Relay

FLAG: Final = "--guest-services"
EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104  such a listener hears guests already


def listen(api: socket.socket, bridge: str, gateway_ip: str) -> socket.socket | None:
    """The socket at which guests reach the API, with the same port as for others; None: they reach it already.

    Raises:
        BadSetting: something else listens there.
    """
    host, port = api.getsockname()[:2]
    return None if host in EVERYWHERE else _listen(bridge, gateway_ip, port)


def pass_on_buckets(oos_listen: str | None, bridge: str, gateway_ip: str) -> None:
    """Forward guests to the embedded object store, at the same port as for others.

    Raises:
        BadSetting: something else listens there.
    """
    if oos_listen is None:
        return
    host, port = host_and_port("--oos-listen", oos_listen)
    if host not in EVERYWHERE:
        Relay(_listen(bridge, gateway_ip, port), (host, port)).start()


def _listen(bridge: str, gateway_ip: str, port: int) -> socket.socket:
    try:
        return metadata_socket.listen(bridge, gateway_ip, port)
    except Unavailable as error:
        raise BadSetting(flag=FLAG, reason=str(error)) from error
