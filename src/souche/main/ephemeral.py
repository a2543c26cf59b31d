"""A region whose home, and whose records in PostgreSQL, are removed with its server, for tests in CI.

The command is two processes: one serves; the other waits for its end, of any kind, and removes the home.
"""

import ctypes
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Final

from souche.config import BadSetting, Settings
from souche.errors import SoucheError
from souche.home import Home

ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PR_SET_PDEATHSIG: Final = 1
REMOVAL_SECONDS: Final = 10.0
PAUSE_SECONDS: Final = 0.05


def check(settings: Settings) -> None:
    """Refuse to remove a home that existed before, or to leave guests that outlive it.

    Raises:
        BadSetting.
    """
    if settings.home.exists():
        raise BadSetting(flag="--ephemeral", reason=f"{settings.home} exists already")
    if settings.compute != "simulated":
        reason = "guests of libvirt would stay; it is for --compute simulated"
        raise BadSetting(flag="--ephemeral", reason=reason)


def supervise(home: Path) -> None:
    """Make the home, which must not exist, and fork. Returns in the process that serves. The other one passes signals
    on, removes the home, and ends with the status of the server.

    Raises:
        FileExistsError.
    """
    home.mkdir(mode=0o711, parents=True)
    parent = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # until each process knows what to do about one
    server = os.fork()
    if server == 0:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        return

    def pass_on(_number: int, _frame: FrameType | None) -> None:
        os.kill(server, signal.SIGTERM)

    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:  # as SIGHUP under nohup
            signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    os.waitid(
        os.P_PID, server, os.WEXITED | os.WNOWAIT
    )  # its id stays its own while a signal may still be passed on
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)  # nothing to pass on to, and the home is to go
    _pid, status = os.waitpid(server, 0)
    if _has_left_no_records(Home(home)):
        _remove(home)
    sys.stdout.flush()
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _has_left_no_records(home: Home) -> bool:
    """Remove the region's records from a PostgreSQL server, if they are there. False: they are still there, which is
    said, and the home is needed to remove them."""
    if not home.database_place.exists():
        return True
    from souche.main import destroying  # imported here: only this case needs databases

    deadline = time.monotonic() + REMOVAL_SECONDS
    while True:
        try:
            destroying.remove_records(home)
        except SoucheError as error:
            if time.monotonic() < deadline:  # the server's own connections may end some time after it
                time.sleep(PAUSE_SECONDS)
                continue
            sys.stderr.write(f"souche: {error} Then run `souche destroy --home {home.path}`.\n")
            return False
        return True


def _remove(home: Path) -> None:
    """Remove the home. Programs of the server, which end with it, may still write for a moment."""
    deadline = time.monotonic() + REMOVAL_SECONDS
    while home.exists() and time.monotonic() < deadline:
        shutil.rmtree(home, ignore_errors=True)
        if home.exists():
            time.sleep(PAUSE_SECONDS)
