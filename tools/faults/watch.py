"""Detects a life that hangs: it sleeps, or computes, for too long. A life that gets no processor, because others use
them all, does neither."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LOOK_SECONDS: Final = 0.5
SLEPT_LOOKS: Final = 300
"""150 seconds on an idle machine: the longest sleep of all threads, longer than any time limit of the region"""
COMPUTED_SECONDS: Final = 150.0
ASLEEP: Final = frozenset("SIZXTt")
"""states of a thread that neither runs nor waits for a medium (proc_pid_stat(5))"""


class Watch:
    """Watches one process and the programs that it has started."""

    def __init__(self, process_id: int, most_seconds: float = COMPUTED_SECONDS) -> None:
        self._process_id = process_id
        self._most_seconds = most_seconds
        self._slept = 0

    def hangs(self) -> bool:
        """Whether the life hangs. Call it every `LOOK_SECONDS`."""
        if all(state in ASLEEP for state in _states(self._process_id)):
            self._slept += 1
        return self._slept >= SLEPT_LOOKS or computed_seconds(self._process_id) >= self._most_seconds


def computed_seconds(process_id: int) -> float:
    """The CPU time of a process and its ended children; 0 if it has ended."""
    try:
        fields = _stat(Path(f"/proc/{process_id}/stat"))
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _states(process_id: int) -> Iterator[str]:
    """The states of all threads."""
    for task in Path(f"/proc/{process_id}/task").glob("*"):
        try:
            yield _stat(task / "stat")[0]
            children = (task / "children").read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _states(int(child))


def _stat(path: Path) -> list[str]:
    """The fields after the program's name, which may contain any character: the state first."""
    return path.read_text().rpartition(")")[2].split()
