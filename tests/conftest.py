"""What tests of several folders share."""

import fcntl
import hashlib
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from xdist.scheduler import LoadScopeScheduling

from souche.recipes import debian
from souche.recipes.recipe import Recipe
from souche.recipes.shelf import Shelf
from tests.support.databases import databases as databases
from tests.support.databases import drop_sqlite_alone
from tests.support.databases import url as url
from tests.support.databases import urls as urls

if TYPE_CHECKING:
    from xdist.remote import Producer

CACHE = Path(__file__).parent.parent / ".cache" / "official"
GUEST_TIMEOUT = 1800
"""Seconds for a test that boots guests; several of them wait for three without KVM."""
LONGEST = ["tests/guests", "tests/guests/test_i386.py", "tests/compute", "tests/recipes"]


def pytest_configure(config: pytest.Config) -> None:
    """Let QEMU's user and others enter the folders that tests make, with any umask of the caller. Let signals end the
    processes that tests start, also in a run by `nohup` or in the background of a script: ignored signals are
    inherited."""
    os.umask(0o022)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    config.pluginmanager.register(Unfinished())


class Unfinished:
    """Names the tests that were running when the run was interrupted, as by the time limit of `.ci/run`."""

    def __init__(self) -> None:
        self.started: dict[str, float] = {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.started[nodeid] = time.monotonic()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.started.pop(nodeid, None)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for nodeid, start in self.started.items():
            terminalreporter.write_line(f"UNFINISHED {nodeid}: running for {time.monotonic() - start:.0f} s")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Those with guests begin, the longest first. Workers tell tests by their names: of two with the same, one would
    never run."""
    doubled = [name for name, count in Counter(item.nodeid for item in items).items() if count > 1]
    if doubled:
        raise pytest.UsageError(f"more than one test has the name {doubled[0]}")
    drop_sqlite_alone(config, items)
    items.sort(key=lambda item: _turn(_group(item.nodeid)))
    for item in items:
        if item.get_closest_marker("guest") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(GUEST_TIMEOUT))


def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> LoadScopeScheduling:
    """For the two workers of `make test`."""
    return ByFile(config, log)


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """A file's tests go to one worker, and those of `LONGEST` that share a region or a laboratory. A guest takes one
    core; tests without guests run beside it."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


def _group(nodeid: str) -> str:
    path = nodeid.partition("::")[0]
    folder = path.rpartition("/")[0]
    return folder if folder in LONGEST and path not in LONGEST else path


def _turn(group: str) -> int:
    return LONGEST.index(group) if group in LONGEST else len(LONGEST)


def _quiet(_what: str, _done: float) -> None:
    """Ignores the progress of a build."""


@pytest.fixture(autouse=True, scope="session")
def no_object_store() -> Iterator[None]:
    """A region that a test serves runs no object store, unless the test asks for one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOUCHE_OOS_LISTEN", "")
        yield


@pytest.fixture(autouse=True, scope="session")
def no_cached_loggers() -> Iterator[None]:
    """No logger keeps the level and the stream that a command gave it in this process for the tests after that."""
    configure = structlog.configure

    def uncached(**given: Any) -> None:
        configure(**{**given, "cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", uncached)
        yield


@pytest.fixture(autouse=True, scope="module")
def log_of_module_as_before() -> Iterator[None]:
    """The log is configured after a module as it was before, whatever its fixtures did."""
    configured = structlog.get_config()
    yield
    structlog.configure(**configured)


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """The log is configured after a test as it was before."""
    configured = structlog.get_config()
    yield
    structlog.configure(**configured)


@pytest.fixture(autouse=True, scope="session")
def no_sync() -> Iterator[None]:
    """Nothing in the tests' own processes waits for the medium. What is synced, and in which order, is recorded where
    that matters (`storage/power.py`)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


def _built(recipe: Recipe) -> Path:
    """The disk (qcow2) that the recipe builds as it is now; kept in .cache/ for the next run."""
    kept = hashlib.sha256(debian.digest(recipe).encode())
    for source in sorted(Path(debian.__file__).parent.glob("*.py")):
        kept.update(source.read_bytes())
    disk = CACHE / f"{recipe.name}-{kept.hexdigest()[:16]}.qcow2"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{recipe.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be building it
        if not disk.with_suffix(".json").exists():
            packages = debian.build(recipe, disk, work_dir=CACHE / "work", progress=_quiet)
            disk.with_suffix(".json").write_text(json.dumps(dict(packages)))
    return disk


@pytest.fixture(scope="session")
def debian_12_image() -> Path:
    """The official Debian 12 disk. A JSON file beside it lists its packages."""
    return _built(Shelf().get("debian-12"))


@pytest.fixture(scope="session")
def debian_13_image() -> Path:
    """The official Debian 13 disk; its packages beside it too."""
    return _built(Shelf().get("debian-13"))


@pytest.fixture(scope="session")
def debian_12_i386_image() -> Path:
    """A Debian 12 disk of i386. Without security updates: their mirror was seen half in sync for this architecture."""
    return _built(replace(Shelf().get("debian-12-i386"), security=False))
