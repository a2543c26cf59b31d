"""The main job, end to end, on real disks and real VMs: an official OMI boots, the running VM becomes an OMI, that
OMI boots, and so it does in another region, to which it goes by a URL. Run it by `make demo`, which does all set-up.

Every step prints one line with its duration; the first thing that is not as said ends the run with status 1.
What it leaves in .demo/ is a region to go on with. A second run uses what the first has built.
"""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from souche import logs
from souche.errors import ProgramFailed, ProgramTimedOut
from souche.run import run
from tools import demo_regions
from tools.harness import (
    REGION,
    SOUCHE,
    Credentials,
    Wrong,
    answers,
    credentials,
    demo_folder,
    gateway,
    guest_disk,
    serve,
    souche,
    wait_for,
)

DEMO = demo_folder()
HOME = DEMO / "region"
KNOWN = HOME / "demo"  # what an earlier run has made; goes with the region
LISTEN = "127.0.0.1:8808"
VM_TYPE = "tinav5.c1r1p2"
SECOND_DEVICE = "/dev/xvdb"
BOOT_SECONDS = 420
SSH_OPTIONS = (
    "BatchMode=yes",
    "ConnectTimeout=10",
    "LogLevel=ERROR",
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
)


@dataclass(frozen=True)
class Launched:
    """A running VM that answers by SSH."""

    vm_id: str
    address: str
    volume_ids: dict[str, str]
    key_file: Path


def main() -> int:
    """Do all steps; 0 when everything was as said."""
    logs.configure("warning")
    try:
        _demo()
    except (Wrong, ProgramFailed, ProgramTimedOut, requests.HTTPError) as error:
        log = DEMO / "serve.log"
        print(f"\nNot as it should be: {error}", file=sys.stderr)
        if log.exists():
            print(f"The end of the server's log, {log}:", file=sys.stderr)
            print("\n".join(log.read_text().splitlines()[-5:]), file=sys.stderr)
        return 1
    return 0


def _demo() -> None:
    with step("the region is served") as note:
        note(_serve())
        KNOWN.mkdir(exist_ok=True, mode=0o700)
    with step("1 the official Debian 12 OMI is published") as note:
        note(_official_image())
    with step("2 an account with an access key, and a key pair") as note:
        who = _account()
        client = Client(who)
        first_key = client.keypair("first")
        note(f"account {who.account_id}")
    before = _disk_usage()
    with step("3 a VM with a second volume answers by SSH; a marker is on both disks") as note:
        official = client.official_image()
        vm = client.launch(official["ImageId"], first_key, [_second_volume()])
        markers = _write_markers(vm)
        note(f"{vm.vm_id} at {vm.address}")
    with step("4 the running VM becomes an OMI") as note:
        image = client.image_of(vm)
        note(_captured(client, image))
    with step("  its report finds its author's key") as note:
        note(client.report_of(image["ImageId"]))
    with step("5 a VM from that OMI has both markers, and its own key last") as note:
        second_key = client.keypair("second")
        clone = client.launch(image["ImageId"], second_key, [])
        _check_markers(clone, markers)
        _check_last_key(clone, second_key)
        note(f"{clone.vm_id} at {clone.address}")
    with step("6 the OMI is exported into a bucket") as note:
        url = demo_regions.export_image(client.call, image["ImageId"])
        note(url.partition("?")[0])
    with step("7 region B imports it by that URL alone, and a VM there has both markers") as note:
        note(_in_region_b(url, image["ImageName"], markers))
    with step("8 a snapshot in use is refused (409, 9094); all is deleted, the disks are as before") as note:
        client.refused_snapshot(image)
        client.delete_all([vm, clone], image)
        note(f"{wait_for(lambda: _back_to(before), 'the disk usage of before', 120)} bytes, before {before}")
    _how_to_go_on(who)


def _in_region_b(url: str, name: str, markers: tuple[str, str]) -> str:
    with demo_regions.region_b(DEMO, HOME) as who:
        client = Client(who, demo_regions.LISTEN)
        image = demo_regions.import_image(client.call, url, name)
        vm = client.launch(image["ImageId"], client.keypair("third"), [])
        _check_markers(vm, markers)
        client.delete_all([vm], image)
        return f"{image['ImageId']} available after {image['Seconds']:.1f} s, {vm.vm_id} at {vm.address}"


@contextmanager
def step(what: str) -> Iterator[Callable[[str], None]]:
    """Print one line for a step, with what it notes and how long it took."""
    began = time.monotonic()
    noted: list[str] = []
    if sys.stdout.isatty():
        print(f"      ...  {what}", end="\r", flush=True)
    yield noted.append
    detail = f": {noted[-1]}" if noted else ""
    print(f"{time.monotonic() - began:7.1f} s  {what}{detail}", flush=True)


def _serve() -> str:
    if answers(LISTEN):
        if not (HOME / "serving.json").exists():
            raise Wrong(f"another region is served on {LISTEN}: stop it first")
        return "it was already"
    serve(HOME, LISTEN, DEMO / "serve.log")
    return f"http://{LISTEN}, accelerator {souche('info', '--home', HOME)['Accelerator']}"


def _official_image() -> str:
    known = KNOWN / "official.json"
    if known.exists():
        return f"{json.loads(known.read_text())['ImageName']} (built by an earlier run)"
    # Not by run.py: the progress is for whoever watches.
    built = subprocess.run(
        [SOUCHE, "image", "build", "debian-12", "--home", HOME, "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
    )
    if built.returncode != 0:
        raise Wrong(f"souche image build ended with status {built.returncode}")
    known.write_bytes(built.stdout)
    return str(json.loads(built.stdout)["ImageName"])


def _account() -> Credentials:
    known = KNOWN / "account.json"
    if not known.exists():
        facts = souche("account", "create", "demo", "--home", HOME)
        known.touch(mode=0o600)
        known.write_text(json.dumps(facts))
    return credentials(json.loads(known.read_text()))


def _second_volume() -> dict[str, object]:
    return {"DeviceName": SECOND_DEVICE, "Bsu": {"VolumeSize": 1}}


class Client:
    """What the demonstration asks of the region, by osc-sdk-python."""

    def __init__(self, who: Credentials, listen: str = LISTEN) -> None:
        self.call = gateway(listen, who)
        self._souche = gateway(listen, who, "souche/v1")

    def keypair(self, name: str) -> tuple[str, Path]:
        """A new key pair of this name: its name, and the file of its private half."""
        if self.call.ReadKeypairs(Filters={"KeypairNames": [name]})["Keypairs"]:
            self.call.DeleteKeypair(KeypairName=name)
        made = self.call.CreateKeypair(KeypairName=name)["Keypair"]
        key_file = DEMO / f"{name}.pem"
        key_file.unlink(missing_ok=True)
        key_file.touch(mode=0o600)
        key_file.write_text(made["PrivateKey"])
        return name, key_file

    def official_image(self) -> dict[str, Any]:
        """The provider's newest image."""
        filters = {"AccountAliases": ["Outscale"], "ImageNames": ["Debian-12-*"]}
        found = self.call.ReadImages(Filters=filters)["Images"]
        if not found:
            raise Wrong("ReadImages shows no image of Outscale's")
        image: dict[str, Any] = found[-1]
        expected = ("x86_64", {"legacy", "uefi"}, True)
        shown = (
            image["Architecture"],
            set(image["BootModes"]),
            image["PermissionsToLaunch"]["GlobalPermission"],
        )
        if shown != expected:
            raise Wrong(f"the official image shows {shown}, not {expected}")
        return image

    def launch(self, image_id: str, key: tuple[str, Path], mappings: list[dict[str, object]]) -> Launched:
        """A VM of the image, once it answers by SSH. Without KVM, SeaBIOS is faster than the default UEFI."""
        made = self.call.CreateVms(
            ImageId=image_id,
            VmType=VM_TYPE,
            KeypairName=key[0],
            BlockDeviceMappings=mappings,
            BootMode="legacy",
        )["Vms"][0]
        vm = self._wait_vm(made["VmId"], "running", 120)
        volumes = {each["DeviceName"]: each["Bsu"]["VolumeId"] for each in vm["BlockDeviceMappings"]}
        launched = Launched(vm["VmId"], vm["PrivateIp"], volumes, key[1])
        wait_for(lambda: _ssh_answers(launched), "an answer by SSH", BOOT_SECONDS, pause_seconds=1)
        return launched

    def image_of(self, vm: Launched) -> dict[str, Any]:
        """The OMI of a running VM, and under `Seconds` how long it took to be available."""
        began = time.monotonic()
        name = f"demo-{secrets.token_hex(4)}"
        made = self.call.CreateImage(VmId=vm.vm_id, ImageName=name, NoReboot=True)["Image"]
        image: dict[str, Any] = wait_for(
            lambda: self._settled_image(made["ImageId"]),
            "an image that is no longer pending",
            60,
            pause_seconds=0.02,
        )
        if image["State"] != "available" or len(image["BlockDeviceMappings"]) != 2:
            raise Wrong(f"the image is {image}")
        return image | {"Seconds": time.monotonic() - began}

    def guest_pause_milliseconds(self, image_id: str) -> float:
        """How long the guest was held for an image, at the most."""
        answer = self._souche.raw("ReadImageOrigins", ImageIds=[image_id])
        return float(answer["ImageOrigins"][0]["GuestPauseMilliseconds"])

    def report_of(self, image_id: str) -> str:
        """The codes that the report of an image has, the gravest first."""

        def made() -> dict[str, Any] | None:
            answer = self._souche.raw("ReadImageReports", Filters={"ImageIds": [image_id]})
            report: dict[str, Any] = answer["ImageReports"][0]
            return report if report["State"] == "completed" else None

        report: dict[str, Any] = wait_for(made, "a report", 120)
        codes = dict.fromkeys(f"{each['Code']} ({each['Severity']})" for each in report["Findings"])
        if "authorized-key (high)" not in codes:
            raise Wrong(f"the report is {report}")
        return f"{report['Os']}: {', '.join(codes)}"

    def refused_snapshot(self, image: dict[str, Any]) -> None:
        """Try to delete a snapshot that the image uses."""
        snapshot_id = image["BlockDeviceMappings"][0]["Bsu"]["SnapshotId"]
        try:
            self.call.raw("DeleteSnapshot", SnapshotId=snapshot_id)
        except requests.HTTPError as error:
            answer = error.response
            code = answer.json()["Errors"][0]["Code"]
            if (answer.status_code, code) != (409, "9094"):
                raise Wrong(f"the refusal is {answer.status_code} {answer.text}") from error
            return
        raise Wrong(f"{snapshot_id} was deleted although {image['ImageId']} uses it")

    def delete_all(self, vms: list[Launched], image: dict[str, Any]) -> None:
        """Delete VMs (their volumes go with them), the image and its snapshots."""
        self.call.DeleteVms(VmIds=[vm.vm_id for vm in vms])
        for vm in vms:
            self._wait_vm(vm.vm_id, "terminated", 120)
        self.call.DeleteImage(ImageId=image["ImageId"])
        for mapping in image["BlockDeviceMappings"]:
            self.call.DeleteSnapshot(SnapshotId=mapping["Bsu"]["SnapshotId"])
        ids = [volume_id for vm in vms for volume_id in vm.volume_ids.values()]
        left = self.call.ReadVolumes(Filters={"VolumeIds": ids})["Volumes"]
        if left:
            raise Wrong(f"these volumes are left over: {left}")

    def _settled_image(self, image_id: str) -> dict[str, Any] | None:
        found: dict[str, Any] = self.call.raw("ReadImages", Filters={"ImageIds": [image_id]})["Images"][0]
        return None if found["State"] == "pending" else found

    def _wait_vm(self, vm_id: str, state: str, timeout_seconds: float) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            vm: dict[str, Any] = self.call.ReadVms(Filters={"VmIds": [vm_id]})["Vms"][0]
            if vm["State"] == "terminated" != state:
                raise Wrong(f"{vm_id} is terminated: {vm['StateReason']}")
            return vm if vm["State"] == state else None

        found: dict[str, Any] = wait_for(look, f"{vm_id} {state}", timeout_seconds)
        return found


def _ssh(vm: Launched, command: str, timeout_seconds: float = 120) -> str:
    options = [part for option in SSH_OPTIONS for part in ("-o", option)]
    argv = ["ssh", *options, "-i", str(vm.key_file), f"outscale@{vm.address}", command]
    return run(argv, timeout_seconds=timeout_seconds).decode()


def _ssh_answers(vm: Launched) -> bool:
    try:
        return _ssh(vm, "cloud-init status --wait >/dev/null; echo ready", BOOT_SECONDS).strip() == "ready"
    except (ProgramFailed, ProgramTimedOut):
        return False


def _write_markers(vm: Launched) -> tuple[str, str]:
    root_marker, second_marker = secrets.token_hex(16), secrets.token_hex(16)
    disk = guest_disk(SECOND_DEVICE)
    _ssh(
        vm,
        f"set -e; echo {root_marker} >marker; sudo mkfs.ext4 -q -L second $(readlink -f {disk});"
        f" sudo mount LABEL=second /mnt; echo {second_marker} | sudo tee /mnt/marker >/dev/null; sync",
    )
    return root_marker, second_marker


def _check_markers(vm: Launched, markers: tuple[str, str]) -> None:
    read = _ssh(vm, "cat marker; sudo mount LABEL=second /mnt && sudo cat /mnt/marker").split()
    if read != list(markers):
        raise Wrong(f"the markers are {read}, and should be {list(markers)}")


def _check_last_key(vm: Launched, key: tuple[str, Path]) -> None:
    last = _ssh(vm, "tail -n 1 .ssh/authorized_keys").split()
    own = run(["ssh-keygen", "-y", "-f", key[1]], timeout_seconds=30).decode().split()
    if last[:2] != own[:2]:
        raise Wrong(f"the last authorized key is {last}, not that of this launch")


def _captured(client: Client, image: dict[str, Any]) -> str:
    pause = client.guest_pause_milliseconds(image["ImageId"])
    return (
        f"{image['ImageId']} available after {image['Seconds']:.2f} s, guest pause at most {pause:.1f} ms,"
        f" {len(image['BlockDeviceMappings'])} snapshots"
    )


def _disk_usage() -> int:
    """Bytes on the medium of everything in the volume store's layers."""
    layers = HOME / "disks" / "layers"
    return sum(_blocks(path) for path in layers.iterdir())


def _blocks(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def _back_to(before: int) -> int | None:
    now = _disk_usage()
    return now if now <= before else None


def _how_to_go_on(who: Credentials) -> None:
    osc_cli = KNOWN / "osc-cli.json"
    profile = {
        "access_key": who.access_key_id,
        "secret_key": who.secret_key,
        "region": REGION,
        "https": False,
    }
    osc_cli.touch(mode=0o600)
    osc_cli.write_text(json.dumps({"default": profile}))
    process = souche("info", "--home", HOME)["ProcessId"]
    print(f"""
The region goes on. In it are the official OMI and the account 'demo':

  export OSC_ACCESS_KEY={who.access_key_id} OSC_SECRET_KEY={who.secret_key}
  export OSC_REGION={REGION} OSC_ENDPOINT_API=http://{LISTEN}/api/v1

  osc-cli      .venv/bin/osc-cli --config_path {osc_cli} --endpoint http://{LISTEN} api ReadImages
  Terraform    provider "outscale" {{
                 access_key_id = "{who.access_key_id}"
                 secret_key_id = "{who.secret_key}"
                 api {{
                   endpoint = "http://{LISTEN}/api/v1"
                   region   = "{REGION}"
                   insecure = true
                 }}
               }}

Its log is {DEMO / "serve.log"}.
To stop it: kill {process}. To start it again: .venv/bin/souche serve --home {HOME}
To remove it with its guests and its network: stop it, then .venv/bin/souche destroy --home {HOME}""")


if __name__ == "__main__":
    sys.exit(main())
