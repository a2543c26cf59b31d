"""The main job with real guests, through the API alone: an official OMI boots, the running VM becomes an OMI while
the server is killed under it, that OMI boots under the other firmware, and nothing is left at the end."""

import contextlib
import secrets
import shutil
import subprocess
import threading
from typing import Any

import pytest
import requests
from tools import harness
from tools.harness import Wrong, wait_for

from souche.compute.libvirt.names import Names, home_tag
from souche.errors import ProgramFailed, ProgramTimedOut
from tests.guests.conftest import Served, remove_guests

pytestmark = pytest.mark.guest

SECOND = {"DeviceName": "/dev/xvdb", "Bsu": {"VolumeSize": 1}}
ROOT_GIB = 6
CLEANING_SECONDS = 900
"""Guests run beside it."""


@pytest.fixture(scope="module")
def vm(served: Served) -> dict[str, Any]:
    """A VM of the official image, by BIOS, with a larger root and a second volume."""
    root = {"DeviceName": "/dev/sda1", "Bsu": {"VolumeSize": ROOT_GIB}}
    user_data = "IyEvYmluL3NoCmVjaG8gcmFuID4vdmFyL2xpYi91c2VyLWRhdGEtcmFuCg=="  # writes a file
    return served.launch(
        served.image_id,
        served.key("first"),
        BlockDeviceMappings=[root, SECOND],
        UserData=user_data,
        BootMode="legacy",
    )


@pytest.fixture(scope="module")
def markers(served: Served, vm: dict[str, Any]) -> tuple[str, str]:
    """Random text on the root and on the second volume, synced."""
    first, second = secrets.token_hex(16), secrets.token_hex(16)
    disk = harness.guest_disk("/dev/xvdb")
    served.ssh(
        vm,
        f"set -e; echo {first} >marker; sudo mkfs.ext4 -q -L second $(readlink -f {disk});"
        f" sudo mount LABEL=second /mnt; echo {second} | sudo tee /mnt/marker >/dev/null; sync",
    )
    return first, second


@pytest.fixture(scope="module")
def omi(served: Served, vm: dict[str, Any], markers: tuple[str, str]) -> dict[str, Any]:
    """The OMI of the running VM."""
    made = served.client.raw("CreateImage", VmId=vm["VmId"], ImageName="of-the-running-vm", NoReboot=True)
    image_id = made["Image"]["ImageId"]
    wait_for(lambda: served.image(image_id)["State"] != "pending", "an image that is not pending", 60)
    return served.image(image_id)


def test_the_guest_is_the_platforms_own(served: Served, vm: dict[str, Any]) -> None:
    shown = served.ssh(vm, "cat /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name")
    assert shown.splitlines()[:2] == ["3DS Outscale", "3DS Outscale VM"]


def test_disks_have_the_names_of_their_places(served: Served, vm: dict[str, Any]) -> None:
    """The names in guests of the real cloud, in any order of the kernel's detection; a volume linked later has one
    too, below."""
    disks = [harness.guest_disk(each) for each in ("/dev/sda1", "/dev/sdb")]
    sizes = served.ssh(vm, f"for disk in $(readlink -f {' '.join(disks)}); do lsblk -bdno SIZE $disk; done")
    assert [int(size) // 1024**3 for size in sizes.split()] == [ROOT_GIB, 1]


def test_the_guest_reads_its_metadata(served: Served, vm: dict[str, Any]) -> None:
    url = "http://169.254.169.254/latest"
    asked = " ".join(f"{url}/meta-data/{path}" for path in ("instance-id", "ami-id", "local-ipv4"))
    shown = served.ssh(vm, f"for url in {asked}; do curl -s $url; echo; done")
    assert shown.split() == [vm["VmId"], served.image_id, vm["PrivateIp"]]


def test_user_data_ran(served: Served, vm: dict[str, Any]) -> None:
    assert served.ssh(vm, "cat /var/lib/user-data-ran").strip() == "ran"


def test_the_root_grew_at_first_boot(served: Served, vm: dict[str, Any]) -> None:
    gib = int(served.ssh(vm, "df --output=size -B1M / | tail -1")) / 1024
    assert gib > ROOT_GIB - 1


def test_the_guest_has_no_way_out(served: Served, vm: dict[str, Any]) -> None:
    routes = served.ssh(vm, "ip route")
    assert "default" not in routes


def test_the_console_is_read(served: Served, vm: dict[str, Any]) -> None:
    assert served.client.raw("ReadConsoleOutput", VmId=vm["VmId"])["ConsoleOutput"]


def test_a_volume_comes_and_goes_while_the_guest_runs(served: Served, vm: dict[str, Any]) -> None:
    made = served.client.raw("CreateVolume", SubregionName=f"{_region(vm)}", Size=1)["Volume"]["VolumeId"]
    wait_for(lambda: served.volume(made)["State"] == "available", "an available volume", 30)
    served.client.raw("LinkVolume", VolumeId=made, VmId=vm["VmId"], DeviceName="/dev/xvdc")
    wait_for(lambda: served.volume(made)["State"] == "in-use", "a volume in use", 30)
    look = f"readlink -f {harness.guest_disk('/dev/xvdc')} | xargs -r lsblk -bdno SIZE 2>/dev/null || true"
    wait_for(lambda: served.ssh(vm, look).strip() == str(1024**3), "the volume in the guest", 60)
    served.client.raw("UnlinkVolume", VolumeId=made)
    wait_for(lambda: served.volume(made)["State"] == "available", "a volume that is free again", 60)
    wait_for(lambda: not served.ssh(vm, look).strip(), "a guest without the volume", 60)
    served.client.raw("DeleteVolume", VolumeId=made)


def _region(vm: dict[str, Any]) -> str:
    return str(vm["Placement"]["SubregionName"])


def test_an_omi_of_the_running_vm_has_both_volumes(omi: dict[str, Any]) -> None:
    assert omi["State"] == "available"
    assert [each["DeviceName"] for each in omi["BlockDeviceMappings"]] == ["/dev/sda1", "/dev/xvdb"]


def report_of(served: Served, image_id: str) -> dict[str, Any]:
    """The report of an image, once it is made."""
    asked = harness.gateway(served.listen, served.who, "souche/v1")

    def made() -> dict[str, Any] | None:
        filters = {"ImageIds": [image_id]}
        report: dict[str, Any] = asked.raw("ReadImageReports", Filters=filters)["ImageReports"][0]
        return report if report["State"] == "completed" else None

    found: dict[str, Any] = wait_for(made, "a report", 120)
    return found


def test_the_report_of_the_omi_has_what_its_author_left(served: Served, omi: dict[str, Any]) -> None:
    report = report_of(served, omi["ImageId"])
    assert (report["Engine"], report["Os"]) == ("tsk", "Debian GNU/Linux 12 (bookworm)")
    codes = {each["Code"] for each in report["Findings"]}
    assert codes >= {"authorized-key", "host-key", "machine-id", "cloud-init-data"}
    assert not codes & {"unreadable", "usable-password", "boot-loader", "no-virtio", "no-cloud-init"}


def test_a_snapshot_that_the_omi_uses_cannot_be_deleted(served: Served, omi: dict[str, Any]) -> None:
    snapshot_id = omi["BlockDeviceMappings"][0]["Bsu"]["SnapshotId"]
    with pytest.raises(requests.HTTPError) as refusal:
        served.client.raw("DeleteSnapshot", SnapshotId=snapshot_id)
    answer = refusal.value.response
    assert (answer.status_code, answer.json()["Errors"][0]["Code"]) == (409, "9094")


@pytest.mark.parametrize("delay_seconds", [0.0, 0.1, 0.25, 0.5])
def test_killed_while_it_makes_an_omi(served: Served, vm: dict[str, Any], delay_seconds: float) -> None:
    """kill -9 of the server: after the restart the OMI is settled, and the guest has run on."""
    boot_id = served.ssh(vm, "cat /proc/sys/kernel/random/boot_id")
    name = f"killed-{delay_seconds}"
    asked = threading.Thread(target=_ask, args=(served, vm["VmId"], name))
    asked.start()
    threading.Event().wait(delay_seconds)
    served.kill()
    asked.join()
    served.start()
    wait_for(lambda: not _named(served, name, "pending"), "an image that is not pending", 60)
    for image in _named(served, name, "failed"):
        assert image["BlockDeviceMappings"] == []
    for image in _named(served, name, "available"):
        assert len(image["BlockDeviceMappings"]) == 2
    assert served.vm(vm["VmId"])["State"] == "running"
    assert served.ssh(vm, "cat /proc/sys/kernel/random/boot_id; touch written") == boot_id


def _ask(served: Served, vm_id: str, name: str) -> None:
    try:
        served.client.raw("CreateImage", VmId=vm_id, ImageName=name, NoReboot=True)
    except requests.RequestException:
        return  # the server was killed before it answered


def _named(served: Served, name: str, state: str) -> list[dict[str, Any]]:
    filters = {"ImageNames": [name], "States": [state]}
    found: list[dict[str, Any]] = served.client.raw("ReadImages", Filters=filters)["Images"]
    return found


@pytest.fixture(scope="module")
def clean_omi(served: Served, omi: dict[str, Any]) -> str:
    """The id of a clean image of the OMI, which is being made."""
    asked = harness.gateway(served.listen, served.who, "souche/v1")
    made = asked.raw("CreateCleanImage", ImageId=omi["ImageId"], ImageName="clean")
    return str(made["Image"]["ImageId"])


@pytest.fixture(scope="module")
def clone(served: Served, omi: dict[str, Any], clean_omi: str) -> dict[str, Any]:
    """A VM of the OMI, by the other firmware, with a key pair of its own. Meanwhile the OMI is cleaned."""
    return served.launch(omi["ImageId"], served.key("second"), BootMode="uefi")


def test_the_omi_boots_by_the_other_firmware_with_both_markers(
    served: Served, clone: dict[str, Any], markers: tuple[str, str]
) -> None:
    read = served.ssh(
        clone, "cat marker; sudo mount LABEL=second /mnt && sudo cat /mnt/marker; ls /sys/firmware/efi"
    )
    assert tuple(read.split()[:2]) == markers
    assert "efivars" in read


def test_the_key_pair_of_the_launch_is_the_last_line(served: Served, clone: dict[str, Any]) -> None:
    last = served.ssh(clone, "tail -n 1 .ssh/authorized_keys").split()
    own = subprocess.run(
        ["ssh-keygen", "-y", "-f", served.keys["second"]], capture_output=True, text=True, check=True
    ).stdout.split()
    assert last[:2] == own[:2]


def test_the_report_of_the_clean_omi_proves_it(served: Served, clean_omi: str) -> None:
    assert len(served.wait_image(clean_omi, CLEANING_SECONDS)["BlockDeviceMappings"]) == 2
    report = report_of(served, clean_omi)
    assert [each for each in report["Findings"] if each["Severity"] == "high"] == []
    codes = {each["Code"] for each in report["Findings"]}
    assert not codes & {"machine-id", "cloud-init-data", "logs", "shell-history", "dhcp-lease"}
    assert not codes & {"unreadable", "needs-repair", "boot-loader", "no-cloud-init"}
    done = {each["Code"] for each in report["Cleaning"]["Done"]}
    assert done >= {"authorized-key", "host-key", "machine-id", "cloud-init-data", "logs"}


def test_the_authors_key_opens_a_launch_of_the_omi_and_none_of_the_clean_one(
    served: Served, vm: dict[str, Any], clone: dict[str, Any], clean_omi: str, markers: tuple[str, str]
) -> None:
    author = {"KeypairName": vm["KeypairName"]}
    assert served.ssh({**clone, **author}, "whoami").strip() == "outscale"
    clean = served.launch(clean_omi, served.key("third"))
    with pytest.raises(ProgramFailed, match="Permission denied"):
        served.ssh({**clean, **author}, "whoami")
    assert served.ssh(clean, "cat marker").strip() == markers[0]
    ids = [served.ssh(each, "cat /etc/machine-id").strip() for each in (vm, clean)]
    assert len(set(ids)) == 2
    assert all(ids)
    served.client.raw("DeleteVms", VmIds=[clean["VmId"]])
    served.wait_vm(clean["VmId"], "terminated")


def test_a_guest_that_powers_itself_off_is_stopped(served: Served, clone: dict[str, Any]) -> None:
    with contextlib.suppress(ProgramFailed, ProgramTimedOut):  # the connection ends with the guest
        served.ssh(clone, "sudo systemctl poweroff", 30)
    stopped = served.wait_vm(clone["VmId"], "stopped")
    assert stopped["StateReason"].startswith("Client.InstanceInitiatedShutdown")


def test_a_guest_boots_from_a_restored_backup_with_what_it_had_written(
    served: Served, vm: dict[str, Any]
) -> None:
    """Nothing else is left of the region. The tests after this one are of the restored."""
    written = secrets.token_hex(16)
    served.ssh(vm, f"echo {written} >backed-up; sync")
    backups = served.home.with_name("backups")
    harness.souche("backup", backups, "--home", served.home, timeout_seconds=300)
    served.ssh(vm, "echo later >backed-up; sync")
    served.kill()
    remove_guests(served.home)
    shutil.rmtree(served.home)
    harness.souche("restore", backups, "--home", served.home, timeout_seconds=300)
    served.start()
    served.wait_vm(vm["VmId"], "stopped")
    served.client.raw("StartVms", VmIds=[vm["VmId"]])
    served.wait_ssh(served.wait_vm(vm["VmId"], "running"))
    assert served.ssh(vm, "cat backed-up").strip() == written


def test_an_omi_of_a_vm_that_is_shut_down_for_it(served: Served, vm: dict[str, Any]) -> None:
    """Without NoReboot: the guest shuts itself down, and is started again afterwards."""
    made = served.client.raw("CreateImage", VmId=vm["VmId"], ImageName="at-rest")["Image"]["ImageId"]
    wait_for(lambda: served.image(made)["State"] == "available", "an available image", 240)
    served.wait_vm(vm["VmId"], "running")


def test_nothing_is_left(served: Served, vm: dict[str, Any], clone: dict[str, Any]) -> None:
    served.client.raw("DeleteVms", VmIds=[vm["VmId"], clone["VmId"]])
    served.wait_vm(vm["VmId"], "terminated")
    served.wait_vm(clone["VmId"], "terminated")
    for image in served.client.raw("ReadImages", Filters={"AccountIds": [served.who.account_id]})["Images"]:
        served.client.raw("DeleteImage", ImageId=image["ImageId"])
    for snapshot in served.client.raw("ReadSnapshots", Filters={"AccountIds": [served.who.account_id]})[
        "Snapshots"
    ]:
        served.client.raw("DeleteSnapshot", SnapshotId=snapshot["SnapshotId"])
    wait_for(lambda: len(list((served.home / "disks/layers").iterdir())) == 1, "only the official layer", 60)
    driver = harness.hypervisor_of(served.home)
    assert driver.power_states() == {}
    driver.close()
    assert list((served.home / "guests").iterdir()) == []
    leases = subprocess.run(
        ["virsh", "-c", "qemu:///system", "net-dhcp-leases", Names(home_tag(served.home)).network],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert vm["PrivateIp"] not in leases
    with pytest.raises(Wrong):
        wait_for(lambda: served.client.raw("ReadVolumes")["Volumes"], "a volume that is left", 1)
