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
    workflow, by its operation's id."""

    region: Region
    staging: Path
    finish: Callable[[str], None]


@dataclass(frozen=True)
class Composition:
    """The ways into a region: `serve` runs it until the process is told to end; `destroy` removes it for good."""

    serve: Callable[[Settings], None]
    administer: Callable[[Path], AbstractContextManager[Administered]]
    destroy: Callable[[Path], None]
