"""ActionsOnNextBoot.SecureBoot of UpdateVm and CreateVms."""

import pytest

from souche.app.context.region import Region
from souche.model.accounts import Principal
from souche.states import VmState
from tests.support.client import Client, state
from tests.support.resources import make_image, make_vm


def ask(client: Client, vm_id: str, action: str) -> object:
    vm = client("UpdateVm", VmId=vm_id, ActionsOnNextBoot={"SecureBoot": action})["Vm"]
    return vm["ActionsOnNextBoot"]


@pytest.mark.parametrize("action", ["enable", "disable", "setup-mode", "restore-factory-keys"])
@pytest.mark.parametrize("vm_state", [VmState.STOPPED, VmState.RUNNING])
def test_an_action_is_shown_until_the_start_and_can_be_taken_back(
    region: Region, client: Client, vm_state: VmState, action: str
) -> None:
    vm_id = make_vm(region, client.who, vm_state, boot_mode="uefi").vm_id
    assert ask(client, vm_id, action) == {"SecureBoot": action}
    shown = client("ReadVms", Filters={"VmIds": [vm_id]})["Vms"][0]
    assert shown["ActionsOnNextBoot"] == {"SecureBoot": action}
    client("UpdateVm", VmId=vm_id, DeletionProtection=True)
    assert ask(client, vm_id, action) == {"SecureBoot": action}
    assert ask(client, vm_id, "none") == {"SecureBoot": "none"}


@pytest.mark.parametrize("vm_state", [VmState.PENDING, VmState.STOPPING])
def test_a_start_that_may_be_under_way_gets_no_other_action(
    region: Region, client: Client, vm_state: VmState
) -> None:
    vm = make_vm(region, client.who, vm_state, boot_mode="uefi")
    wanted = {"SecureBoot": "enable"}
    assert client.refusal("UpdateVm", VmId=vm.vm_id, ActionsOnNextBoot=wanted).row == state(6003)
    assert ask(client, vm.vm_id, "none") == {"SecureBoot": "none"}


def test_a_bios_has_nothing_to_disable(region: Region, client: Client) -> None:
    vm = make_vm(region, client.who, VmState.STOPPED)
    assert ask(client, vm.vm_id, "disable") == {"SecureBoot": "none"}


def test_a_launch_may_begin_with_secure_boot(region: Region, client: Client, alice: Principal) -> None:
    image = make_image(region, alice, boot_modes=("uefi",))
    launched = client("CreateVms", ImageId=image.image_id, ActionsOnNextBoot={"SecureBoot": "enable"})
    assert launched["Vms"][0]["ActionsOnNextBoot"] == {"SecureBoot": "enable"}
