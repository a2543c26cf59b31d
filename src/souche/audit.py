"""The audit log: one JSON object per line, for requests and for the operator's commands.

It is a file to which several processes of a region append, or the system's log. A line that cannot be written is lost,
and the process logs the number of lost lines: a full medium must not refuse reads and deletions.
"""

import errno
import fcntl
import json
import logging
import os
import stat
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import structlog

PRIVATE: Final = 0o600
SYSLOG: Final = "/dev/log"
APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
LINK: Final = "a symbolic link, in a folder that another user may write to"

Audit: TypeAlias = Callable[[Mapping[str, object]], None]
"""Writes one line."""

log = structlog.get_logger()


def line_of(facts: Mapping[str, object]) -> bytes:
    """A line in ASCII, with its time first: nothing in it moves a cursor or breaks a line in any program."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    dated = {"time": now, **facts}
    line = msgspec.json.encode(dated)
    if not line.isascii():  # msgspec escapes no more than JSON demands
        line = json.dumps(dated, separators=(",", ":")).encode()
    return line + b"\n"


class AuditFile:
    """Appends to a file that only its owner can read. When it has `most_bytes`, it is renamed to NAME.1, that to NAME.2
    and so on; `kept` of these stay. If another program renames or removes the file, it is created again. A file that
    cannot be renamed grows, and the process logs this once."""

    def __init__(self, path: Path, most_bytes: int, kept: int) -> None:
        """
        Raises:
            OSError: it cannot be written.
        """
        self._path = path
        self._name = os.fspath(path)
        self._most_bytes = most_bytes
        self._kept = kept
        self._lock = threading.Lock()
        self._is_torn = False
        self._is_stuck = False
        self._lost = Lost()
        self._descriptor = self._open()
        self._opened = os.fstat(self._descriptor)

    def __call__(self, facts: Mapping[str, object]) -> None:
        with self._lock:
            self._lost.watch(lambda: self._write(line_of(facts)))

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _write(self, line: bytes) -> None:
        there = self._named()
        if there is None:
            self._reopen()
            there = os.fstat(self._descriptor)
        if there.st_size >= self._most_bytes:
            self._rotate()
        if self._is_torn:
            line = b"\n" + line
        self._is_torn = True
        self._is_torn = os.write(self._descriptor, line) != len(line)
        if self._is_torn:
            raise OSError("the medium is full")

    def _open(self) -> int:
        """Open the file, or create it for the owner of its folder: a command run by root must not lock out the server's
        user.

        Raises:
            OSError: also if another user may have replaced it by a link, which could lead to any file.
        """
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            owner = os.fstat(folder)
            if owner.st_uid in (0, os.geteuid()) and not owner.st_mode & stat.S_IWOTH:
                with suppress(FileNotFoundError):
                    return os.open(self._path.name, APPEND, dir_fd=folder)
                return os.open(self._path.name, APPEND | os.O_CREAT, PRIVATE, dir_fd=folder)
            return self._open_beside_others(folder, owner)
        finally:
            os.close(folder)

    def _open_beside_others(self, folder: int, owner: os.stat_result) -> int:
        name = self._path.name
        try:
            with suppress(FileNotFoundError):
                return os.open(name, APPEND | os.O_NOFOLLOW, dir_fd=folder)
            try:
                made = os.open(name, APPEND | os.O_NOFOLLOW | os.O_CREAT | os.O_EXCL, PRIVATE, dir_fd=folder)
            except FileExistsError:  # another process was faster
                return os.open(name, APPEND | os.O_NOFOLLOW, dir_fd=folder)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OSError(errno.ELOOP, LINK, str(self._path)) from error
            raise
        if os.geteuid() == 0:
            os.fchown(made, owner.st_uid, owner.st_gid)
        return made

    def _reopen(self) -> None:
        descriptor = self._open()
        os.close(self._descriptor)
        self._descriptor = descriptor
        self._opened = os.fstat(descriptor)

    def _named(self) -> os.stat_result | None:
        """The status of the file with this name, if it still is the open file."""
        try:
            there = os.stat(self._name)  # noqa: PTH116  each line asks for it, and a Path takes thrice as long
        except FileNotFoundError:
            return None
        return there if os.path.samestat(there, self._opened) else None

    def _rotate(self) -> None:
        """Begin another file, unless another process does or has just done so. A file that cannot be renamed grows."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # closing the file releases the lock
            if self._named():
                self._shift()
            self._reopen()
        except BlockingIOError:
            return
        except OSError as error:
            with suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            if not self._is_stuck:
                log.warning("the audit log cannot be rotated", reason=str(error))
            self._is_stuck = True
        else:
            self._is_stuck = False

    def _shift(self) -> None:
        """Rename each file to the next number, up to the first free number. After a refusal, a repeated call continues
        where it stopped. The oldest file is replaced last, so that a refusal loses none."""
        beyond = self._kept + 1
        free = next((number for number in range(1, beyond) if not self._numbered(number).exists()), beyond)
        for number in range(free, 1, -1):
            self._numbered(number - 1).replace(self._numbered(number))
        self._path.replace(self._numbered(1))
        self._numbered(beyond).unlink(missing_ok=True)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


class _Syslog(SysLogHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 (logging's name)
        """Let the error through, instead of printing it."""
        raise


class AuditSyslog:
    """Sends lines to the system's log, facility authpriv, as `souche`."""

    def __init__(self, address: str = SYSLOG) -> None:
        """
        Raises:
            OSError: nobody listens there.
        """
        self._handler = _Syslog(address, SysLogHandler.LOG_AUTHPRIV)
        self._handler.ident = f"souche[{os.getpid()}]: "
        self._handler.append_nul = False
        self._lost = Lost()

    def __call__(self, facts: Mapping[str, object]) -> None:
        record = logging.makeLogRecord({"msg": line_of(facts).decode().rstrip("\n"), "levelname": "INFO"})
        self._lost.watch(lambda: self._handler.handle(record))

    def close(self) -> None:
        """Close the socket."""
        self._handler.close()


class Lost:
    """Counts the lines that could not be written, and logs the beginning and the end of such a time."""

    def __init__(self) -> None:
        self._count = 0

    def watch(self, write: Callable[[], Any]) -> None:
        """Write. Errors of the system are ignored, and the line is lost."""
        try:
            write()
        except OSError as error:
            if not self._count:
                log.warning("audit lines are lost", reason=str(error))
            self._count += 1
        else:
            if self._count:
                log.warning("audit lines are written again", lost=self._count)
            self._count = 0
