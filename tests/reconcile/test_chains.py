"""Which guests' disks are shortened. That QEMU does it is seen in tests/compute."""

import pytest

from souche.compute.base import PowerState
from souche.reconcile import chains
from tests.workflows.world import World


def test_running_guests_are_asked_for_and_no_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hypervisor, asked = world.parts.hypervisor, list[tuple[str, int]]()
    states = {
        "i-00000001": PowerState.RUNNING,
        "i-00000002": PowerState.OFF,
        "i-00000003": PowerState.RUNNING,
    }
    monkeypatch.setattr(hypervisor, "power_states", lambda: states)
    monkeypatch.setattr(hypervisor, "shorten_disks", lambda *what: asked.append(what))
    chains.shorten(world.parts)
    assert asked == [("i-00000001", chains.MOST_FILES), ("i-00000003", chains.MOST_FILES)]
