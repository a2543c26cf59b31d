"""Processes that examine disks, and the line of JSON that each answers with."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec
import structlog

from souche import run
from souche.model.image_reports import Examination
from souche.trust.engine import unreadable

POLL_SECONDS: Final = 0.01

log = structlog.get_logger()


def answer_of(engine: str, command: Sequence[str], most_seconds: float) -> Examination:
    """What a process found. One that does not end well, or in time, or whose answer has another shape, leaves a report
    that says so.

    Raises:
        ProgramMissing.
    """
    with tempfile.TemporaryFile() as answer:  # has no name, so that a process that is killed leaves nothing
        ended = _ran(command, Path(f"/proc/self/fd/{answer.fileno()}"), most_seconds)
        answer.seek(0)
        said = answer.read()
    if not ended:
        log.warning("an examination did not end", engine=engine, said=said[-2000:].decode(errors="replace"))
        return unreadable(engine, "The examination did not end.", other=True)
    return _read(engine, said)


def socket_of(uri: str) -> Path:
    """The socket of a disk's NBD URI."""
    (path,) = parse_qs(urlsplit(uri).query)["socket"]
    return Path(path)


def _ran(command: Sequence[str], answer: Path, most_seconds: float) -> bool:
    """Whether the command ended well and in time; what it says goes into the file."""
    process = run.start(command, log_file=answer)
    deadline = time.monotonic() + most_seconds
    try:
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return process.poll() == 0
    finally:
        process.kill()
        process.wait()


def _read(engine: str, said: bytes) -> Examination:
    last = said.rstrip(b"\n").rpartition(b"\n")[2]
    try:
        return msgspec.json.decode(last, type=Examination)
    except msgspec.MsgspecError:
        log.warning("an examination said what it cannot", said=last[:200])
        return unreadable(engine, "The examination gave no answer.", other=True)
