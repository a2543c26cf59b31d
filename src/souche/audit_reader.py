"""Reads an account's requests in the audit log, newest first.

A call reads at most `MOST_BYTES`, from the end of the files backwards, and returns the place where the next call
continues. Lines of other accounts are not parsed: the account's id is searched for in the bytes.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

MOST_BYTES: Final = 32 * 1024 * 1024
"""that one call reads: 50 ms of one core, unless most lines are the account's"""
CHUNK: Final = 1024 * 1024
BEGINNING: Final = 128
"""Number of first bytes that identify a file: its first line has a time and a request's id."""
TIME: Final = b'{"time":"'
TIME_LENGTH: Final = len("2010-10-01T12:34:56.789Z")


@dataclass(frozen=True)
class Place:
    """A place between two lines of a file, even if the file is renamed. The line before it is read next."""

    file_id: str
    offset: int


@dataclass(frozen=True)
class AuditPage:
    """Lines, newest first. `following`: where to continue; None: there are no more."""

    lines: list[Mapping[str, Any]]
    following: Place | None


@dataclass(frozen=True)
class Wanted:
    """The lines of an account's requests since a time that `matches` takes, `most` of them."""

    account_id: str
    since: datetime
    matches: Callable[[Mapping[str, Any]], bool]
    most: int


class AuditReader:
    """Reads the file of an audit log and those that it was rotated to: PATH.1 to PATH.`kept`."""

    def __init__(self, path: Path, kept: int, most_bytes: int = MOST_BYTES, chunk: int = CHUNK) -> None:
        self._path = path
        self._kept = kept
        self._most_bytes = most_bytes
        self._chunk = chunk

    def find(self, wanted: Wanted, start: Place | None = None) -> AuditPage:
        """Lines that are wanted, from a place on. A place in a file that is gone by now is the end.

        Raises:
            OSError: a file cannot be read.
        """
        search = _Search(wanted, self._most_bytes, self._chunk)
        for file_id, file in self._files():
            if start is not None and file_id != start.file_id:
                continue
            size = os.fstat(file.fileno()).st_size
            end = size if start is None else min(size, start.offset)
            start = None
            if not search.go_on(file, file_id, end):
                break
        return search.found()

    def _files(self) -> Iterator[tuple[str, BinaryIO]]:
        """The files, newest first, each once, even if they are renamed during the call."""
        names = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, self._kept + 1))]
        seen: set[str] = set()
        for name in names:
            try:
                with name.open("rb") as file:
                    file_id = _id_of(file)
                    if file_id not in seen:
                        seen.add(file_id)
                        yield file_id, file
            except FileNotFoundError:
                continue


@dataclass
class _Search:
    wanted: Wanted
    bytes_left: int
    chunk: int
    lines: list[Mapping[str, Any]] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    cut: Place | None = None

    def found(self) -> AuditPage:
        if len(self.lines) > self.wanted.most:
            return AuditPage(self.lines[: self.wanted.most], self.places[self.wanted.most - 1])
        return AuditPage(self.lines, self.cut)

    def go_on(self, file: BinaryIO, file_id: str, end: int) -> bool:
        """Search a file backwards from `end`. False: that is enough."""
        while end > 0:
            if self.bytes_left <= 0:
                self.cut = Place(file_id, end)
                return False
            begin = max(0, end - self.chunk)
            file.seek(begin)
            data = file.read(end - begin)
            self.bytes_left -= len(data)
            first = 0 if begin == 0 else data.find(b"\n") + 1
            if not self._take(data, first, file_id, begin):
                return False
            end = begin + first
        return True

    def _take(self, data: bytes, first: int, file_id: str, begin: int) -> bool:
        """Take the account's lines of whole lines. False: that is enough."""
        mark, end = f'"account_id":"{self.wanted.account_id}"'.encode(), len(data)
        while (at := data.rfind(mark, first, end)) >= 0:
            start = data.rfind(b"\n", first, at) + 1 or first
            date, line = _read(data[start:end].partition(b"\n")[0])
            end = start
            if date is None or not self._is_own(line):
                continue
            if date < self.wanted.since:
                return False
            if self.wanted.matches(line):
                self.lines.append(line)
                self.places.append(Place(file_id, begin + end))
                if len(self.lines) > self.wanted.most:
                    return False
        oldest = _date(data[first : first + len(TIME) + TIME_LENGTH])
        return oldest is None or oldest >= self.wanted.since

    def _is_own(self, line: Mapping[str, Any]) -> bool:
        return line.get("event") == "request" and line.get("account_id") == self.wanted.account_id


def date_of(line: Mapping[str, Any]) -> datetime:
    """When a line was written, that is when its request ended.

    Raises:
        ValueError.
    """
    return datetime.fromisoformat(str(line["time"])).astimezone(UTC)


def _read(text: bytes) -> tuple[datetime | None, Mapping[str, Any]]:
    """A line and its time; None: it is none, as it was cut off."""
    try:
        line = json.loads(text)
        return date_of(line), line
    except (ValueError, KeyError, TypeError):
        return None, {}


def _date(text: bytes) -> datetime | None:
    try:
        return datetime.fromisoformat(text.removeprefix(TIME).decode()) if text.startswith(TIME) else None
    except ValueError:
        return None


def _id_of(file: BinaryIO) -> str:
    first = file.read(BEGINNING).partition(b"\n")[0]
    return hashlib.sha256(first).hexdigest()[:16]
