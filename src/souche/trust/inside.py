"""The program in the sandbox: opens the disks, examines them, and writes its findings as one line of JSON.

Its argument has the sockets of the disks and the facts as JSON. It has nothing else.
"""

import json
import sys
from dataclasses import asdict
from datetime import date

from souche.trust.disks.layout import look
from souche.trust.disks.sources import Cached, NbdSource
from souche.trust.engine import Facts
from souche.trust.examination import examine

ENGINE = "tsk"


def main(asked: str) -> None:
    """Examine, and write the answer to standard output."""
    wanted = json.loads(asked)
    disks = [Cached(NbdSource(socket)) for socket in wanted["sockets"]]
    facts = Facts(tuple(wanted["boot_modes"]), date.fromisoformat(wanted["today"]))
    made = examine(ENGINE, look(disks), facts)
    sys.stdout.write("\n" + json.dumps(asdict(made)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
