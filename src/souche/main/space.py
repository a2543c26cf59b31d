"""Frees space before a region starts, so that a full medium does not prevent the start. It uses no database: a database
may not even open on a full medium.
"""

import re
import shutil
from typing import Final

import structlog

from souche.home import Home
from souche.main.volume_stores import remove_unfinished
from souche.reconcile.space import Ballast
from souche.room import room_of

IMPORTED: Final = re.compile(r"(ami|snap)-[0-9a-f]+")
"""the resource of an import names its folder in staging/ (`transfer/disk_importer.py`)"""

log = structlog.get_logger()


def make_space(home: Home) -> None:
    """Remove the files of interrupted imports, which start again, and unfinished files of the volume store. The caller
    holds the home."""
    for path in home.staging.iterdir():
        if IMPORTED.fullmatch(path.name):
            log.info("removing a disk that was on its way in", name=path.name)
            shutil.rmtree(path)
    Ballast(home.ballast, room_of([home.path], 0)).settle()
    remove_unfinished(home)
