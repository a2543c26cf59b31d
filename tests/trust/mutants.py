"""Examines many damaged copies of a disk, each in a process of its own, and counts how they end.

Run as a program: the disk, how many copies, the seed. Tells how many ended with a report, how many said `unreadable`,
and how many ended otherwise (by a signal or a limit), which a sandbox makes `unreadable` too.
"""

import contextlib
import json
import os
import random
import resource
import sys
from collections import Counter
from datetime import date
from pathlib import Path

from souche.trust.disks.layout import look
from souche.trust.engine import Facts
from souche.trust.examination import examine

FACTS = Facts(("legacy",), date(2026, 11, 27))
CPU_SECONDS = 10
MEMORY_BYTES = 1 << 30


class Mutant:
    """A disk with some of its bytes changed: where it has content, as most of a disk is empty."""

    def __init__(self, content: bytes, places: list[int], chance: random.Random) -> None:
        changed = bytearray(content)
        for _ in range(chance.choice((1, 4, 16, 64, 256))):
            at = chance.choice(places) + chance.randrange(512)
            how = chance.randrange(3)
            if how == 0:
                changed[at] = chance.randrange(256)
            elif how == 1:
                changed[at] ^= 1 << chance.randrange(8)
            else:
                end = min(at + chance.choice((2, 4, 8)), len(changed))
                changed[at:end] = chance.choice((b"\xff", b"\0", b"\x7f")) * (end - at)
        self._content = bytes(changed)

    @property
    def size(self) -> int:
        return len(self._content)

    def read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length] if offset >= 0 else b""


def main(disk: Path, number: int, seed: int) -> Counter[str]:
    """How the copies of a disk ended."""
    content = disk.read_bytes()
    places = [at for at in range(0, len(content) - 512, 512) if any(content[at : at + 512])]
    return Counter(_ended(Mutant(content, places, random.Random(seed + each))) for each in range(number))


def _ended(mutant: Mutant) -> str:
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(BaseException):
            made = examine("tsk", look([mutant]), FACTS)
            os._exit(1 if "unreadable" in {each.code for each in made.findings} else 0)
        os._exit(2)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return {0: "report", 1: "unreadable", 2: "raised"}.get(code, f"signal {-code}")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
