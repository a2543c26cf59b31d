"""A cleaner for tests of workflows: it needs no VM, and its work shows in the first bytes of a disk."""

from collections.abc import Callable, Sequence

import nbd

from souche.errors import StorageFailed
from souche.model.image_cleanings import Cleaned, CleaningResult
from souche.trust.cleaner import OnProgress
from souche.trust.engine import Facts

STAMP = b"clean"
DONE = (CleaningResult("logs", "/var/log", "Log files that were emptied or removed: 1."),)


class StampingCleaner:
    """A `Cleaner` that writes a stamp after the first bytes of a disk. It fails on a disk with a stamp, so that no disk
    is cleaned twice. `during` is called after each disk."""

    name = "stamp"

    def __init__(self, during: Callable[[], None] = lambda: None) -> None:
        self.during = during

    def clean(self, disks: Sequence[str], facts: Facts, on_progress: OnProgress) -> Cleaned:  # noqa: ARG002
        for uri in disks:
            client = nbd.NBD()
            client.connect_uri(uri)
            head = bytes(client.pread(4096, 0)).rstrip(b"\0")
            if STAMP in head:
                raise StorageFailed(reason="it was cleaned before")
            client.pwrite(STAMP, len(head))
            client.flush()
            client.shutdown()
            on_progress(50)
            self.during()
        return Cleaned(self.name, "Debian", DONE)
