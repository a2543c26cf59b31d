"""Run many sequences: `python -m tests.sequences --number 10000 --seed 0 --length 12`. Prints the figures; ends with
status 1 at the first violation."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import structlog

from tests.sequences.machine import Figures, Machine
from tests.sequences.sequence_state import Violation

OF_ONE_REGION = 50
"""sequences before the records of what was deleted slow the region down"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--length", type=int, default=12)
    wanted = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    figures, began = Figures(0, 0, 0, 0), time.monotonic()
    while figures.sequences < wanted.number:
        with tempfile.TemporaryDirectory() as folder:
            machine = Machine(Path(folder) / "home")
            for _ in range(min(OF_ONE_REGION, wanted.number - figures.sequences)):
                try:
                    figures += machine.sequence(wanted.seed + figures.sequences, wanted.length)
                except Violation as error:
                    print(error)
                    return 1
            machine.close()
        print(f"{figures} in {time.monotonic() - began:.0f} s", flush=True)
    return 0


sys.exit(main())
