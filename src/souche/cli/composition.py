"""What the command line needs of the composition root, which hands it over: nothing here names a driver."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from souche.app.region import Region
from souche.config import Settings


@dataclass(frozen=True)
class Administered:
    """A region for the operator's commands, beside its server or without one. `finish` waits for a promised
    workflow, by its operation's id; `ensure_bucket` makes a bucket of an account's (by name and id); `is_served`
    tells whether a server runs."""

    region: Region
    staging: Path
    finish: Callable[[str], None]
    ensure_bucket: Callable[[str, str], None]
    is_served: Callable[[], bool]


@dataclass(frozen=True)
class Composition:
    """The ways into a region: `serve` runs it until the process is told to end; `destroy` removes it for good."""

    serve: Callable[[Settings], None]
    administer: Callable[[Path], AbstractContextManager[Administered]]
    destroy: Callable[[Path], None]
