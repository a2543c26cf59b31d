"""A virtual environment as `pip install souche` creates it: the wheel and its dependencies, without the system's Python
packages, so without the bindings of libvirt, libnbd and libguestfs.

Nothing is downloaded: the wheel's dependencies are linked from the environment of the tests.
"""

import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def make(folder: Path) -> Path:
    """Build the wheel and install it in a new environment below `folder`. Returns the folder of its programs."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    environment = folder / "environment"
    venv.create(environment, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (wheel,) = (folder / "dist").glob("*.whl")
    for found in needed("souche").values():
        _link(found, packages, environment / "bin")
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        environment / "bin/python",
        "install",
        "--quiet",
    ]
    subprocess.run(
        [*pip, "--no-index", "--no-deps", "--disable-pip-version-check", wheel],
        check=True,
        capture_output=True,
    )
    return environment / "bin"


def needed(name: str) -> dict[str, Distribution]:
    """The direct and indirect dependencies of a distribution, by name, without the distribution itself."""
    found: dict[str, Distribution] = {}
    left = [Requirement(text) for text in distribution(name).requires or []]
    while left:
        wanted = left.pop()
        extras = {"", *wanted.extras}
        key = canonicalize_name(wanted.name)
        if key in found and not wanted.extras:
            continue
        found[key] = distribution(wanted.name)
        below = map(Requirement, found[key].requires or [])
        left += [each for each in below if _applies(each, extras)]
    return found


def _applies(wanted: Requirement, extras: set[str]) -> bool:
    return wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras)


def _link(found: Distribution, packages: Path, programs: Path) -> None:
    """Link the files of a distribution into the environment."""
    for file in found.files or []:
        source = Path(str(found.locate_file(file)))
        is_program = file.parts[-2:-1] == ("bin",) and file.parts[0] == ".."
        if not source.exists() or (file.parts[0] == ".." and not is_program):
            continue
        target = programs / file.name if is_program else packages / file
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except FileExistsError:  # two packages have this file
            continue
        except OSError:  # the target is on another file system
            shutil.copy2(source, target)
