"""Injected faults: answers of a region instead of an action, for tests of clients.

`souche fault` writes them into a file of the home, and the server of a region with `--allow-faults` reads it. Each is
used a set number of times. A process that uses one holds the lock, so several processes never use it too often. The
file need not survive a power failure.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from souche.errors import UserError

RETRY_STATUSES: Final = (429, 503)
"""statuses whose answers have Retry-After"""
PRIVATE: Final = 0o600


@dataclass(frozen=True)
class Fault:
    """The fault of an action's calls: refused with `status` and `code` (None: not refused), and delayed by `delay`
    seconds. It applies to `times` calls after the first `after`, of every account or of one. `half_way`: the action
    succeeds, but its export task fails when half of its bytes are written."""

    number: int
    action: str
    status: int | None
    code: str
    times: int
    after: int = 0
    delay: float = 0
    account_id: str | None = None
    half_way: bool = False

    def is_for(self, action: str, account_id: str | None) -> bool:
        """Whether a call counts."""
        return self.action == action and self.account_id in (None, account_id)

    def passed_by(self) -> "Fault | None":
        """The rest of it after a matching call; None: nothing."""
        if self.after:
            return replace(self, after=self.after - 1)
        return replace(self, times=self.times - 1) if self.times > 1 else None


class FaultOnPurpose(UserError):
    """This is the injected fault {number} of `souche fault add`."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(number=fault.number)
        self.fault = fault


class NoSuchFault(UserError):
    """There is no fault {number}."""


class Faults:
    """Those of a region, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, fault: Fault) -> Fault:
        """Add a fault with the next number."""
        with self._held() as faults:
            made = replace(fault, number=max((each.number for each in faults), default=0) + 1)
            faults.append(made)
        return made

    def every(self) -> list[Fault]:
        """All remaining faults, oldest first; none if the file, which is not synced, is damaged."""
        try:
            return [Fault(**each) for each in json.loads(self._path.read_text())]
        except (FileNotFoundError, ValueError, TypeError):
            return []

    def clear(self, number: int | None = None) -> list[Fault]:
        """Remove one, or all. Returns what was removed.

        Raises:
            NoSuchFault.
        """
        with self._held() as faults:
            removed = [each for each in faults if number in (None, each.number)]
            if number is not None and not removed:
                raise NoSuchFault(number=number)
            faults[:] = [each for each in faults if each not in removed]
        return removed

    def take(self, action: str, account_id: str | None, *, half_way: bool = False) -> Fault | None:
        """The fault of a call: the oldest for its action."""
        if not self._path.exists():
            return None
        with self._held() as faults:
            for place, fault in enumerate(faults):
                if fault.half_way == half_way and fault.is_for(action, account_id):
                    left = fault.passed_by()
                    faults[place : place + 1] = [left] if left else []
                    return None if fault.after else fault
        return None

    @contextmanager
    def _held(self) -> Iterator[list[Fault]]:
        """All faults, under the lock. The list's state at the end of the context is stored."""
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, PRIVATE)
        with os.fdopen(descriptor, "w") as lock:
            os.fchmod(descriptor, PRIVATE)  # who can open it can hold it, and requests wait
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self.every()
            faults = list(before)
            yield faults
            if faults != before:
                self._write(faults)

    def _write(self, faults: list[Fault]) -> None:
        if not faults:
            self._path.unlink(missing_ok=True)
            return
        temporary = self._path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, PRIVATE)  # of one that an earlier Souche has left
            file.write(json.dumps([asdict(each) for each in faults]))
        temporary.replace(self._path)
