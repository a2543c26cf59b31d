"""Refusals of changes of VMs: updates, transitions, consoles."""

import base64
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from tests.api.vm_scene import Row, refused
from tests.api.vm_scene import scene as scene
from tests.support.client import absent, conflict, missing, state, unsupported, value
from tests.support.requests import filled
from tests.support.resources import read_vm

updates = partial(pytest.mark.parametrize, ("request_", "expected"))


@updates(
    [
        ({}, missing(7007)),
        ({"VmId": "tata"}, value(4104)),
        ({"VmId": "i-123456"}, value(4105)),
        ({"VmId": "i-00000000"}, absent(5063)),
        ({"VmId": "<hidden_vm>"}, absent(5063)),
    ],
)
def test_a_vm_that_is_malformed_unknown_or_anothers_is_not_updated(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    refused(scene, "UpdateVm", request_, expected)


@pytest.mark.parametrize("at", ["pending", "running", "stopping", "shutting-down", "terminated"])
@pytest.mark.parametrize(
    "change",
    [
        {"VmType": "tinav5.c1r1"},
        {"Performance": "medium"},
        {"UserData": ""},
        {"NestedVirtualization": True},
        {"BsuOptimized": False},
    ],
)
def test_type_performance_user_data_and_nesting_change_while_it_is_stopped_only(
    scene: Mapping[str, Any], at: str, change: dict[str, Any]
) -> None:
    refused(scene, "UpdateVm", {"VmId": f"<vm_{at}>", **change}, state(6003))


@pytest.mark.parametrize("at", ["shutting-down", "terminated"])
@pytest.mark.parametrize("change", [{"DeletionProtection": True}, {"KeypairName": "<keypair>"}])
def test_nothing_changes_of_a_vm_that_is_terminated(
    scene: Mapping[str, Any], at: str, change: dict[str, Any]
) -> None:
    refused(scene, "UpdateVm", {"VmId": f"<vm_{at}>", **change}, state(6003))


@updates(
    [
        ({"VmType": "t9.huge"}, absent(5024)),
        ({"VmType": ""}, absent(5024)),
        ({"UserData": "?"}, value(4047)),
        ({"UserData": base64.b64encode(bytes(500 * 1024 + 1)).decode()}, value(4047)),
        ({"KeypairName": "nobody"}, absent(5071)),
        ({"KeypairName": "<hidden_keypair>"}, absent(5071)),
        ({"VmInitiatedShutdownBehavior": "sleep"}, value(4047)),
        ({"Performance": "low"}, value(4047)),
        ({"SecurityGroupIds": ["sg-12345678"]}, absent(5022)),
    ],
)
def test_an_update_keeps_to_the_rules_of_launches(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    refused(scene, "UpdateVm", {"VmId": "<stopped>", **request_}, expected)


def test_a_windows_vm_does_not_become_too_small(scene: Mapping[str, Any]) -> None:
    refused(scene, "UpdateVm", {"VmId": "<stopped_windows>", "VmType": "t2.small"}, conflict(9072))


@updates(
    [
        ({"Bsu": {"DeleteOnVmDeletion": True}}, missing(7007)),
        ({"DeviceName": "/dev/xvdc", "Bsu": {"DeleteOnVmDeletion": True}}, value(4047)),
        ({"Bsu": {"DeleteOnVmDeletion": True, "VolumeId": "<volume>"}}, value(4047)),
        ({"Bsu": {"DeleteOnVmDeletion": True, "VolumeId": "tata"}}, value(4104)),
        ({"Bsu": {"DeleteOnVmDeletion": True, "VolumeId": "vol-00000000"}}, absent(5064)),
        ({"Bsu": {"DeleteOnVmDeletion": True, "VolumeId": "<hidden_volume>"}}, absent(5064)),
        (
            {"DeviceName": "/dev/sda1", "Bsu": {"DeleteOnVmDeletion": True, "VolumeId": "<linked>"}},
            value(4047),
        ),
        ({"Bsu": {"VolumeId": "<volume>"}}, value(4047)),
        ({"DeviceName": "/dev/sda1", "Bsu": {"VolumeId": "<volume>"}}, value(4047)),
        ({"Bsu": {"VolumeId": "<hidden_volume>"}}, absent(5064)),
    ],
)
def test_a_deletion_flag_is_for_a_volume_of_the_vm(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    refused(scene, "UpdateVm", {"VmId": "<vm>", "BlockDeviceMappings": [request_]}, expected)


TRANSITIONS = ("StartVms", "StopVms", "RebootVms", "DeleteVms")


def _transition_refused(scene: Mapping[str, Any], action: str, vm_id: str, expected: Row) -> None:
    """The request also names a VM that could change; it stays unchanged."""
    wanted = [scene["vm"] if action != "StartVms" else scene["stopped"], filled(vm_id, scene)]
    refusal = scene["client"].refusal(action, VmIds=wanted)
    assert refusal.row == expected
    assert refusal.details
    assert {read_vm(scene["client"].region, scene[name]).generation for name in ("vm", "stopped")} == {0}


@pytest.mark.parametrize("action", TRANSITIONS)
@pytest.mark.parametrize(
    ("vm_id", "expected"),
    [
        ("tata", value(4104)),
        ("i-123456", value(4105)),
        ("i-00000000", absent(5063)),
        ("<hidden_vm>", absent(5063)),
    ],
)
def test_one_malformed_unknown_or_hidden_vm_leaves_the_others_untouched(
    scene: Mapping[str, Any], action: str, vm_id: str, expected: Row
) -> None:
    _transition_refused(scene, action, vm_id, expected)


@pytest.mark.parametrize("vm_id", ["<vm_stopping>", "<vm_shutting-down>", "<vm_terminated>", "<rootless>"])
def test_a_vm_that_is_not_stopped_or_has_no_root_volume_is_not_started(
    scene: Mapping[str, Any], vm_id: str
) -> None:
    _transition_refused(scene, "StartVms", vm_id, state(6003))


@pytest.mark.parametrize(
    ("vm_id", "expected"),
    [
        ("<vm_pending>", conflict(9039)),
        ("<vm_shutting-down>", state(6003)),
        ("<vm_terminated>", state(6003)),
    ],
)
def test_a_vm_that_is_pending_or_terminated_is_not_stopped(
    scene: Mapping[str, Any], vm_id: str, expected: Row
) -> None:
    _transition_refused(scene, "StopVms", vm_id, expected)


@pytest.mark.parametrize("at", ["pending", "stopping", "stopped", "shutting-down", "terminated"])
def test_a_vm_that_does_not_run_is_not_rebooted(scene: Mapping[str, Any], at: str) -> None:
    _transition_refused(scene, "RebootVms", f"<vm_{at}>", state(6003))


def test_a_protected_vm_is_not_deleted(scene: Mapping[str, Any]) -> None:
    _transition_refused(scene, "DeleteVms", "<protected>", unsupported(8018))


@pytest.mark.parametrize("action", TRANSITIONS)
@pytest.mark.parametrize("request_", [{}, {"VmIds": []}])
def test_a_transition_needs_ids(scene: Mapping[str, Any], action: str, request_: dict[str, Any]) -> None:
    refusal = scene["client"].refusal(action, **request_)
    assert refusal.row == missing(7007)
    assert refusal.details == "The parameter 'VmIds' is required."


@pytest.mark.parametrize("action", ["ReadConsoleOutput", "ReadAdminPassword"])
@pytest.mark.parametrize(
    ("vm_id", "expected"),
    [("tata", value(4104)), ("i-00000000", absent(5063)), ("<hidden_vm>", absent(5063))],
)
def test_console_and_password_of_an_unknown_or_hidden_vm_are_not_read(
    scene: Mapping[str, Any], action: str, vm_id: str, expected: tuple[int, str, str]
) -> None:
    assert scene["client"].refusal(action, VmId=filled(vm_id, scene)).row == expected
