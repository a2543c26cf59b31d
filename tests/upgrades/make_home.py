"""Makes the home of a region that was killed while work was under way, for `test_kept_home.py`. Run in a checkout of
the release that makes the home:

    python -m tests.upgrades.make_home HOME.tar.xz

Guests are simulated. The object store is away, so exports wait; then the store of disks is held by a lock, so what is
requested after that stops at its first disk. The home's paths begin with /tmp/kept.
"""

import json
import shutil
import sys
import tarfile
import threading
from pathlib import Path
from typing import Any, Final

from tests.support.polling import eventually
from tests.test_main import Served, blocked_disks, serving, told

HOME: Final = Path("/tmp/kept/home")
PLACE: Final = "souche-1a"
GRACE_SECONDS: Final = 60
SETTLING_SECONDS: Final = 3.0
ROOT: Final = "/dev/sda1"


def region(served: Served, account: dict[str, Any]) -> dict[str, str]:
    """The resources before the upgrade: an image of a disk, VMs of it, volumes and snapshots. Ids by name."""

    def call(action: str, **request: object) -> dict[str, Any]:
        return served.call(account, action, **request)

    def wait(action: str, filters: dict[str, list[str]], state: str) -> None:
        def is_there() -> bool:
            return [each["State"] for each in call(action, Filters=filters)[action[4:]]] == [state]

        eventually(is_there, GRACE_SECONDS)

    ids: dict[str, str] = {}
    for name in ("source", "linked", "deleted", "grown"):
        ids[name] = call("CreateVolume", SubregionName=PLACE, Size=1)["Volume"]["VolumeId"]
        wait("ReadVolumes", {"VolumeIds": [ids[name]]}, "available")
    for name in ("system", "copied", "deleted snapshot"):
        ids[name] = call("CreateSnapshot", VolumeId=ids["source"])["Snapshot"]["SnapshotId"]
        wait("ReadSnapshots", {"SnapshotIds": [ids[name]]}, "completed")
    mappings = [{"DeviceName": ROOT, "Bsu": {"SnapshotId": ids["system"]}}]
    image = call("CreateImage", ImageName="system", RootDeviceName=ROOT, BlockDeviceMappings=mappings)
    ids["image"] = image["Image"]["ImageId"]
    for name in ("alive", "at rest", "stopping", "deleted VM"):
        ids[name] = call("CreateVms", ImageId=ids["image"])["Vms"][0]["VmId"]
        wait("ReadVms", {"VmIds": [ids[name]]}, "running")
    return ids


def work(served: Served, account: dict[str, Any], ids: dict[str, str]) -> None:
    """Request one of each, oldest first."""
    place = {"SubregionName": PLACE, "Size": 1}
    region = {"SourceRegionName": "souche-1"}
    for action, request in (
        ("CreateImage", {"ImageName": "of a VM at rest", "VmId": ids["at rest"], "NoReboot": False}),
        ("CreateImage", {"ImageName": "of a running VM", "VmId": ids["alive"], "NoReboot": True}),
        ("CreateImage", {"ImageName": "a copy", "SourceImageId": ids["image"], **region}),
        ("CreateSnapshot", {"VolumeId": ids["grown"]}),
        ("CreateSnapshot", {"SourceSnapshotId": ids["copied"], **region}),
        ("CreateVolume", {"SnapshotId": ids["system"], **place}),
        ("CreateVms", {"ImageId": ids["image"]}),
        ("LinkVolume", {"VolumeId": ids["linked"], "VmId": ids["alive"], "DeviceName": "/dev/xvdb"}),
        ("UpdateVolume", {"VolumeId": ids["grown"], "Size": 2}),
        ("StopVms", {"VmIds": [ids["stopping"]]}),
        ("DeleteVms", {"VmIds": [ids["deleted VM"]]}),
        ("DeleteVolume", {"VolumeId": ids["deleted"]}),
        ("DeleteSnapshot", {"SnapshotId": ids["deleted snapshot"]}),
    ):
        served.call(account, action, **request)


def main(archive: Path) -> None:
    shutil.rmtree(HOME.parent, ignore_errors=True)
    HOME.parent.mkdir()
    key = HOME.with_name("key")
    key.write_text("KEY\nsecret\n")
    options = ["--oos-listen", "", "--oos-endpoint", "http://127.0.0.1:1", "--oos-key-file", str(key)]
    with serving(HOME, *options) as served:
        account = told("account", "create", "alice", "--home", HOME)
        ids = region(served, account)
        for action, named in (
            ("CreateImageExportTask", {"ImageId": ids["image"]}),
            ("CreateSnapshotExportTask", {"SnapshotId": ids["copied"]}),
        ):
            target = {"DiskImageFormat": "qcow2", "OsuBucket": "exports", "OsuPrefix": "there/"}
            served.call(account, action, OsuExport=target, **named)
        with blocked_disks(HOME):
            work(served, account, ids)
            threading.Event().wait(SETTLING_SECONDS)
            served.process.kill()
            served.process.wait(GRACE_SECONDS)
    facts = HOME.with_name("facts.json")
    facts.write_text(json.dumps({"account": account, "ids": ids}))
    with tarfile.open(archive, "w:xz") as packed:
        packed.add(HOME, "home")
        packed.add(facts, facts.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
