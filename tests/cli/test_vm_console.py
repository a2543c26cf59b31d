"""souche vm console, souche vm screenshot: what is refused. Real guests: tests/compute/test_libvirt_consoles.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from souche.app import console_tokens
from souche.app.context.region import Region
from souche.main.administration import administer
from souche.model.accounts import Principal
from souche.states import VmState
from tests.cli.conftest import Souche
from tests.support import resources
from tests.support.region import make_account

COMMANDS = ["console", "screenshot"]


@pytest.fixture
def region(souche: Souche) -> Iterator[Region]:
    with administer(souche.home, make=True) as administered:
        yield administered.region


@pytest.fixture
def alice(region: Region) -> Principal:
    return make_account(region, "alice")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_vm_that_is_not_there_or_does_not_run_is_told(
    souche: Souche, region: Region, alice: Principal, command: str
) -> None:
    stopped = resources.make_vm(region, alice, state=VmState.STOPPED)
    assert "doesn't exist" in souche.refusal("vm", command, "i-ffffffff")
    assert "'Dummy'" in souche.refusal("vm", command, "Dummy")
    said = souche.refusal("vm", command, stopped.vm_id)
    assert said == f"souche: The VM {stopped.vm_id} is stopped: only a running VM has a console.\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_server_no_console_is_reached(
    souche: Souche, region: Region, alice: Principal, command: str
) -> None:
    vm = resources.make_vm(region, alice, state=VmState.RUNNING)
    assert "souche serve" in souche.refusal("vm", command, vm.vm_id)


def test_a_token_that_opens_no_console_is_told(
    souche: Souche, region: Region, alice: Principal, tmp_path: Path
) -> None:
    """A good one is used up, and then no console is reached without a server."""
    file = tmp_path / "token"
    vm = resources.make_vm(region, alice, state=VmState.RUNNING)
    file.write_text(f"{console_tokens.create(region, alice, vm.vm_id).token}\n")
    assert "souche serve" in souche.refusal("vm", "console", "--token-file", file)
    assert "it is invalid, expired, used" in souche.refusal("vm", "console", "--token-file", file)
    file.write_bytes(b"\xff")
    assert "it is invalid" in souche.refusal("vm", "console", "--token-file", file)
    assert "--token-file" in souche.refusal("vm", "console", vm.vm_id, "--token-file", file)
    assert "--token-file" in souche.refusal("vm", "console")
