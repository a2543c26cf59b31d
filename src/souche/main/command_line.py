"""The `souche` command. Modules are imported when a command needs them: importing all takes seconds."""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from souche.cli import commands
from souche.cli.composition import Composition
from souche.main import command_audit
from souche.main.interrupts import ended_in_order

if TYPE_CHECKING:
    from souche.cli.composition import Backups, Checked, Operated, RecordsPlace, Started, States
    from souche.config import Settings

SERVER_COLLECTS: Final = gc.get_threshold()
COMMAND_COLLECTS: Final = 50_000
"""new objects between two garbage collections: modules are no garbage, and a collection walks through all of them"""


def cli() -> None:
    """The `souche` command."""
    gc.set_threshold(COMMAND_COLLECTS)
    app = commands.build(composition())
    with command_audit.recorded(app, sys.argv[1:]):
        app()


def composition() -> Composition:
    """The entry points to a region."""
    return Composition(
        serve=_serve,
        api=_api,
        operate=_operate,
        destroy=_destroy,
        database_of=_database_of,
        look_at_database=_look_at_database,
        backups=_backups,
        check=_check,
        states=_states,
        start=_start,
        ended_in_order=ended_in_order,
    )


def _start(words: Sequence[str], log_file: Path) -> "Started":
    from souche import run

    _configure_logs()
    return run.start([sys.executable, "-P", "-m", "souche.main", *words], log_file=log_file, own_session=True)


def _configure_logs() -> None:
    from souche import logs

    logs.configure("warning")


def _serve(settings: "Settings") -> None:
    from souche.main import machine

    machine.check(settings.compute)  # before seconds of imports
    if settings.ephemeral:
        from souche.main import ephemeral

        ephemeral.check(settings)
        ephemeral.supervise(settings.home)
    from souche.main.serving import run

    gc.set_threshold(*SERVER_COLLECTS)
    run(settings)


def _api(settings: "Settings") -> None:
    from souche.main.api_process import run

    gc.set_threshold(*SERVER_COLLECTS)
    run(settings)


@contextmanager
def _operate(path: Path, *, make: bool = False) -> "Iterator[Operated]":
    from souche.main.operating import operate

    with operate(path, make=make) as operated:
        yield operated


def _destroy(path: Path) -> None:
    from souche.main.destroying import destroy

    _configure_logs()
    destroy(path)


def _database_of(path: Path) -> str | None:
    from souche.main.destroying import database_of

    return database_of(path)


def _look_at_database(path: Path | None, named: "RecordsPlace") -> str | None:
    from souche.main.databases import look_at

    return look_at(path, named)


def _backups() -> "Backups":
    from souche.main.backups import Backups

    _configure_logs()
    return Backups()


def _states(path: Path) -> "States":
    from souche.main.states import States

    _configure_logs()
    return States(path)


@contextmanager
def _check(path: Path) -> "Iterator[Checked]":
    from souche.main.checking import check

    _configure_logs()
    with check(path) as checked:
        yield checked
