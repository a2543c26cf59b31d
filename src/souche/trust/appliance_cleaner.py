"""Cleans disks with libguestfs: its own small VM mounts them, so a crafted file system can harm only that VM."""

import importlib.util
import json
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from souche.errors import ProgramMissing
from souche.model.image_cleanings import Cleaned
from souche.refusals import CannotClean
from souche.trust.children import decoded, output_of, socket_of
from souche.trust.cleaner import OnProgress
from souche.trust.engine import Facts

WALL_SECONDS: Final = 1800.0
MODULE: Final = "souche.trust.cleaning_inside"
PROGRESS: Final = b"progress "

log = structlog.get_logger()


class ApplianceCleaner:
    """A `Cleaner` based on libguestfs. It holds `alone` while its VM runs, so that only one such VM runs at a time."""

    name = "libguestfs"

    def __init__(self, alone: threading.Lock) -> None:
        self._alone = alone

    def clean(self, disks: Sequence[str], facts: Facts, on_progress: OnProgress) -> Cleaned:
        if importlib.util.find_spec("guestfs") is None:
            raise ProgramMissing(program="python3-guestfs")
        with self._alone:
            said = output_of(argv(disks, facts), WALL_SECONDS, _follow(on_progress))
        cleaned = None if said is None else decoded(said, Cleaned)
        if cleaned is None:
            log.warning("the cleaning did not end", said=(said or b"")[-2000:].decode(errors="replace"))
            raise CannotClean(reason="the work on its disks did not end, the region's log has more")
        if cleaned.refused:
            raise CannotClean(reason=cleaned.refused)
        return cleaned


def argv(disks: Sequence[str], facts: Facts) -> list[str]:
    """The command that cleans disks. It ends with the thread that starts it."""
    asked = {
        "sockets": [str(socket_of(uri)) for uri in disks],
        "boot_modes": facts.boot_modes,
        "today": facts.today.isoformat(),
    }
    return ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", MODULE, json.dumps(asked)]


def _follow(on_progress: OnProgress) -> Callable[[bytes], None]:
    """Reports the progress that the process prints."""

    def look(said: bytes) -> None:
        lines = [line for line in said.splitlines() if line.startswith(PROGRESS)]
        number = lines[-1].removeprefix(PROGRESS) if lines else b"0"
        on_progress(int(number) if number.isdigit() else 0)

    return look
