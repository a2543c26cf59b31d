"""Actions, and the region that they work on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeAlias, TypeVar

from souche.admin.listener import NOBODY, Listener

if TYPE_CHECKING:
    from souche.app.context.region import Region
    from souche.compute.base import GuestConsoles
    from souche.model.image_boots import Verification
    from souche.model.images import BootMode
    from souche.storage.base import VolumeStore

P = ParamSpec("P")
R = TypeVar("R")

Facts: TypeAlias = dict[str, Any]
"""A resource as commands show it, with the API's names."""


class Examine(Protocol):
    """Makes the requested report of an image."""

    def __call__(self, image_id: str, *, wait: bool) -> None:
        """Without a server, the report is made on return; with one, `wait` waits for the server's."""
        ...


@dataclass(frozen=True)
class Administered:
    """The context of the operator's actions, in the region's server or without one.

    `volumes` is the volume store, `staging` the folder of incoming files. `finish` waits for an operation, by its id.
    `ensure_bucket` creates an account's bucket, by name and id. `remove_bucket` deletes an account's bucket with its
    contents, in the server only; its callback gets the number of objects deleted so far. `is_served` returns whether a
    server runs.

    `examine` has the requested report of an image made, by its id, and waits for the server's, or not. `verify` boots
    an image, by its id and a firmware (None: its default). `boots` returns whether images are booted before they are
    published: not with simulated guests. It raises CannotBoot if this machine lacks something.

    `reaches_guests` is false without a server, unless guests are simulated. `buckets` returns the buckets of the
    embedded store, with their accounts' ids. `consoles` are the guests' consoles, `sockets` is the operator's folder.
    `listener` receives the action's progress.
    """

    region: "Region"
    volumes: "VolumeStore"
    staging: Path
    finish: Callable[[str], None]
    ensure_bucket: Callable[[str, str], None]
    remove_bucket: Callable[[str, str, Callable[[int], None]], None]
    is_served: Callable[[], bool]
    examine: "Examine"
    verify: "Callable[[str, BootMode | None], Verification]"
    boots: Callable[[], bool]
    reaches_guests: Callable[[], bool]
    buckets: Callable[[], Mapping[str, str]]
    consoles: "Callable[[], GuestConsoles]"
    sockets: Path
    listener: Listener = NOBODY


class Action(Generic[P, R]):
    """A function of a region that can be called remotely: parameters and result are JSON values, lists and not
    tuples."""

    def __init__(self, function: Callable[Concatenate[Administered, P], R]) -> None:
        self._function = function
        self.name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        self.__doc__ = function.__doc__

    def __call__(self, administered: Administered, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._function(administered, *args, **kwargs)


def action(function: Callable[Concatenate[Administered, P], R]) -> Action[P, R]:
    """Make a function an action, named after its module and itself: `accounts.create`."""
    return Action(function)
