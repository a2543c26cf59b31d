"""Processes that examine or clean disks. Each answers with a line of JSON."""

import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec
import structlog

from souche import run
from souche.model.image_reports import Examination
from souche.trust.engine import unreadable

POLL_SECONDS: Final = 0.01
LOOK_SECONDS: Final = 0.5
MOST_LOOKED_AT: Final = 4096

log = structlog.get_logger()

Look = Callable[[bytes], None]
Answer = TypeVar("Answer")


def answer_of(engine: str, command: Sequence[str], most_seconds: float) -> Examination:
    """The findings of a process. If it fails, is too slow, or answers in another shape, the report contains that.

    Raises:
        ProgramMissing.
    """
    said = output_of(command, most_seconds)
    if said is None:
        log.warning("an examination did not end", engine=engine)
        return unreadable(engine, "The examination did not end.", other=True)
    return _read(engine, said)


def output_of(command: Sequence[str], most_seconds: float, look: Look | None = None) -> bytes | None:
    """The output of a process that succeeds in time; None: it did not, and the end of its output is logged. `look` gets
    the beginning of the output every half second; if it raises, the process ends.

    Raises:
        ProgramMissing.
    """
    with tempfile.TemporaryFile() as answer:  # without a name: a killed process leaves nothing
        ended = _ran(command, answer, most_seconds, look)
        answer.seek(0)
        said = answer.read()
    if not ended:
        log.warning("a process did not end well", said=said[-2000:].decode(errors="replace"))
    return said if ended else None


def decoded(said: bytes, kind: type[Answer]) -> Answer | None:
    """The answer of a process, with only texts that can be stored; None: it has another shape. It is untrusted: it has
    texts of the guest, and a crafted file system may control the process."""
    try:
        return msgspec.convert(_storable(json.loads(last_line(said))), kind)
    except (ValueError, RecursionError):
        return None


def last_line(said: bytes) -> bytes:
    """The last line of a process's output: its answer."""
    return said.rstrip(b"\n").rpartition(b"\n")[2]


def socket_of(uri: str) -> Path:
    """The socket of a disk's NBD URI."""
    (path,) = parse_qs(urlsplit(uri).query)["socket"]
    return Path(path)


def socket_path(uri: str) -> Path:
    """The socket's real path: a sandbox cannot use this process's descriptors."""
    path = socket_of(uri)
    return Path(os.path.realpath(path.parent)) / path.name


def _ran(command: Sequence[str], answer: BinaryIO, most_seconds: float, look: Look | None) -> bool:
    """Whether the command succeeded in time. Its output goes into the file."""
    process = run.start(command, log_file=Path(f"/proc/self/fd/{answer.fileno()}"))
    deadline = time.monotonic() + most_seconds
    next_look = time.monotonic()
    try:
        while process.poll() is None and time.monotonic() < deadline:
            if look is not None and time.monotonic() >= next_look:
                answer.seek(0)
                look(answer.read(MOST_LOOKED_AT))
                next_look = time.monotonic() + LOOK_SECONDS
            time.sleep(POLL_SECONDS)
        return process.poll() == 0
    finally:
        process.kill()
        process.wait()


def _read(engine: str, said: bytes) -> Examination:
    made = decoded(said, Examination)
    if made is None:
        log.warning("an examination sent an invalid answer", said=last_line(said)[:200])
        return unreadable(engine, "The examination gave no answer.", other=True)
    return made


def _storable(value: object) -> object:
    """Every text of a JSON value as any database stores it: PostgreSQL has no NUL, and UTF-8 no unpaired surrogates."""
    match value:
        case str():
            return value.replace("\0", "?").encode(errors="replace").decode()
        case list():
            return [_storable(each) for each in value]
        case dict():
            return {name: _storable(each) for name, each in value.items()}
    return value
