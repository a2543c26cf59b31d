"""osc-cli: a whole story, each call a process of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tools import harness
from tools.harness import REGION

from souche.errors import ProgramFailed
from tests.foreign.region import SUBREGION, Caller, ServedRegion, program, run_program, until
from tests.wire.answers import check_answer

ROOT = "/dev/sda1"

Cli = Callable[..., dict[str, Any]]


@pytest.fixture
def cli(caller: Caller, tmp_path: Path) -> Cli:
    """Calls an action: parameters are flags, and what is no text is written as Python has it."""
    profile = {
        "access_key": caller.credentials.access_key_id,
        "secret_key": caller.credentials.secret_key,
        "region_name": REGION,
        "endpoint": caller.server.url,
        "https": False,
    }
    (tmp_path / ".osc").mkdir()
    (tmp_path / ".osc/config.json").write_text(json.dumps({"default": profile}))

    def call(action: str, **request: object) -> dict[str, Any]:
        flags = [f"--{name}={_written(value)}" for name, value in request.items()]
        answer: dict[str, Any] = json.loads(
            run_program(program("osc-cli"), "api", action, *flags, home=tmp_path)
        )
        check_answer(action, answer)
        return answer

    return call


def _written(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


def test_a_story_from_a_keypair_to_an_image_and_back(cli: Cli) -> None:
    assert cli("CreateKeypair", KeypairName="laptop")["Keypair"]["PrivateKey"].startswith("-----BEGIN")
    volume_id = cli("CreateVolume", SubregionName=SUBREGION, Size=1)["Volume"]["VolumeId"]
    until(cli, "Volumes", "VolumeId", volume_id, "available")
    snapshot_id = cli("CreateSnapshot", VolumeId=volume_id)["Snapshot"]["SnapshotId"]
    until(cli, "Snapshots", "SnapshotId", snapshot_id, "completed")
    root = {"DeviceName": ROOT, "Bsu": {"SnapshotId": snapshot_id}}
    registered = cli("CreateImage", ImageName="registered", BlockDeviceMappings=[root], RootDeviceName=ROOT)
    image_id = registered["Image"]["ImageId"]
    vm_id = cli("CreateVms", ImageId=image_id, KeypairName="laptop")["Vms"][0]["VmId"]
    until(cli, "Vms", "VmId", vm_id, "running")
    captured_id = cli("CreateImage", ImageName="captured", VmId=vm_id, NoReboot=True)["Image"]["ImageId"]
    captured = until(cli, "Images", "ImageId", captured_id, "available")
    assert captured["BlockDeviceMappings"][0]["Bsu"]["SnapshotId"] != snapshot_id
    tags = [{"Key": "team", "Value": "red"}]
    cli("CreateTags", ResourceIds=[captured_id, vm_id], Tags=tags)
    found = cli("ReadImages", Filters={"Tags": ["team=red"]})["Images"]
    assert [(each["ImageId"], each["Tags"]) for each in found] == [(captured_id, tags)]
    cli("DeleteVms", VmIds=[vm_id])
    until(cli, "Vms", "VmId", vm_id, "terminated")
    for each in (captured_id, image_id):
        cli("DeleteImage", ImageId=each)
    cli("DeleteSnapshot", SnapshotId=snapshot_id)
    cli("DeleteVolume", VolumeId=volume_id)
    cli("DeleteKeypair", KeypairName="laptop")
    assert cli("ReadKeypairs")["Keypairs"] == []


def test_an_alias_finds_the_image_of_the_moment(region: ServedRegion, cli: Cli) -> None:
    (found,) = cli("ReadImages", Filters={"ImageNames": ["debian-12@latest"]})["Images"]
    assert found["ImageId"] == region.official_image_id
    assert "@" not in found["ImageName"]


def test_an_alias_finds_another_image_once_it_is_moved(region: ServedRegion, cli: Cli) -> None:
    """A command beside the server moves it; the server then does not repeat cached answers."""
    copied = {"SourceImageId": region.official_image_id, "SourceRegionName": REGION}
    ids = [cli("CreateImage", ImageName=name, **copied)["Image"]["ImageId"] for name in ("one", "two")]
    for image_id in ids:
        until(cli, "Images", "ImageId", image_id, "available")
        harness.souche("alias", "set", "web@stable", image_id, "--home", region.home)
        for _ in range(2):
            found = cli("ReadImages", Filters={"ImageNames": ["web@stable"]})["Images"]
            assert [each["ImageId"] for each in found] == [image_id]
    cli("DeleteImage", ImageId=ids[1])
    assert cli("ReadImages", Filters={"ImageNames": ["web@stable"]})["Images"] == []


def test_refusals_are_shown(cli: Cli) -> None:
    with pytest.raises(ProgramFailed, match="5023"):
        cli("DeleteImage", ImageId="ami-00000000")
