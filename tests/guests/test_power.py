"""Guests that power themselves off, by each of the three behaviours, in a region of their own. Their disks boot in
seconds: all of this takes less time than one guest with an operating system."""

import base64
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest
from tools import harness
from tools.harness import wait_for

from souche.compute.base import PowerState
from souche.compute.libvirt.names import Names, home_tag
from souche.model import stop_reasons
from souche.reconcile import power
from souche.run import run
from tests.guests.conftest import VM_TYPE, Served, region_with_guests
from tests.support import boot_disks

pytestmark = pytest.mark.guest

SLOW_SECONDS = 120
READY = b"press a key"


@pytest.fixture(scope="module")
def region() -> Iterator[Served]:
    with region_with_guests() as region:
        yield region


@pytest.fixture(scope="module")
def image_id(region: Served) -> str:
    """An OMI whose guests power themselves off when a key is pressed."""
    return published(region, "At-a-key", boot_disks.disk_that_ends_at_a_key(READY.decode()))


def published(region: Served, name: str, disk: bytes) -> str:
    path = region.home.with_name(f"{name}.raw")
    path.write_bytes(disk)
    made = harness.souche(
        *("image", "publish", path, "--home", region.home),
        *("--name", name, "--account", "alice", "--no-verify"),
        timeout_seconds=60,
    )
    return str(made["ImageId"])


def launched(region: Served, image_id: str, behavior: str, **parameters: Any) -> str:
    made = region.client.raw(
        "CreateVms",
        ImageId=image_id,
        VmType=VM_TYPE,
        BootMode="legacy",
        VmInitiatedShutdownBehavior=behavior,
        **parameters,
    )
    return str(made["Vms"][0]["VmId"])


def wait_ready(region: Served, vm_id: str) -> None:
    """Wait until the guest waits for its key."""

    def ready() -> bool:
        written = region.client.raw("ReadConsoleOutput", VmId=vm_id)["ConsoleOutput"]
        return READY in base64.b64decode(written)

    region.wait_vm(vm_id, "running")
    wait_for(ready, f"{vm_id} ready", SLOW_SECONDS, 0.1)


def press_a_key(region: Served, vm_id: str) -> None:
    domain = Names(home_tag(region.home)).domain(vm_id)
    run(["virsh", "-c", "qemu:///system", "send-key", domain, "KEY_A"], timeout_seconds=20)


def stops(region: Served, vm_id: str) -> list[str]:
    """The reasons of its stops."""
    answer = region.client.raw("ReadVmsStopHistory", Filters={"VmIds": [vm_id]})
    return [each["StateReason"] for each in answer["VmsStopHistory"]]


@pytest.fixture(scope="module", autouse=True)
def restless(region: Served) -> str:
    """A guest that powers itself off whenever it is started, while the other tests run."""
    return launched(region, published(region, "Off", boot_disks.disk("good bye", ends=True)), "restart")


def test_guests_that_power_themselves_off_are_stopped_terminated_and_restarted(
    region: Served, image_id: str
) -> None:
    """By their behaviour; a protected one is stopped instead of terminated."""
    stopped, terminated, restarted = (
        launched(region, image_id, behavior) for behavior in ("stop", "terminate", "restart")
    )
    protected = launched(region, image_id, "terminate", DeletionProtection=True)
    all_of_them = (stopped, terminated, restarted, protected)
    for vm_id in all_of_them:
        wait_ready(region, vm_id)
        press_a_key(region, vm_id)
    for vm_id, state in ((stopped, "stopped"), (terminated, "terminated"), (protected, "stopped")):
        assert region.wait_vm(vm_id, state)["StateReason"] == stop_reasons.BY_GUEST
    wait_for(lambda: stops(region, restarted), "a stop of the guest to restart", SLOW_SECONDS)
    assert region.wait_vm(restarted, "running")["StateReason"] == ""
    wait_ready(region, restarted)
    press_a_key(region, restarted)
    wait_for(lambda: len(stops(region, restarted)) == 2, "a second stop", SLOW_SECONDS)
    for vm_id in all_of_them:
        assert set(stops(region, vm_id)) == {stop_reasons.BY_GUEST}


def test_guests_that_went_off_while_the_server_was_down_follow_their_behavior(
    region: Served, image_id: str
) -> None:
    stopped, terminated, restarted = vm_ids = [
        launched(region, image_id, behavior) for behavior in ("stop", "terminate", "restart")
    ]
    for vm_id in vm_ids:
        wait_ready(region, vm_id)
    region.kill()
    with closing(harness.hypervisor_of(region.home)) as driver:
        for vm_id in vm_ids:
            press_a_key(region, vm_id)
            off = partial(lambda each: driver.power_states()[each] is PowerState.OFF, vm_id)
            wait_for(off, f"{vm_id} off", SLOW_SECONDS, 0.1)
    region.start()
    for vm_id, state in ((stopped, "stopped"), (terminated, "terminated")):
        assert region.wait_vm(vm_id, state)["StateReason"] == stop_reasons.BY_GUEST
    wait_for(lambda: stops(region, restarted), "a stop of the guest to restart", SLOW_SECONDS)
    assert region.wait_vm(restarted, "running")["StateReason"] == ""


def test_a_guest_that_goes_off_again_and_again_is_not_restarted_without_end(
    region: Served, restless: str
) -> None:
    """Not even where the server was killed meanwhile."""
    vm_id = restless
    wait_for(lambda: len(stops(region, vm_id)) > power.MOST_RESTARTS, "the last restart", SLOW_SECONDS)
    assert region.wait_vm(vm_id, "stopped")["StateReason"] == stop_reasons.BY_GUEST + power.WAITS
    region.client.raw("UpdateVm", VmId=vm_id, VmInitiatedShutdownBehavior="stop")
    wait_for(
        lambda: region.vm(vm_id)["StateReason"] == stop_reasons.BY_GUEST, "the end of the wait", SLOW_SECONDS
    )
