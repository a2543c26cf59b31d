"""The fast engine: libraries that parse file systems, in a process that can access only the disks.

The disks are served read-only over NBD. The process gets their sockets, and answers with a line of JSON, whose shape is
checked here. The answer is untrusted data.
"""

import importlib.util
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from souche import run, sandbox
from souche.errors import ProgramMissing
from souche.model.image_reports import Examination
from souche.room import MIB
from souche.sandbox import Bind, Limits
from souche.trust.children import answer_of, socket_path
from souche.trust.engine import Facts

LIMITS: Final = Limits(memory_bytes=1024 * MIB, cpu_seconds=60, file_bytes=8 * MIB)
WALL_SECONDS: Final = 120.0
MODULES: Final = ("pytsk3", "pyfsxfs", "pyvslvm", "pyregf")
PACKAGES: Final = "/packages"
SOUCHE: Final = "/souche-source"
START: Final = "import sys; sys.path[:0] = {paths}; from souche.trust.inside import main; main(sys.argv[1])"


class SandboxedEngine:
    """An `Engine` of The Sleuth Kit and libyal's libraries."""

    name = "tsk"

    def missing(self) -> str | None:
        for program in ("bwrap", "prlimit"):
            if shutil.which(program, path=run.PATH) is None:
                return program
        return next((name for name in MODULES if importlib.util.find_spec(name) is None), None)

    def examine(self, disks: Sequence[str], facts: Facts) -> Examination:
        lacking = self.missing()
        if lacking is not None:
            raise ProgramMissing(program=lacking)
        return answer_of(self.name, argv(disks, facts), WALL_SECONDS)


def argv(disks: Sequence[str], facts: Facts) -> list[str]:
    """The command that examines disks. Of this machine it sees /usr, Souche's code, the libraries of `MODULES`, and the
    disks' sockets."""
    program, binds = sandbox.interpreter()
    sockets = [f"/disks/{number}" for number in range(len(disks))]
    binds += [Bind(socket_path(uri), target) for uri, target in zip(disks, sockets, strict=True)]
    binds.append(Bind(Path(__file__).parents[1], f"{SOUCHE}/souche"))
    folders = sorted({_folder(name) for name in MODULES})
    paths = [SOUCHE]
    for number, folder in enumerate(folders):
        paths.append(f"{PACKAGES}/{number}")
        binds.append(Bind(Path(folder), paths[-1]))
    asked = {"sockets": sockets, "boot_modes": facts.boot_modes, "today": facts.today.isoformat()}
    command = [program, "-I", "-S", "-B", "-c", START.format(paths=paths), json.dumps(asked)]
    return sandbox.argv(command, binds, LIMITS)


def _folder(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ProgramMissing(program=module)
    return str(Path(spec.origin).parent)
