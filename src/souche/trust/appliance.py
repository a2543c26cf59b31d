"""The slower engine: libguestfs, whose small VM mounts file systems that the fast engine cannot read (btrfs, an XFS or
a journal that only a kernel can replay, RAID). Without KVM it takes half a minute of CPU."""

import importlib.util
import json
import sys
import threading
from collections.abc import Sequence
from typing import Final

from souche.errors import ProgramMissing
from souche.model.image_reports import Examination
from souche.trust.children import answer_of, socket_of
from souche.trust.engine import Facts

WALL_SECONDS: Final = 900.0
MODULE: Final = "souche.trust.appliance_inside"


class ApplianceEngine:
    """An `Engine` based on libguestfs. It holds `alone` while its VM runs, so that only one such VM runs at a time."""

    name = "libguestfs"

    def __init__(self, alone: threading.Lock) -> None:
        self._alone = alone

    def missing(self) -> str | None:
        return None if importlib.util.find_spec("guestfs") else "python3-guestfs"

    def examine(self, disks: Sequence[str], facts: Facts) -> Examination:
        lacking = self.missing()
        if lacking is not None:
            raise ProgramMissing(program=lacking)
        with self._alone:
            return answer_of(self.name, argv(disks, facts), WALL_SECONDS)


def argv(disks: Sequence[str], facts: Facts) -> list[str]:
    """The command that examines disks. It ends with the thread that starts it."""
    asked = {
        "sockets": [str(socket_of(uri)) for uri in disks],
        "boot_modes": facts.boot_modes,
        "today": facts.today.isoformat(),
    }
    return ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", MODULE, json.dumps(asked)]
