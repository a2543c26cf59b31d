"""What the command line needs of the composition root, which hands it over: nothing here names a driver."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from souche.app.region import Region
    from souche.backup.make import Made, Tell
    from souche.backup.manifest import Manifest
    from souche.backup.restore import Listed
    from souche.backup.verify import Verified
    from souche.config import Settings
    from souche.fsck.examine import Report
    from souche.fsck.findings import Tools
    from souche.model.image_boots import Verification
    from souche.model.image_builds import Packages
    from souche.model.images import BootMode
    from souche.objects.fetch import Fetcher
    from souche.recipes.recipe import Recipe
    from souche.storage.base import VolumeStore


@dataclass(frozen=True)
class Administered:
    """A region for the operator's commands, beside its server or without one. `finish` waits for an
    operation, by its id; `ensure_bucket` makes a bucket of an account's (by name and id); `is_served`
    tells whether a server runs. `volumes` is where the disks are; `examine` has the report of an image
    made that was asked for (by its id), and waits for the server's, or not. `fetcher_of` downloads from a URL that the
    operator has named, whatever its host's address is. `verify` boots an image (by its id; None: by its
    default firmware); `boots` tells whether images are booted before they are published: not where guests are
    simulated. It raises CannotBoot where this machine lacks something. `updating` holds the lock of `souche image
    update`; it raises UpdateUnderWay where another process has it. `builder` makes images by recipes."""

    region: "Region"
    volumes: "VolumeStore"
    staging: Path
    finish: Callable[[str], None]
    ensure_bucket: Callable[[str, str], None]
    is_served: Callable[[], bool]
    examine: Callable[[str, bool], None]
    fetcher_of: "Callable[[str], Fetcher]"
    verify: "Callable[[str, BootMode | None], Verification]"
    boots: Callable[[], bool]
    updating: Callable[[], AbstractContextManager[None]]
    builder: "Builder"


@dataclass(frozen=True)
class BackupPlace:
    """Where backups lie: a folder, or `s3://bucket/prefix` of the S3 service at an endpoint, with a key's file."""

    name: str
    oos_endpoint: str = ""
    oos_key_file: Path | None = None


class Backups(Protocol):
    """What can be done with backups."""

    def make(self, path: Path, place: BackupPlace, tell: "Tell") -> "Made":
        """Back up the region in a home folder."""
        ...

    def restore(self, place: BackupPlace, backup_id: str | None, home: Path, tell: "Tell") -> "Manifest":
        """Make a region from a backup (None: the newest), in a new home folder."""
        ...

    def verify(self, place: BackupPlace, tell: "Tell") -> "Verified":
        """Read all backups in a place."""
        ...

    def every(self, place: BackupPlace) -> "list[Listed]":
        """Every backup in a place, oldest first."""
        ...


class States(Protocol):
    """Named states of a region."""

    def save(self, name: str) -> None:
        """Keep what the region has."""
        ...

    def load(self, name: str) -> None:
        """Have the region be as it was."""
        ...

    def every(self) -> dict[str, float]:
        """The names of all, with the time of each (seconds since the epoch), oldest first."""
        ...

    def delete(self, name: str) -> None:
        """Forget one."""
        ...


@dataclass(frozen=True)
class Checked:
    """A region that `souche fsck` looks at: `examine` does, to the last byte or not. `mending` gives what it is mended
    with, while no server runs."""

    examine: "Callable[[bool], Report]"
    mending: "Callable[[], AbstractContextManager[Tools]]"


class Builder(Protocol):
    """Makes images by recipes."""

    def build(
        self, recipe: "Recipe", output: Path, *, work_dir: Path, progress: Callable[[str, float], None]
    ) -> "Packages":
        """Write a disk file (qcow2), telling what is being done and how much is done (0 to 1). Returns the packages
        in it."""
        ...

    def plan(self, recipe: "Recipe", *, work_dir: Path) -> "Packages":
        """The packages that a disk built now would have."""
        ...


class Administer(Protocol):
    """The way to a region's records."""

    def __call__(self, path: Path, *, make: bool = False) -> AbstractContextManager[Administered]:
        """The region in a home folder. `make`: where there is none, one is made."""
        ...


@dataclass(frozen=True)
class Composition:
    """The ways into a region: `serve` runs it until the process is told to end, and `api` answers for it; `destroy`
    removes it for good; `check` opens it to be looked at."""

    serve: "Callable[[Settings], None]"
    api: "Callable[[Settings], None]"
    administer: Administer
    destroy: Callable[[Path], None]
    backups: Callable[[], Backups]
    check: Callable[[Path], AbstractContextManager[Checked]]
    states: Callable[[Path], States]
