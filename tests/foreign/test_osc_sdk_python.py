"""The tests that osc-sdk-python's authors ship in its source archive, against a served region."""

import hashlib
import os
import sys
import tarfile
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import pytest
from tools import harness

from souche.errors import ProgramFailed
from souche.run import run
from tests.foreign.region import ServedRegion

VERSION: Final = "0.42.0"
SHA256: Final = "65f729ff8a0a9016f0552ac7bad5d115310f42964d33c6d253792fe1ef028530"
ARCHIVE: Final = harness.ROOT / f".cache/foreign/osc_sdk_python-{VERSION}.tar.gz"

NO_SERVER: Final = "calls no server"
NETS: Final = "Nets, users and load balancers are not kept"

# Those that are left out: a module, or a test of one, and why.
LEFT_OUT: Final[Mapping[str, str]] = {
    "test_limiter": NO_SERVER,
    "test_problems": NO_SERVER,
    "test_proxy": NO_SERVER,
    "test_retry": NO_SERVER,
    "test_exceptions_500": "its authors skip it; it calls a server of its own",
    "test_password": "a login and password open nothing here",
    "test_eim_user": NETS,
    "test_load_balancer_backend": NETS,
    "test_net": NETS,
    "test_net_subnet": NETS,
}

# Those that run, and how many tests of each pass.
CHOSEN: Final = {
    "test_exceptions": 1,
    "test_keypair": 1,
    "test_log": 1,
    "test_manual_aksk": 1,
    "test_security_group": 1,
    "test_snapshot": 1,
    "test_vm": 2,
    "test_volume": 1,
}
TIMEOUT_SECONDS: Final = 180

# Their pauses of ten seconds between two looks, made short.
IMPATIENT: Final = """
import time

real = time.sleep
time.sleep = lambda seconds: real(min(seconds, 0.5))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive's content. It comes from the package index, once."""
    assert version("osc-sdk-python") == VERSION
    folder = tmp_path_factory.mktemp("source")
    if not ARCHIVE.exists():
        _fetch(folder / "requirements.txt")
    assert hashlib.sha256(ARCHIVE.read_bytes()).hexdigest() == SHA256, f"{ARCHIVE} is another file: remove it"
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder)  # noqa: S202 (its hash says that it is the one that was looked at)
    return folder / f"osc_sdk_python-{VERSION}"


def _fetch(requirements: Path) -> None:
    """By pip, which compares the hash. It reads the archive's metadata by its build backend, which is installed."""
    requirements.write_text(f"osc-sdk-python=={VERSION} --hash=sha256:{SHA256}\n")
    ARCHIVE.parent.mkdir(parents=True, exist_ok=True)
    options = ("--no-deps", "--no-binary", "osc-sdk-python", "--no-build-isolation", "--require-hashes")
    where = ("--requirement", requirements, "--dest", ARCHIVE.parent)
    settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    run(
        [sys.executable, "-m", "pip", "download", *options, *where],
        timeout_seconds=TIMEOUT_SECONDS,
        extra_environment=settings,
    )


def test_every_module_is_chosen_or_left_out_with_a_reason(source: Path) -> None:
    modules = {path.stem for path in (source / "tests").glob("test_*.py")}
    assert modules == CHOSEN.keys() | LEFT_OUT.keys()


def test_its_tests_pass(region: ServedRegion, source: Path, tmp_path: Path) -> None:
    who = region.account("osc-sdk-python").credentials
    chosen = [source / f"tests/{module}.py" for module in CHOSEN]
    report = tmp_path / "report.xml"
    environment = {
        "HOME": str(tmp_path),  # a configuration file there would win over the rest
        "OSC_ACCESS_KEY": who.access_key_id,
        "OSC_SECRET_KEY": who.secret_key,
        "OSC_REGION": harness.REGION,
        "OSC_ENDPOINT_API": region.url,
        "PYTHONPATH": f"{source}:{tmp_path}",
    }
    (tmp_path / "impatient.py").write_text(IMPATIENT)
    plugins = ("no:cacheprovider", "no:schemathesis", "no:hypothesispytest", "impatient")
    options = ["-q", *(f"-p{plugin}" for plugin in plugins), f"--rootdir={source}", f"--junitxml={report}"]
    with suppress(ProgramFailed):  # the report tells what
        run(
            [sys.executable, "-m", "pytest", *options, *chosen],
            timeout_seconds=TIMEOUT_SECONDS,
            extra_environment=environment,
        )
    cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314 (pytest has written it)
    assert [_told(case) for case in cases if len(case)] == []
    assert Counter(case.attrib["classname"].split(".")[1] for case in cases) == CHOSEN


def _told(case: ElementTree.Element) -> str:
    """A test that failed, or was skipped, and its last words."""
    return f"{case.attrib['classname']}.{case.attrib['name']}: {''.join(case[0].itertext())[-1000:]}"
