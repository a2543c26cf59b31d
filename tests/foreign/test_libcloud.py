"""apache-libcloud: a whole story. Where its driver itself cannot (3.9.1), the story says so and calls the action by
the driver's own signed call."""

import json
from typing import Any

import pytest
from libcloud.compute.base import Node, NodeState
from libcloud.compute.drivers.outscale import OutscaleNodeDriver
from tools.harness import REGION

from tests.foreign.region import SUBREGION, Caller
from tests.support.polling import eventually
from tests.wire.answers import check_answer

ROOT = "/dev/sda1"


@pytest.fixture
def driver(caller: Caller) -> Any:
    class Driver(OutscaleNodeDriver):  # type: ignore[misc]  # libcloud has no types
        def _get_outscale_endpoint(self, _region: str, version: str, action: str) -> str:
            return f"{caller.server.url}/api/{version}/{action}"

    who = caller.credentials
    return Driver(
        key=who.access_key_id, secret=who.secret_key, region=REGION, service="api", version="latest"
    )


def test_a_story_from_a_keypair_to_an_image_and_back(driver: Any) -> None:
    assert driver.create_key_pair("laptop").private_key.startswith("-----BEGIN")
    assert driver.get_key_pair("laptop").fingerprint
    volume = driver.create_volume(SUBREGION, size=1)
    eventually(lambda: _named(driver.list_volumes(), volume.id).state == "available")
    snapshot = _snapshot(driver, volume)
    image = _register(driver, snapshot.id)
    node = driver.create_node(image, ex_keypair_name="laptop", ex_vm_type="tinav5.c1r1p2")
    eventually(lambda: _named(driver.list_nodes(), node.id).state == NodeState.RUNNING)
    captured = driver.create_image(node=node, name="captured", ex_no_reboot=True)
    eventually(lambda: driver.get_image(captured.id).extra["State"] == "available")
    # create_node(name=...) sends a tag where a list of tags belongs, so names come later.
    assert driver.ex_create_tag([node.id, captured.id], "Name", "golden") is True
    assert _named(driver.list_nodes(), node.id).name == driver.get_image(captured.id).name == "golden"
    assert driver.attach_volume(node, volume, "/dev/xvdb") is True
    eventually(lambda: _links(driver, volume.id) == ["attached"])
    assert driver.detach_volume(volume) is True
    eventually(lambda: _links(driver, volume.id) == [])
    assert driver.stop_node(node) is True
    eventually(lambda: _vm_state(driver, node) == "stopped")
    _destroy(driver, node)
    for each in (captured, image):
        assert driver.delete_image(each) is True
    assert driver.destroy_volume_snapshot(snapshot) is True
    assert driver.destroy_volume(volume) is True
    assert driver.delete_key_pair(driver.get_key_pair("laptop")) is True
    assert driver.list_key_pairs() == []


def test_a_story_of_regions_groups_tags_and_sharing(driver: Any) -> None:
    assert [region["RegionName"] for region in driver.ex_list_regions()] == [REGION]
    assert SUBREGION in [each["SubregionName"] for each in driver.ex_list_subregions()]
    assert len(driver.list_locations()) == 1
    group_id = driver.ex_create_security_group("of the web", security_group_name="web")["SecurityGroupId"]
    http = {"IpProtocol": "tcp", "FromPortRange": 80, "ToPortRange": 80, "IpRanges": ["0.0.0.0/0"]}
    shown = driver.ex_create_security_group_rule(flow="Inbound", rules=[http], sg_id=group_id)
    assert http.items() <= shown["InboundRules"][0].items()
    removed = driver.ex_delete_security_group_rule(
        flow="Inbound", rules=shown["InboundRules"], sg_id=group_id
    )
    assert removed["InboundRules"] == []
    assert driver.ex_delete_security_group(security_group_id=group_id) is True
    image = _register(driver, _snapshot(driver, driver.create_volume(SUBREGION, size=1)).id)
    tags = [{"Key": "team", "Value": "red"}]
    assert driver.ex_create_tags([image.id], tags) is True
    assert [tag["ResourceId"] for tag in driver.ex_list_tags(keys=["team"])] == [image.id]
    assert driver.ex_delete_tags([image.id], tags) is True
    # The permissions that it does not change come as empty objects.
    driver.ex_update_image(image=image, perm_to_launch_addition_account_ids=["123456789012"])
    permissions = {"AccountIds": ["123456789012"], "GlobalPermission": False}
    assert driver.get_image(image.id).extra["PermissionsToLaunch"] == permissions


def test_filters_that_it_always_sends(driver: Any, caller: Caller) -> None:
    """Its false ones say what they say: none is public, no device is kept."""
    assert driver.list_images() == []
    found = driver.list_images(permission_to_lauch_global_permission=True, account_aliases=["Outscale"],
                               block_device_mapping_delete_on_vm_deletion=True)  # fmt: skip
    assert isinstance(found, list), found
    assert {image["AccountAlias"] for image in found} == {"Outscale"}


def _snapshot(driver: Any, volume: Any) -> Any:
    with pytest.raises(KeyError, match="Volume"):  # it looks for a Volume in the answer, which has a Snapshot
        driver.create_volume_snapshot(volume=volume, ex_description="first")
    (snapshot,) = driver.list_snapshots(json.dumps({"Filters": {"VolumeIds": [volume.id]}}))
    eventually(lambda: _named(driver.list_snapshots(), snapshot.id).state == "completed")
    return snapshot


def _register(driver: Any, snapshot_id: str) -> Any:
    """It wants a node for an image in any mode, and says NoReboot in every mode."""
    nobody = Node(None, "", NodeState.UNKNOWN, [], [], driver)
    mapping = [{"DeviceName": ROOT, "Bsu": {"SnapshotId": snapshot_id}}]
    return driver.create_image(
        node=nobody, name="registered", ex_block_device_mapping=mapping, ex_root_device_name=ROOT
    )


def _destroy(driver: Any, node: Any) -> None:
    """destroy_node sends an id where a list of ids belongs: refused here as a wrong type, as the specification has
    it."""
    assert driver.destroy_node(node)["Errors"][0]["Code"] == "4110"
    answer = driver._call_api("DeleteVms", json.dumps({"VmIds": [node.id]}))
    check_answer("DeleteVms", answer.json())
    eventually(lambda: _vm_state(driver, node) == "terminated")


def _vm_state(driver: Any, node: Any) -> str:
    """It has no name for `stopping`, and fails to list its nodes meanwhile."""
    (vm,) = driver._call_api("ReadVms", json.dumps({"Filters": {"VmIds": [node.id]}})).json()["Vms"]
    return str(vm["State"])


def _links(driver: Any, volume_id: str) -> list[str]:
    return [link["State"] for link in _named(driver.list_volumes(), volume_id).extra["LinkedVolumes"]]


def _named(resources: list[Any], resource_id: str) -> Any:
    return next(resource for resource in resources if resource.id == resource_id)
