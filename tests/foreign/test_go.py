"""A client that is a Go program: its TLS, which verifies certificates by default, its HTTP and its signature."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tools import harness
from tools.harness import Credentials

from tests.foreign.region import program
from tests.support.certificates import certificate
from tests.test_main import Served, serving

SOURCE = Path(__file__).parent / "go"
COMPILED = harness.ROOT / ".cache/go"
"""packages of Go's standard library, which the first build compiles for half a minute"""
BUILD_SECONDS = 600
CALL_SECONDS = 60


@dataclass(frozen=True)
class GoProgram:
    """The program, with an account's key and the authority that it trusts."""

    path: Path
    url: str
    who: Credentials
    authority: Path

    def run(self, action: str, request: object) -> subprocess.CompletedProcess[str]:
        variables = {
            "OSC_ENDPOINT_API": self.url,
            "OSC_REGION": "souche-1",
            "OSC_ACCESS_KEY": self.who.access_key_id,
            "OSC_SECRET_KEY": self.who.secret_key,
            "SSL_CERT_FILE": str(self.authority),
            "SSL_CERT_DIR": str(self.path.parent),
        }
        words: list[str | Path] = [self.path, action, json.dumps(request)]
        return subprocess.run(
            words, env=variables, capture_output=True, text=True, timeout=CALL_SECONDS, check=False
        )

    def call(self, action: str, **request: object) -> tuple[int, dict[str, Any]]:
        """Status and answer of a call that is answered."""
        done = self.run(action, request)
        assert done.returncode == 0, done.stderr
        status, _, answer = done.stdout.partition("\n")
        return int(status), json.loads(answer)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built by the locked Go. It uses the standard library only, so nothing is downloaded."""
    path = tmp_path_factory.mktemp("go") / "client"
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(path.parent),
        "GOCACHE": str(COMPILED),
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-buildvcs=false",
        "CGO_ENABLED": "0",
    }
    argv: list[str | Path] = [program("go"), "build", "-o", path, "."]
    subprocess.run(argv, cwd=SOURCE, env=variables, timeout=BUILD_SECONDS, check=True)
    return path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Served]]:
    """A region with a certificate of an operator, and its folder."""
    folder = tmp_path_factory.mktemp("https")
    pair = certificate(folder / "tls").pair
    flags = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))
    with serving(folder / "home", *flags, "--oos-listen", "") as running:
        yield folder, running


@pytest.fixture
def client(built: Path, served: tuple[Path, Served], request: pytest.FixtureRequest) -> GoProgram:
    folder, running = served
    who = harness.create_account(folder / "home", request.node.name)
    return GoProgram(built, running.facts["Api"], who, folder / "tls/ca.pem")


def test_a_go_program_launches_a_vm_over_https(client: GoProgram, served: tuple[Path, Served]) -> None:
    home = served[0] / "home"
    harness.souche("image", "publish", "--tiny", "--name", "Tiny", "--home", home)
    status, images = client.call("ReadImages", Filters={"AccountAliases": ["Outscale"]})
    assert (status, len(images["Images"])) == (200, 1)
    status, answer = client.call("CreateVms", ImageId=images["Images"][0]["ImageId"])
    assert status == 200, answer
    (made,) = answer["Vms"]
    (shown,) = client.call("ReadVms")[1]["Vms"]
    assert (shown["VmId"], shown["ImageId"]) == (made["VmId"], images["Images"][0]["ImageId"])
    status, refused = client.call("ReadVms", Filters={"VmIds": "none"})
    assert (status, refused["Errors"][0]["Code"]) == (400, "4110")


def test_a_go_program_refuses_a_certificate_of_an_unknown_authority(
    client: GoProgram, tmp_path: Path
) -> None:
    certificate(tmp_path / "other")
    other = GoProgram(client.path, client.url, client.who, tmp_path / "other/ca.pem")
    done = other.run("ReadVms", {})
    assert done.returncode == 1
    assert "x509: certificate signed by unknown authority" in done.stderr
