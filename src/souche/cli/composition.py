"""The command line's interface to the composition root. Nothing here names a driver."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from souche.admin.action import Action, P, R
from souche.admin.listener import NOBODY, Listener

if TYPE_CHECKING:
    from souche.backup.make import MadeBackup, OnProgress
    from souche.backup.manifest import Manifest
    from souche.backup.restore import BackupEntry
    from souche.backup.verify import Verified
    from souche.config import Settings
    from souche.fsck.examine import Report
    from souche.fsck.findings import Tools
    from souche.model.image_builds import Packages
    from souche.objects.fetch import Fetcher
    from souche.recipes.recipe import Recipe
    from souche.room import Room


@dataclass(frozen=True)
class Workshop:
    """The tools with which a command makes disks in its own process. It opens no records.

    `staging` is the region's folder of incoming files, `room` the space left on its media. `fetcher_of` downloads from
    a URL given by the operator, with any host address. `updating` holds the lock of `souche image update`; it raises
    UpdateUnderWay if another process has it. `builder` makes images from recipes.
    """

    staging: Path
    room: "Room"
    fetcher_of: "Callable[[str], Fetcher]"
    updating: Callable[[], AbstractContextManager[None]]
    builder: "Builder"


@dataclass(frozen=True)
class Operated:
    """A region that commands work with: its server does their actions where one runs, else this process does.
    `listener` hears of the progress."""

    perform: Callable[[Action[..., Any], Sequence[Any], Mapping[str, Any], Listener], Any]
    workshop: Callable[[], Workshop]
    listener: Listener = NOBODY

    def do(self, wanted: Action[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an action and return its result.

        Raises:
            What the action raises; if a server runs it, `Refused` with the same message, or `ServerEnded`.
        """
        return cast("R", self.perform(wanted, args, kwargs, self.listener))

    def heard_by(self, listener: Listener) -> Self:
        """The same region, with a listener."""
        return replace(self, listener=listener)


@dataclass(frozen=True)
class BackupPlace:
    """The place of backups: a folder, or `s3://bucket/prefix` of the S3 service at an endpoint, with a key file."""

    name: str
    oos_endpoint: str = ""
    oos_key_file: Path | None = None


@dataclass(frozen=True)
class RecordsPlace:
    """The PostgreSQL database for a region's records: its URL, or the file with it. Both empty: SQLite in the home."""

    url: str = ""
    file: str = ""


class Backups(Protocol):
    """What can be done with backups."""

    def make(self, path: Path, place: BackupPlace, on_progress: "OnProgress") -> "MadeBackup":
        """Back up the region in a home folder."""
        ...

    def restore(
        self,
        place: BackupPlace,
        backup_id: str | None,
        home: Path,
        records: RecordsPlace,
        on_progress: "OnProgress",
    ) -> "Manifest":
        """Make a region from a backup (None: the newest), in a new home folder. `records`: for its records."""
        ...

    def verify(self, place: BackupPlace, on_progress: "OnProgress") -> "Verified":
        """Read all backups in a place."""
        ...

    def every(self, place: BackupPlace) -> "list[BackupEntry]":
        """Every backup in a place, oldest first."""
        ...


class States(Protocol):
    """Named states of a region. Each method about one returns the time of its saving, in seconds since the epoch."""

    def save(self, name: str) -> float:
        """Save the region's contents."""
        ...

    def load(self, name: str) -> float:
        """Restore the region's contents."""
        ...

    def every(self) -> dict[str, float]:
        """The names of all, with the time of each (seconds since the epoch), oldest first."""
        ...

    def delete(self, name: str) -> float:
        """Forget one."""
        ...


@dataclass(frozen=True)
class Checked:
    """A region that `souche fsck` checks. `examine` makes the checks, with or without reading all bytes. `mending`
    yields the tools for repairs, while no server runs."""

    examine: "Callable[[bool], Report]"
    mending: "Callable[[], AbstractContextManager[Tools]]"


class Builder(Protocol):
    """Makes images by recipes."""

    def build(
        self, recipe: "Recipe", output: Path, *, work_dir: Path, progress: Callable[[str, float], None]
    ) -> "Packages":
        """Write a disk file (qcow2), and report the current step and the share done (0 to 1). Returns the packages in
        the disk."""
        ...

    def plan(self, recipe: "Recipe", *, work_dir: Path) -> "Packages":
        """The packages that a disk built now would have."""
        ...


class Operate(Protocol):
    """The way to a region's server or, where none runs, to its records."""

    def __call__(self, path: Path, *, make: bool = False) -> AbstractContextManager[Operated]:
        """The region in a home folder. `make`: create a missing region."""
        ...


class Started(Protocol):
    """A process in the background, as `subprocess.Popen`."""

    @property
    def returncode(self) -> int | None: ...

    def poll(self) -> int | None: ...

    def terminate(self) -> None: ...

    def wait(self) -> int: ...


@dataclass(frozen=True)
class Composition:
    """The entry points to a region: `serve` runs it until a signal, and `api` answers for it; `operate` works with it;
    `destroy` removes it for good; `database_of` names the PostgreSQL database with its records (None: they are in the
    home); `check` opens it for inspection. `look_at_database` checks the PostgreSQL database that is named, or else the
    one of a home, and describes it (None: there is none). `start` starts `souche` with these words in the background,
    its output in a file. Within `ended_in_order` signals that end a command raise in it."""

    serve: "Callable[[Settings], None]"
    api: "Callable[[Settings], None]"
    operate: Operate
    destroy: Callable[[Path], None]
    database_of: Callable[[Path], str | None]
    look_at_database: Callable[[Path | None, RecordsPlace], str | None]
    backups: Callable[[], Backups]
    check: Callable[[Path], AbstractContextManager[Checked]]
    states: Callable[[Path], States]
    start: Callable[[Sequence[str], Path], Started]
    ended_in_order: Callable[[], AbstractContextManager[None]]
