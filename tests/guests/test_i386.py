"""A 32-bit system as an OMI: published by the operator for an account, run by the i386 emulator, reached by SSH."""

from pathlib import Path

import pytest
from tools import harness

from tests.guests.conftest import Served

pytestmark = pytest.mark.guest


def test_an_i386_omi_boots_and_is_set_up_by_its_metadata(debian_12_i386_image: Path, served: Served) -> None:
    published = harness.souche(
        *("image", "publish", debian_12_i386_image, "--home", served.home),
        *("--name", "Debian-12-i386", "--account", "alice", "--architecture", "i386"),
        timeout_seconds=1200,
    )
    image = served.image(published["ImageId"])
    assert (image["Architecture"], image["BootModes"], image["State"]) == ("i386", ["legacy"], "available")
    booted = harness.souche("image", "verify", image["ImageId"], "--last", "--home", served.home)
    assert booted["Verified"], booted  # before it became public
    vm = served.launch(image["ImageId"], served.key("i386"))
    assert vm["Architecture"] == "i386"
    assert served.ssh(vm, "uname -m").strip() in {"i586", "i686"}
    assert served.ssh(vm, "dpkg --print-architecture").strip() == "i386"
    told = served.ssh(vm, "curl -s http://169.254.169.254/latest/meta-data/ami-id")
    assert told.strip() == image["ImageId"]
    served.client.raw("DeleteVms", VmIds=[vm["VmId"]])
    served.wait_vm(vm["VmId"], "terminated")
    served.client.raw("DeleteImage", ImageId=image["ImageId"])
    served.client.raw("DeleteSnapshot", SnapshotId=image["BlockDeviceMappings"][0]["Bsu"]["SnapshotId"])
