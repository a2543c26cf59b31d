"""Whose disks the store is asked to look after. That QEMU shortens them is seen in tests/compute."""

import pytest

from souche.compute.base import PowerState
from souche.reconcile import open_disks
from tests.workflows.world import World


def test_running_guests_are_asked_for_and_no_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hypervisor, asked = world.parts.hypervisor, list[tuple[str, object]]()
    states = {
        "i-00000001": PowerState.RUNNING,
        "i-00000002": PowerState.OFF,
        "i-00000003": PowerState.RUNNING,
    }
    monkeypatch.setattr(hypervisor, "power_states", lambda: states)
    monkeypatch.setattr(world.parts.volumes, "tend_open_disks", lambda *what: asked.append(what))
    open_disks.tend(world.parts)
    assert asked == [("i-00000001", world.parts.live), ("i-00000003", world.parts.live)]
