"""What UpdateVm may change, and when (reference section 6)."""

import pytest

from souche.app import vms
from souche.app.context.region import Region
from souche.app.vms import Change, DeletionFlag
from souche.model.accounts import Principal
from souche.refusals import NoSuchKeypair, VmSpecsMismatch, WrongVmState
from souche.states import VmState
from tests.support.resources import make_keypair, make_vm, read_vm, requested
from tests.support.statements import statements

ALWAYS = {"deletion_protection": True, "shutdown_behavior": "terminate", "host_action": "stop"}


@pytest.mark.parametrize("at", [VmState.PENDING, VmState.RUNNING, VmState.STOPPING, VmState.STOPPED])
def test_what_the_guest_does_not_see_changes_in_any_state(
    region: Region, alice: Principal, at: VmState
) -> None:
    vm = make_vm(region, alice, at)
    keypair = make_keypair(region, alice)
    changed = vms.update(region, alice, Change(vm.vm_id, keypair_name=keypair.name, **ALWAYS))  # type: ignore[arg-type]
    assert {name: getattr(changed, name) for name in ALWAYS} == ALWAYS
    assert (changed.keypair_name, changed.public_key) == (keypair.name, keypair.public_key)
    assert requested(region) == []


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ("tinav5.c2r4", {"performance": "medium"}, "medium"),
        ("tinav5.c2r4p1", {"performance": "medium"}, "highest"),
        ("tinav5.c2r4", {"vm_type": "tinav5.c2r4p1"}, "highest"),
        ("tinav5.c2r4", {"vm_type": "tinav5.c2r4p1", "performance": "medium"}, "highest"),
        ("tinav5.c2r4p1", {"vm_type": "tinav5.c4r8", "performance": "medium"}, "medium"),
        ("tinav5.c2r4", {"vm_type": "tinav5.c4r8"}, "high"),
    ],
)
def test_a_flag_in_the_type_wins_over_the_performance_asked_for(
    region: Region, alice: Principal, before: str, change: dict[str, str], after: str
) -> None:
    performance = "highest" if before.endswith("p1") else "high"
    vm = make_vm(region, alice, VmState.STOPPED, vm_type=before, performance=performance)
    assert vms.update(region, alice, Change(vm.vm_id, **change)).performance == after  # type: ignore[arg-type]


def test_a_windows_vm_cannot_become_too_small(region: Region, alice: Principal) -> None:
    vm = make_vm(region, alice, VmState.STOPPED, product_codes=("0002",))
    with pytest.raises(VmSpecsMismatch):
        vms.update(region, alice, Change(vm.vm_id, vm_type="tinav5.c1r4"))


def test_a_refused_change_changes_nothing(region: Region, alice: Principal) -> None:
    vm = make_vm(region, alice, VmState.RUNNING)
    with pytest.raises(WrongVmState):
        vms.update(region, alice, Change(vm.vm_id, deletion_protection=True, user_data=b"x"))
    with pytest.raises(NoSuchKeypair):
        vms.update(region, alice, Change(vm.vm_id, deletion_protection=True, keypair_name="nobody"))
    assert read_vm(region, vm.vm_id) == vm


def test_an_update_without_a_change_is_no_error(region: Region, alice: Principal) -> None:
    vm = make_vm(region, alice)
    assert vms.update(region, alice, Change(vm.vm_id)) == vm


def test_a_volume_that_is_named_repeatedly_is_changed_once(region: Region, alice: Principal) -> None:
    vm = make_vm(region, alice)
    flags = [DeletionFlag(delete=number % 2 == 0, device_name="/dev/sda1") for number in range(1000)]
    change = Change(vm_id=vm.vm_id, deletion_flags=tuple(flags))
    assert len(statements(region, lambda: vms.update(region, alice, change))) < 50
    links = [volume.link for volume in read_vm(region, vm.vm_id).volumes]
    assert [link.delete_on_vm_deletion for link in links if link] == [False]
