"""The server's side of the operator's commands."""

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from souche.admin import catalogue, wire
from souche.admin.action import Administered
from souche.admin.listener import Listener
from souche.app.context.region import Region
from souche.cli.output import message_of
from souche.compute.base import GuestConsoles
from souche.errors import NotFound
from souche.home import Home
from souche.http import operator
from souche.http.server import Application
from souche.main import offline
from souche.main.drivers import make_booter
from souche.model.image_boots import Verification
from souche.model.images import BootMode
from souche.reconcile import oos_keys
from souche.workflows import booting
from souche.workflows.parts import Parts

POLL_SECONDS: Final = 0.2


class NoSuchAction(NotFound):
    """The server does not know the command {name}: it runs another version of Souche."""


def application(
    home: Home, listening: socket.socket, region: Region, parts: Parts, consoles: GuestConsoles
) -> Application:
    """The application that answers the operator's commands while the region is served."""
    wire.remove_consoles(home.operator)

    def do(name: str, args: Sequence[Any], named: Mapping[str, Any], listener: Listener) -> object:
        wanted = catalogue.find(name)
        if wanted is None:
            raise NoSuchAction(name=name)
        return wanted(_administered(home, region, parts, consoles, listener), *args, **named)

    asgi = operator.create_operator_app(do, message_of)
    return Application(
        asgi,
        listening,
        operator.BOUNDS,
        protocol=operator.OwnerHttp,
        grace_seconds=operator.GRACE_SECONDS,
    )


def _administered(
    home: Home, region: Region, parts: Parts, consoles: GuestConsoles, listener: Listener
) -> Administered:
    """The context of actions in the server. The region's workflows and sweeps do the work; the action waits."""

    def finish(operation_id: str) -> None:
        while not region.workflows.wait(operation_id, POLL_SECONDS):
            listener.check()

    def examine(image_id: str, *, wait: bool) -> None:
        while wait and not offline.is_reported(region, image_id):
            listener.check()
            time.sleep(POLL_SECONDS)

    def verify(image_id: str, mode: BootMode | None) -> Verification:
        return booting.verify(parts, make_booter(home), image_id, mode)

    def remove_bucket(bucket: str, account_id: str, on_progress: Callable[[int], None]) -> None:
        oos_keys.sync(parts)  # a disabled account's key would make the bucket again
        parts.buckets.remove_bucket(parts.store, bucket, account_id, on_progress)

    return Administered(
        region=region,
        volumes=parts.volumes,
        staging=home.staging,
        finish=finish,
        ensure_bucket=lambda bucket, account_id: offline.ensure_bucket(home, region, bucket, account_id),
        remove_bucket=remove_bucket,
        is_served=lambda: True,
        examine=examine,
        verify=verify,
        boots=lambda: offline.boots(home),
        reaches_guests=lambda: True,
        buckets=lambda: offline.every_bucket(home, region.store),
        consoles=lambda: consoles,
        sockets=home.operator,
        listener=listener,
    )
