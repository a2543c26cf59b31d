"""The rules of the repository that programs check: linters, locked dependencies, the list of targets."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SCRIPTS = sorted(
    path
    for path in (*ROOT.glob("tools/*"), *ROOT.glob(".ci/*"), *ROOT.glob("packaging/debian/*"))
    if path.is_file() and path.read_bytes().startswith((b"#!/bin/bash", b"#!/bin/sh"))
)

LONGEST_FILE = 400
GENERATED = ROOT / "src/souche/api/types.py"

LINTERS: dict[str, Sequence[str | Path]] = {
    "ruff-check": (sys.executable, "-m", "ruff", "check"),
    "ruff-format": (sys.executable, "-m", "ruff", "format", "--check"),
    "mypy": (sys.executable, "-m", "mypy"),
    "import-linter": (Path(sys.executable).parent / "lint-imports", "--no-cache"),
    "shellcheck": ("shellcheck", *SCRIPTS),
}


@pytest.mark.parametrize("name", LINTERS)
def test_linter_has_nothing_to_say(name: str) -> None:
    done = subprocess.run(LINTERS[name], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_can_be_run(script: Path) -> None:
    assert os.access(script, os.X_OK)


def locked(name: str) -> dict[str, Version]:
    """What a lock pins, by package; a pin for some environments only counts too."""
    pins = re.findall(
        r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE
    )
    return {canonicalize_name(package): Version(version) for package, version in pins}


def unlocked(wanted: Sequence[str], lock: dict[str, Version]) -> Iterator[str]:
    """The requirements that no pin satisfies."""
    for text in wanted:
        requirement = Requirement(text)
        pin = lock.get(canonicalize_name(requirement.name))
        if pin is None or pin not in requirement.specifier:
            yield text


def test_the_locks_satisfy_the_project() -> None:
    """`make lock` brings them up to date."""
    dependencies = PROJECT["project"]["dependencies"]
    assert list(unlocked(dependencies, locked("runtime.txt"))) == []
    everything = [*dependencies, *PROJECT["dependency-groups"]["dev"], *PROJECT["build-system"]["requires"]]
    assert list(unlocked(everything, locked("dev.txt"))) == []


def test_tests_run_with_what_users_run() -> None:
    runtime, dev = locked("runtime.txt"), locked("dev.txt")
    assert {package: dev.get(package) for package in runtime} == runtime


def test_help_lists_the_targets() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"help", "setup", "demo", "test", "lint", "bench"} <= {
        line.split()[1] for line in shown.splitlines()
    }


def test_no_file_is_long() -> None:
    files = [path for folder in ("src", "tests", "tools") for path in ROOT.glob(f"{folder}/**/*.py")]
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    assert [path for path, lines in lengths.items() if lines > LONGEST_FILE and path != GENERATED] == []


@pytest.mark.parametrize(("package", "others"), [("api.protocol", {"types"}), ("app.context", set())])
def test_what_serves_all_nouns_imports_none(package: str, others: set[str]) -> None:
    """The files beside the package are the nouns'."""
    layer, name = package.split(".")
    folder = ROOT / "src/souche" / layer / name
    imported = {
        found
        for file in folder.glob("*.py")
        for found in re.findall(rf"from souche\.{layer}(?:\.(\w+)\S*)? import", file.read_text())
    }
    assert len(list(folder.glob("*.py"))) > 5
    assert imported - others == {name}


NEEDS_NO_DATABASE = {"tests/api/test_filters.py: schemas"}
SHARED_IN_MODULE = re.compile(r'scope="module"\)\ndef (\w+)\(([^)]*)\)', re.DOTALL)


def test_what_a_module_shares_is_made_again_on_the_other_database() -> None:
    """pytest ends a fixture of a module with the parameter of `on_both` only if the fixture requests it. Without that,
    the tests on the second database ran on the first one."""
    folders = [
        file.parent for file in ROOT.glob("tests/*/conftest.py") if "on_both as on_both" in file.read_text()
    ]
    files = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    assert len(files) > 100
    forgotten = set()
    for path in files:
        asked = dict(SHARED_IN_MODULE.findall(path.read_text()))
        again = {name for name, arguments in asked.items() if "on_both: str" in arguments}
        for name in asked.keys() - again:
            if not any(f"{each}:" in asked[name] for each in again):
                forgotten.add(f"{path.relative_to(ROOT)}: {name}")
    assert forgotten == NEEDS_NO_DATABASE
