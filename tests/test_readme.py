"""What README.md tells a reader to type works as it stands there, in its order, against a region with pretended guests.

The text is taken from the page, and three things in it are changed: the folder and the address (another region may
have them on this machine), and the keys, for which the page has "...". SOUCHE_COMPUTE and SOUCHE_OOS_LISTEN, which the
page leaves alone, make the guests pretended and leave the buckets out.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tools.harness import Credentials, answers

from tests.foreign.go_client import SDK_V2, SDK_V3
from tests.foreign.region import Caller, free_port
from tests.support.markdown import Block, blocks, command_lines
from tests.support.polling import eventually
from tests.wire.server import Server

ROOT = Path(__file__).parent.parent
BIN = ROOT / ".venv/bin"
BLOCKS = blocks(ROOT / "README.md")
HOME, LISTEN, KEY = "/srv/souche", "127.0.0.1:8808", "..."
BUILD = ".venv/bin/souche image build debian-12"
TIMEOUT_SECONDS = 120
OCTL = "octl, and every client that reads variables"
OSC_CLI = "osc-cli (archived)"


def section(title: str) -> list[Block]:
    """The blocks below a heading."""
    return [block for block in BLOCKS if block.section == title]


@dataclass(frozen=True)
class Reader:
    """Somebody who has followed the page up to their account's keys."""

    folder: Path
    port: int
    access_key_id: str = ""
    secret_key: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """Their shell's: the programs of this repository's .venv, and a home of their own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OSC_")}
        path = f"{BIN}:{os.environ['PATH']}"
        simulated = {"SOUCHE_COMPUTE": "simulated", "SOUCHE_OOS_LISTEN": ""}
        return {**kept, **simulated, "PATH": path, "HOME": str(self.folder)}

    def own(self, text: str) -> str:
        """A text of the page with the folder and the address of this reader's region, and with their keys."""
        text = text.replace(HOME, str(self.folder / "region")).replace(LISTEN, f"127.0.0.1:{self.port}")
        if KEY in text:
            before, between, after = text.split(KEY)
            text = f"{before}{self.access_key_id}{between}{self.secret_key}{after}"
        return text

    def types(self, text: str, *, cwd: Path = ROOT, stdin: str = "") -> str:
        """What their shell prints for a text of the page. It ends at the first command that fails."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.own(text)],
            cwd=cwd,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    serve, administer = section("First steps")
    (serve_line,) = command_lines(serve.text)
    build_line, account_line = command_lines(administer.text)
    reader = Reader(tmp_path_factory.mktemp("readme"), free_port())
    with (reader.folder / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            ["bash", "-c", f"exec {reader.own(serve_line)}"],
            cwd=ROOT,
            env=reader.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        eventually(lambda: server.poll() is not None or answers(f"127.0.0.1:{reader.port}"), 60)
        assert server.poll() is None, (reader.folder / "serve.log").read_text()
        reader.types(_published(build_line, reader.folder / "disk.qcow2"))
        shown = dict(line.split(maxsplit=1) for line in reader.types(account_line).splitlines())
        yield replace(reader, access_key_id=shown["AccessKeyId"], secret_key=shown["SecretKey"])
    finally:
        server.terminate()
        server.wait(30)


def _published(build_line: str, disk: Path) -> str:
    """For the build, which takes minutes and is what `tests/guests` and `make demo` begin with: an empty disk of that
    family. The line itself is parsed by `tests/cli/test_help.py`."""
    assert build_line.startswith(f"{BUILD} --home ")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "1G"], check=True)
    return build_line.replace(BUILD, f".venv/bin/souche image publish {disk} --no-verify --name Debian-12")


def call(reader: Reader, action: str, **request: Any) -> Any:
    """A call of the reader's account that succeeds."""
    caller = Caller(Server(reader.port), Credentials("", reader.access_key_id, reader.secret_key))
    answer = caller.attempt(action, json.dumps(request).encode())
    assert answer.status == 200, answer.json
    return answer.json


def test_the_page_has_no_other_commands() -> None:
    """Additions to the page must be added here."""
    assert [(block.section, block.language) for block in BLOCKS] == [
        ("Two commands", ""),
        ("One minute with pip", ""),
        ("First steps", ""),
        ("First steps", ""),
        (OCTL, ""),
        ("Python SDK", ""),
        ("Python SDK", "python"),
        ("Terraform", "hcl"),
        (OSC_CLI, ""),
    ]


def test_the_two_commands_are_targets() -> None:
    """`tools/bare-machine` is what runs them on a fresh Debian, with the lines before them."""
    (block,) = section("Two commands")
    targets = re.findall(r"^make (\w+)", block.text, re.MULTILINE)
    assert targets == ["demo", "test"]
    for target in targets:
        done = subprocess.run(
            ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert "tools/host-setup" in done.stdout


def test_one_minute_with_pip() -> None:
    """`tests/test_wheel.py` installs the wheel and serves; `tests/test_up.py` runs the example."""
    (block,) = section("One minute with pip")
    install, up = command_lines(block.text)
    assert install == "python3 -m venv /tmp/souche && /tmp/souche/bin/pip install ."
    assert up == "/tmp/souche/bin/souche up examples/region.toml"


def test_octl(reader: Reader) -> None:
    """A call as octl signs one, with the variables that it reads: its program is for no registry."""
    (block,) = section(OCTL)
    variables, octl = command_lines(block.text)
    assert octl == "octl iaas api ReadImages"
    names = ("OSC_ENDPOINT_API", "OSC_REGION", "OSC_ACCESS_KEY", "OSC_SECRET_KEY")
    shown = "; ".join(f"echo ${name}" for name in names)
    url, region, access_key_id, secret_key = reader.types(f"{variables}\n{shown}").split()
    endpoint = urlsplit(url)
    form = replace(
        SDK_V3, region=region, prefix=endpoint.path, headers={**SDK_V3.headers, "content-length": "2"}
    )
    caller = Caller(Server(endpoint.port or 0), Credentials("", access_key_id, secret_key))
    answer = caller.attempt("ReadImages", b"{}", form)
    assert answer.status == 200, answer.json
    assert [each["AccountAlias"] for each in answer.json["Images"]] == ["Outscale"]


def test_osc_cli(reader: Reader) -> None:
    (block,) = section(OSC_CLI)
    (image,) = json.loads(reader.types(block.text))["Images"]
    assert (image["AccountAlias"], image["State"]) == ("Outscale", "available")


def test_python_sdk(reader: Reader, tmp_path: Path) -> None:
    variables, program = section("Python SDK")
    said = reader.types(f"{variables.text}\nexec python -", cwd=tmp_path, stdin=program.text)
    (vm,) = call(reader, "ReadVms")["Vms"]
    (image,) = call(reader, "ReadImages", Filters={"ImageNames": ["mine"]})["Images"]
    assert said == f"ssh -i laptop.pem outscale@{vm['PrivateIp']}\n"
    assert (vm["State"], vm["KeypairName"], image["State"] != "failed") == ("running", "laptop", True)
    assert (tmp_path / "laptop.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "laptop.pem").read_text().startswith("-----BEGIN")


def test_terraform(reader: Reader) -> None:
    """The provider's own words, by clients.md section 2; a call as it signs one with what they say."""
    (block,) = section("Terraform")
    given = dict(re.findall(r'^ *(\w+) += "?([^"\n]*)"?$', reader.own(block.text), re.MULTILINE))
    assert set(given) == {"access_key_id", "secret_key_id", "endpoint", "region", "insecure"}
    assert re.findall(r"^ *(\w+)[^={}\n]*{$", block.text, re.MULTILINE) == ["provider", "api"]
    endpoint = urlsplit(given["endpoint"])
    form = replace(SDK_V2, region=given["region"], prefix=endpoint.path)
    who = Credentials("", given["access_key_id"], given["secret_key_id"])
    answer = Caller(Server(endpoint.port or 0), who).attempt("ReadSubregions", b"{}", form)
    assert answer.status == 200, answer.json
    assert {each["RegionName"] for each in answer.json["Subregions"]} == {given["region"]}
    assert endpoint.hostname == "127.0.0.1"
