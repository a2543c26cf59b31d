"""Connects the operator's commands with a region: the server does their actions, or without one the command itself."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from souche.admin.action import Action
from souche.admin.listener import Listener
from souche.cli.composition import Operated, Workshop
from souche.cli.server import Server
from souche.errors import SystemFailure
from souche.home import Home
from souche.main.interrupts import ended_in_order


class OtherServer(SystemFailure):
    """The server of {home} (process {process_id}) accepts no commands: it runs an earlier version of Souche. Restart
    it."""


@contextmanager
def operate(path: Path, *, make: bool = False) -> Iterator[Operated]:
    """The region in a home folder. `make`: make a missing region.

    Raises:
        OtherServer; without a server, those of `administer`.
    """
    home = Home(path.resolve())
    server = Server(home.operator)
    if server.is_there():
        with ended_in_order():
            yield Operated(lambda wanted, *asked: server.ask(wanted.name, *asked), partial(_workshop, home))
        return
    _refuse_other(home)
    from souche import logs
    from souche.main import administration

    logs.configure("warning")
    with administration.administer(home.path, make=make) as administered:

        def perform(
            wanted: Action[..., Any], args: Sequence[Any], named: Mapping[str, Any], listener: Listener
        ) -> Any:
            return wanted(replace(administered, listener=listener), *args, **named)

        yield Operated(perform, partial(_workshop, home))


def _workshop(home: Home) -> Workshop:
    from souche import logs
    from souche.main.regions import make_room
    from souche.main.served_region import reserve_bytes_of, server_fetcher
    from souche.recipes import debian

    logs.configure("warning")
    return Workshop(
        staging=home.staging,
        room=make_room(home, reserve_bytes_of(home.server_facts())),
        fetcher_of=lambda url: server_fetcher(home, url),
        updating=home.update,
        builder=debian,
    )


def _refuse_other(home: Home) -> None:
    """Refuse to work beside a server that has no socket.

    Raises:
        OtherServer.
    """
    facts = home.server_facts()
    if facts.get("Operator"):  # that server has a socket: it ends just now, or another command has the home
        return
    process_id = facts.get("ProcessId")
    if isinstance(process_id, int) and Path(f"/proc/{process_id}").exists() and home.is_served():
        raise OtherServer(home=home.path, process_id=process_id)
