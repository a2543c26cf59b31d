"""`pip install souche` without Debian's bindings for Python, by a user that is not root: simulated guests run."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from osc_sdk_python import Gateway

from souche.main import machine
from tests.support import bare_environment
from tests.support.polling import eventually

NOBODY = 65534
SECONDS = 120
IMPORTED = """
import pkgutil, souche
for each in pkgutil.walk_packages(souche.__path__, "souche."):
    try:
        __import__(each.name)
    except ModuleNotFoundError as error:
        print(each.name, error.name)
"""


@pytest.fixture(scope="module")
def programs() -> Iterator[Path]:
    """The programs of the environment. Everybody can enter it, unlike the folders of pytest."""
    with tempfile.TemporaryDirectory(prefix="souche-wheel-") as folder:
        Path(folder).chmod(0o755)
        yield bare_environment.make(Path(folder))


@pytest.fixture(scope="module")
def own(programs: Path) -> Path:
    """A folder of the user that runs the commands."""
    folder = programs.parents[1] / "own"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    return folder


def command(program: Path, *words: str | Path) -> list[str | Path]:
    """A command line, of a user that is not root."""
    other = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    return [*(other if os.geteuid() == 0 else ()), program, *words]


def run(program: Path, *words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(program, *words), cwd=cwd, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def told(programs: Path, own: Path, *words: str | Path) -> dict[str, Any]:
    """What a command that succeeds prints with --json."""
    done = run(programs / "souche", *words, "--home", own / "home", "--json", cwd=own)
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


@contextmanager
def served(programs: Path, own: Path) -> Iterator[None]:
    """A region during the context."""
    words = ("--home", own / "home", "--compute", "simulated", "--listen", "127.0.0.1:0", "--ephemeral")
    with (own / "log").open("wb") as log:
        line = command(programs / "souche", "serve", *words)
        server = subprocess.Popen(line, cwd=own, stdout=log, stderr=log)
    try:
        waited = run(programs / "souche", "wait", "--home", own / "home", "--timeout", str(SECONDS), cwd=own)
        assert waited.returncode == 0, waited.stderr + (own / "log").read_text()
        yield
    finally:
        server.terminate()
        server.wait()
    assert not (own / "home").exists()


def test_only_what_real_guests_need_wants_the_systems_bindings(programs: Path, own: Path) -> None:
    done = run(programs / "python", "-c", IMPORTED, cwd=own)
    missing = dict(line.split() for line in done.stdout.splitlines())
    assert done.returncode == 0, done.stderr
    assert set(missing.values()) == {"libvirt", "guestfs"}
    assert all(name.startswith(("souche.compute.libvirt.", "souche.trust.")) for name in missing)


def test_the_doctor_misses_nothing_that_simulated_guests_need(programs: Path, own: Path) -> None:
    done = run(programs / "souche", "doctor", "--compute", "simulated", "--json", cwd=own)
    rows = {row["Name"]: row["State"] for row in map(json.loads, done.stdout.splitlines())}
    assert (done.returncode, rows["qemu-img"]) == (0, "ok"), done.stdout
    assert "python3-libvirt" not in rows


def test_real_guests_are_refused_with_the_name_of_the_package(programs: Path, own: Path) -> None:
    done = run(programs / "souche", "serve", "--home", own / "other", cwd=own)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "python3-libvirt" in done.stderr
    assert not (own / "other").exists()


def test_a_machine_without_qemu_utils_is_refused_with_the_name_of_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "PATH", "/nowhere")
    with pytest.raises(machine.DiskToolsMissing, match="Debian's package qemu-utils"):
        machine.check("simulated")


def test_simulated_guests_run_for_a_user_who_has_only_the_wheel(
    programs: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(programs / "souche", "--version", cwd=own).stdout.startswith("souche 0.")
    (own / "disk.raw").write_bytes(bytes(1024**2))
    with served(programs, own):
        told(programs, own, "account", "create", "alice")
        image = told(programs, own, "image", "publish", own / "disk.raw", "--name", "tiny", "--no-verify")
        for name, value in told(programs, own, "env", "alice").items():
            monkeypatch.setenv(name, value)
        client = Gateway(limiter_max_requests=1000)
        (vm,) = client.CreateVms(ImageId=image["ImageId"], VmType="tinav5.c1r1p2")["Vms"]

        def state() -> str:
            (seen,) = client.ReadVms(Filters={"VmIds": [vm["VmId"]]})["Vms"]
            return str(seen["State"])

        eventually(lambda: state() == "running", SECONDS)
        # The server inspects the disk, in a sandbox that this user may create.
        report = told(programs, own, "image", "check", image["ImageId"], "--again", "--wait")
        assert (report["State"], report["Engine"]) == ("completed", "tsk"), report


def test_the_source_archive_has_what_the_wheel_is_made_of(tmp_path: Path) -> None:
    """`make dist` writes both."""
    build: list[str | Path] = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path]
    subprocess.run(build, cwd=bare_environment.ROOT, check=True, capture_output=True)
    (archive,) = tmp_path.glob("souche-*.tar.gz")
    listed = subprocess.run(["tar", "tzf", archive], capture_output=True, text=True, check=True).stdout
    assert "/src/souche/main/command_line.py" in listed
    assert "/docs/settings.md" in listed
