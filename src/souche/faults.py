"""Faults on purpose: what a region answers instead of doing an action, so that the ways of a client are tested.

`souche fault` writes them into a file of the home, and the server of a region with `--allow-faults` looks there. Each
is used a set number of times. A process that uses one holds the lock, so several processes never use it too often.
The file need not outlive a power failure.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from souche.errors import UserError

RETRY_STATUSES: Final = (429, 503)
"""those whose answers have Retry-After"""


@dataclass(frozen=True)
class Fault:
    """What becomes of the calls of an action: refused with `status` and `code` (None: it is done all the same), and
    `delay` seconds late. `times` is how many calls it is still for, `after` how many are let pass before. Calls of
    every account count, or those of one. `half_way`: the action is done, and the export task that it makes fails when
    half of its bytes are written."""

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
        """What is left of it after a call that counts; None: nothing."""
        if self.after:
            return replace(self, after=self.after - 1)
        return replace(self, times=self.times - 1) if self.times > 1 else None


class FaultOnPurpose(UserError):
    """This is fault {number}, which `souche fault add` asked for."""

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
        """Add one; its number is the next."""
        with self._held() as faults:
            made = replace(fault, number=max((each.number for each in faults), default=0) + 1)
            faults.append(made)
        return made

    def every(self) -> list[Fault]:
        """All that are left, oldest first; none where the file is damaged, which is not synced."""
        try:
            return [Fault(**each) for each in json.loads(self._path.read_text())]
        except (FileNotFoundError, ValueError, TypeError):
            return []

    def clear(self, number: int | None = None) -> None:
        """Remove one, or all.

        Raises:
            NoSuchFault.
        """
        with self._held() as faults:
            kept = [] if number is None else [each for each in faults if each.number != number]
            if number is not None and len(kept) == len(faults):
                raise NoSuchFault(number=number)
            faults[:] = kept

    def take(self, action: str, account_id: str | None, *, half_way: bool = False) -> Fault | None:
        """The fault that a call meets: of several for the action, the oldest."""
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
        """All faults, under the lock; what the list has at the end is kept."""
        with self._path.with_suffix(".lock").open("a") as lock:
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
        temporary.write_text(json.dumps([asdict(each) for each in faults]))
        temporary.replace(self._path)
