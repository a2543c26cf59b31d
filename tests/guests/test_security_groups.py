"""Security groups and volume updates seen from a booted VM: one port blocked, one opened, live; a disk that grows
before the guest's eyes; a TPM."""

import base64
import contextlib
import socket
from typing import Any

import pytest
from tools import harness
from tools.harness import wait_for

from souche.errors import ProgramFailed
from tests.guests.conftest import Served

pytestmark = pytest.mark.guest

PORT = 8080
ASK_SECONDS = 2.0
SERVER = f"systemd-run --quiet --unit=asked python3 -m http.server {PORT}"


@pytest.fixture(scope="module")
def vm(served: Served, with_disks: dict[str, Any]) -> dict[str, Any]:
    """A VM in the default group, by UEFI and with a TPM, that serves HTTP at a port."""
    served.ssh(with_disks, f"sudo {SERVER}")
    wait_for(lambda: "200" in served.ssh(with_disks, _ASK_ITSELF), "a server in the guest", 120)
    return with_disks


_ASK_ITSELF = f"curl -s -o /dev/null -w '%{{http_code}}' http://127.0.0.1:{PORT}/ || true"


def _answers(vm: dict[str, Any]) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((vm["PrivateIp"], PORT), ASK_SECONDS):
        return True
    return False


def _rule(vm: dict[str, Any]) -> dict[str, Any]:
    """The port, from this machine."""
    gateway = vm["PrivateIp"].rpartition(".")[0] + ".1"
    return {"IpProtocol": "tcp", "FromPortRange": PORT, "ToPortRange": PORT, "IpRange": f"{gateway}/32"}


def test_a_vm_of_the_default_group_is_reached_by_ssh_and_at_no_other_port(
    served: Served, vm: dict[str, Any]
) -> None:
    assert [group["SecurityGroupName"] for group in vm["SecurityGroups"]] == ["default"]
    assert served.ssh(vm, "echo reached").strip() == "reached"
    assert not _answers(vm)


def test_a_rule_opens_a_port_at_once_and_its_deletion_blocks_it(served: Served, vm: dict[str, Any]) -> None:
    group_id = vm["SecurityGroups"][0]["SecurityGroupId"]
    named = {"SecurityGroupId": group_id, "Flow": "Inbound", **_rule(vm)}
    served.client.raw("CreateSecurityGroupRule", **named)
    assert _answers(vm)
    served.client.raw("DeleteSecurityGroupRule", **named)
    assert not _answers(vm)


def test_another_group_counts_at_once(served: Served, vm: dict[str, Any]) -> None:
    made = served.client.raw("CreateSecurityGroup", SecurityGroupName="open", Description="one port")
    group_id = made["SecurityGroup"]["SecurityGroupId"]
    served.client.raw("CreateSecurityGroupRule", SecurityGroupId=group_id, Flow="Inbound", **_rule(vm))
    default = vm["SecurityGroups"][0]["SecurityGroupId"]
    served.client.raw("UpdateVm", VmId=vm["VmId"], SecurityGroupIds=[default, group_id])
    assert _answers(vm)
    shown = served.ssh(vm, "curl -s http://169.254.169.254/latest/meta-data/security-groups").split()
    assert shown == [each["SecurityGroupName"] for each in served.vm(vm["VmId"])["SecurityGroups"]]
    assert sorted(shown) == ["default", "open"]
    served.client.raw("UpdateVm", VmId=vm["VmId"], SecurityGroupIds=[default])
    assert not _answers(vm)
    served.client.raw("DeleteSecurityGroup", SecurityGroupId=group_id)


def test_a_public_ip_leads_to_the_guest_with_and_without_the_server(
    served: Served, vm: dict[str, Any]
) -> None:
    """A linked address receives what the default group allows, also while the server is killed and after its
    restart."""
    address = served.client.raw("CreatePublicIp")["PublicIp"]["PublicIp"]
    served.client.raw("LinkPublicIp", PublicIp=address, VmId=vm["VmId"])
    assert served.vm(vm["VmId"])["PublicIp"] == address
    by_public_ip = {**vm, "PrivateIp": address}
    assert not _answers(by_public_ip)
    asked = "curl -s http://169.254.169.254/latest/meta-data/public-ipv4"
    assert served.ssh(by_public_ip, asked).strip() == address
    served.kill()
    assert served.ssh(by_public_ip, "echo reached").strip() == "reached"
    served.start()
    assert served.ssh(by_public_ip, asked).strip() == address
    served.client.raw("UnlinkPublicIp", PublicIp=address)
    with pytest.raises(ProgramFailed):
        served.ssh(by_public_ip, "true")
    served.client.raw("DeletePublicIp", PublicIp=address)


def test_a_running_guest_sees_its_volume_grow(served: Served, vm: dict[str, Any]) -> None:
    mappings = vm["BlockDeviceMappings"]
    volume_id = next(each["Bsu"]["VolumeId"] for each in mappings if each["DeviceName"] == "/dev/xvdb")
    updated = served.client.raw("UpdateVolume", VolumeId=volume_id, Size=2)["Volume"]
    filters = {"TaskIds": [updated["TaskId"]]}

    def state() -> str:
        tasks = served.client.raw("ReadVolumeUpdateTasks", Filters=filters)["VolumeUpdateTasks"]
        return str(tasks[0]["State"])

    wait_for(lambda: state() == "completed", "a completed update", 60)
    assert served.volume(volume_id)["Size"] == 2
    look = f"readlink -f {harness.guest_disk('/dev/xvdb')} | xargs lsblk -bdno SIZE"
    wait_for(lambda: served.ssh(vm, look).strip() == str(2 * 1024**3), "a larger disk in the guest", 60)


def test_a_vm_with_a_tpm_has_one(served: Served, vm: dict[str, Any]) -> None:
    assert served.vm(vm["VmId"])["TpmEnabled"] is True
    assert "/dev/tpm0" in served.ssh(vm, "ls /dev/tpm*")
    assert "efivars" in served.ssh(vm, "ls /sys/firmware/efi")


def test_a_guest_that_panics_is_stopped_and_says_why(served: Served, vm: dict[str, Any]) -> None:
    vm_id = vm["VmId"]
    served.client.raw("UpdateVm", VmId=vm_id, ShutdownBehaviorConfiguration={"HostAction": "stop"})
    served.ssh(
        vm,
        "sudo systemd-run --on-active=1 --timer-property=AccuracySec=100ms sh -c 'echo c >/proc/sysrq-trigger'",
    )
    stopped = served.wait_vm(vm_id, "stopped")
    assert stopped["StateReason"].startswith("Client.GuestPanic: ")
    output = served.client.raw("ReadConsoleOutput", VmId=vm_id)["ConsoleOutput"]
    assert b"sysrq triggered crash" in base64.b64decode(output)


def test_nothing_is_left_of_it(served: Served, vm: dict[str, Any]) -> None:
    served.client.raw("DeleteVms", VmIds=[vm["VmId"]])
    served.wait_vm(vm["VmId"], "terminated")
    assert not (served.home / "firewall" / f"{vm['VmId']}.json").exists()
