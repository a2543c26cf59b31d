"""The region for the operator's commands, beside its server or without one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Final

from souche.cli.composition import Administered
from souche.errors import Unavailable
from souche.home import Home, NotServed
from souche.main.databases import open_store
from souche.main.told_region import told_fetcher, told_region
from souche.recipes import debian
from souche.storage.qcow2.driver import Qcow2Store

ENDS: Final = (signal.SIGTERM, signal.SIGHUP)
SIGNALLED: Final = 128
"""A shell's status of what a signal has ended is this and the signal's number."""


@contextmanager
def administer(path: Path, *, make: bool = False) -> Iterator[Administered]:
    """The region in a home folder for the operator's commands, beside its server or without one. `make`: where there
    is none, one is made.

    Raises:
        NotServed: there is none, and none is to be made.
        HomeBeingReplaced: a named state takes its place at the moment.
    """
    home = Home(path.resolve())
    if not (make or home.database.exists() or home.region_id.exists()):
        raise NotServed(home=home.path)
    home.make()
    with _ended_in_order(), home.administer(), open_store(home) as store:
        region = told_region(home, store, _no_console)
        yield Administered(
            region,
            Qcow2Store(home.path),
            home.staging,
            finish=lambda operation_id: _offline().finish(home, region, operation_id),
            ensure_bucket=lambda bucket, account_id: _offline().ensure_bucket(
                home, region, bucket, account_id
            ),
            is_served=home.is_served,
            examine=lambda image_id, wait: _offline().examine(home, region, image_id, wait=wait),
            verify=lambda image_id, mode: _offline().verify(home, region, image_id, mode),
            boots=lambda: _offline().boots(home),
            updating=home.update,
            builder=debian,
            fetcher_of=lambda url: told_fetcher(home, url),
        )


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Signals that end a command raise in it, as Ctrl-C does: what it staged is removed, and what it started ends."""
    ends = [number for number in ENDS if signal.getsignal(number) == signal.SIG_DFL and _is_main_thread()]
    for number in ends:
        signal.signal(number, _leave)
    try:
        yield
    finally:
        for number in ends:
            signal.signal(number, signal.SIG_DFL)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _leave(number: int, _frame: object) -> None:
    for each in ENDS:
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(SIGNALLED + number)


def _offline() -> ModuleType:
    """It imports every driver, which most commands need not."""
    from souche.main import offline

    return offline


def _no_console(vm_id: str) -> bytes:
    raise Unavailable(what=f"the console of {vm_id}", reason="this process has no hypervisor")
