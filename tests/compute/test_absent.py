"""Without a server, nothing is done to real guests, and nothing is pretended."""

import inspect
from typing import Any

import pytest

from souche.compute.absent import AbsentHypervisor, GuestsNeedServer
from souche.compute.base import GuestConsoles, GuestNetwork, Hypervisor
from souche.storage.base import LiveDisks

HARMLESS = {"close"}


def methods() -> list[str]:
    """What drivers promise, but for properties."""
    return sorted(
        name
        for protocol in (Hypervisor, LiveDisks, GuestConsoles)
        for name, member in vars(protocol).items()
        if inspect.isfunction(member) and not name.startswith("_")
    )


@pytest.mark.parametrize("name", [each for each in methods() if each not in HARMLESS])
def test_whatever_is_asked_of_a_guest_is_refused(name: str) -> None:
    hypervisor = AbsentHypervisor(GuestNetwork("10.0.0.0/24", "10.0.0.1"), lambda _: False)
    method = getattr(hypervisor, name)
    arguments: list[Any] = ["i-12345678"] * len(inspect.signature(method).parameters)
    with pytest.raises(GuestsNeedServer, match="souche serve"):
        method(*arguments)


def test_a_guest_that_is_off_has_no_open_disks() -> None:
    hypervisor = AbsentHypervisor(
        GuestNetwork("10.0.0.0/24", "10.0.0.1"), lambda vm_id: vm_id == "i-0ff00000"
    )
    assert hypervisor.open_disks("i-0ff00000") is None
    with pytest.raises(GuestsNeedServer):
        hypervisor.open_disks("i-12345678")
