"""The region for the operator's commands, with its server or without one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from souche.admin.action import Administered
from souche.app.context.region import Region
from souche.compute.absent import GuestsNeedServer
from souche.compute.base import GuestConsoles
from souche.errors import Unavailable
from souche.home import Home, NotServed
from souche.main import state_loading
from souche.main.databases import open_store
from souche.main.interrupts import ended_in_order
from souche.main.served_region import served_region
from souche.main.volume_stores import open_volumes
from souche.model.images import BootMode


@contextmanager
def administer(path: Path, *, make: bool = False) -> Iterator[Administered]:
    """The region in a home folder for the operator's commands, with its server or without one. `make`: create a missing
    region.

    Raises:
        NotServed: there is none, and `make` is false.
        HomeBeingReplaced: a named state is being loaded.
    """
    home = Home(path.resolve())
    parts = (home.database, home.database_place, home.region_id)
    if not (make or any(part.exists() for part in parts)):
        raise NotServed(home=home.path)
    home.make()
    state_loading.settle(home)
    with ended_in_order(), home.administer(), open_store(home) as store:
        region = served_region(home, store, _no_console)
        yield Administered(
            region=region,
            volumes=open_volumes(home),
            staging=home.staging,
            finish=lambda operation_id: _offline().finish(home, region, operation_id),
            ensure_bucket=lambda bucket, account_id: _offline().ensure_bucket(
                home, region, bucket, account_id
            ),
            remove_bucket=_no_removal,
            is_served=home.is_served,
            examine=lambda image_id, *, wait: _offline().examine(home, region, image_id, wait=wait),
            verify=_no_boot,
            boots=lambda: _offline().boots(home),
            reaches_guests=lambda: home.is_served() or _offline().guests_are_simulated(home),
            buckets=lambda: _offline().every_bucket(home, store),
            consoles=lambda: _consoles(home, region),
            sockets=home.operator,
        )


def _offline() -> ModuleType:
    """Imports every driver, which most commands do not need."""
    from souche.main import offline

    return offline


def _consoles(home: Home, region: Region) -> GuestConsoles:
    guests: GuestConsoles = _offline().guests(home, region)
    return guests


def _no_removal(bucket: str, _account_id: str, _on_progress: Callable[[int], None]) -> NoReturn:
    raise Unavailable(what=f"the bucket {bucket}", reason="only the server deletes it")


def _no_boot(_image_id: str, _mode: BootMode | None) -> NoReturn:
    raise GuestsNeedServer


def _no_console(vm_id: str) -> bytes:
    raise Unavailable(what=f"the console of {vm_id}", reason="this process has no hypervisor")
