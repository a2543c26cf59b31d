"""An OMI goes to another region with nothing but a URL, which is killed while it imports, and boots there."""

import random
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tools import demo_regions, harness

from tests.guests.conftest import Served
from tests.objects.server import free_port

pytestmark = pytest.mark.guest

KILLS = 3


@pytest.fixture(scope="module")
def exporting(served: Served) -> Iterator[str]:
    """The first region, with an object store; where that listens."""
    oos = f"127.0.0.1:{free_port()}"
    _serve_again(served, "--oos-listen", oos)
    yield oos
    _serve_again(served)


def _serve_again(served: Served, *options: str) -> None:
    served.kill()
    served.server = harness.serve(served.home, served.listen, served.home.with_suffix(".log"), *options)


@pytest.fixture(scope="module")
def other(served: Served, exporting: str) -> Iterator[Served]:
    """The second region, without any image; it may import from the first."""
    home = served.home.with_name("region-b")
    listen = f"127.0.0.1:{free_port()}"
    server = _serve_other(home, listen, exporting)
    who = harness.create_account(home, "bob")
    region = Served(home, listen, server, who, harness.gateway(listen, who), "")
    try:
        yield region
    finally:
        region.kill()
        driver = harness.hypervisor_of(home)
        for vm_id in driver.power_states():
            driver.remove(vm_id)
        driver.remove_network()
        driver.close()


def _serve_other(home: Path, listen: str, allowed: str) -> Any:
    return harness.serve(home, listen, home.with_suffix(".log"), "--allow-import", allowed)


def test_an_omi_boots_in_another_region_that_has_nothing_but_its_url(
    served: Served, other: Served, exporting: str
) -> None:
    vm = served.launch(served.image_id, served.key("exported"))
    marker = secrets.token_hex(16)
    served.ssh(vm, f"echo {marker} >marker; sync")
    made = served.client.raw("CreateImage", VmId=vm["VmId"], ImageName="to-export", NoReboot=True)["Image"]
    harness.wait_for(lambda: served.image(made["ImageId"])["State"] == "available", "an OMI", 60)
    url = demo_regions.export_image(served.client, made["ImageId"])
    served.client.raw("DeleteVms", VmIds=[vm["VmId"]])
    image = _import_while_it_is_killed(other, url, exporting)
    assert image["State"] == "available", image["StateComment"]
    assert set(image["BootModes"]) == {"legacy", "uefi"}
    there = other.launch(image["ImageId"], other.key("imported"))
    assert other.ssh(there, "cat marker").strip() == marker
    _clean(served, served.image(made["ImageId"]))
    _clean(other, image)
    assert list((other.home / "staging").iterdir()) == []


def _import_while_it_is_killed(other: Served, url: str, allowed: str) -> dict[str, Any]:
    made = other.client.raw("CreateImage", FileLocation=url)["Image"]
    for kill in range(KILLS):
        threading.Event().wait(random.Random(kill).uniform(0.1, 1.5))
        other.kill()
        other.server = _serve_other(other.home, other.listen, allowed)
    harness.wait_for(lambda: other.image(made["ImageId"])["State"] != "pending", "a settled image", 300)
    return other.image(made["ImageId"])


def _clean(region: Served, image: dict[str, Any]) -> None:
    for vm in region.client.raw("ReadVms")["Vms"]:
        region.client.raw("DeleteVms", VmIds=[vm["VmId"]])
        region.wait_vm(vm["VmId"], "terminated")
    region.client.raw("DeleteImage", ImageId=image["ImageId"])
    snapshot_id = image["BlockDeviceMappings"][0]["Bsu"]["SnapshotId"]
    region.client.raw("DeleteSnapshot", SnapshotId=snapshot_id)
