"""How every mistake about images is refused: status, Type and Code (reference section 1, "Image-path outcomes
actually observed")."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

import pytest

from souche.model.permissions import Permissions
from souche.states import ImageState, SnapshotState, VmState
from tests.api.image_requests import REGISTER, ROOT_MAPPING, add, registering, root
from tests.support.client import (
    Client,
    absent,
    conflict,
    denied,
    missing,
    parameter,
    state,
    unsupported,
    value,
)
from tests.support.region import make_account, make_region
from tests.support.requests import filled
from tests.support.resources import (
    make_image,
    make_snapshot,
    make_vm,
)

Row: TypeAlias = tuple[int, str, str]

refusals = partial(pytest.mark.parametrize, ("request_", "expected"))

HERE = "eu-test-1"
COPY = {"SourceImageId": "<image>", "SourceRegionName": HERE}
FROM_VM = {"VmId": "<vm>", "ImageName": "new"}


@pytest.fixture(scope="module")
def scene(on_both: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    """What the refusals below name. Nothing that is refused changes anything, so they share it."""
    region = make_region(tmp_path_factory.mktemp("scene"))
    alice, bob = make_account(region, "alice"), make_account(region, "bob")
    snapshot = make_snapshot(region, alice)
    yield {
        "client": Client(region, alice),
        "image": make_image(region, alice).image_id,
        "failed": make_image(region, alice, "failed", state=ImageState.FAILED, mappings=()).image_id,
        "pending": make_image(region, alice, "pending", state=ImageState.PENDING).image_id,
        "hidden": make_image(region, bob).image_id,
        "shared": make_image(region, bob, "shared", permissions=Permissions((alice.account_id,))).image_id,
        "public": make_image(region, bob, "public", permissions=Permissions(public=True)).image_id,
        "snapshot": snapshot.snapshot_id,
        "unmade": make_snapshot(region, alice, state=SnapshotState.PENDING).snapshot_id,
        "broken": make_snapshot(region, alice, state=SnapshotState.ERROR).snapshot_id,
        "hidden_snapshot": make_snapshot(region, bob).snapshot_id,
        "vm": make_vm(region, alice).vm_id,
        "pending_vm": make_vm(region, alice, VmState.PENDING).vm_id,
        "stopping_vm": make_vm(region, alice, VmState.STOPPING).vm_id,
        "rootless_vm": make_vm(region, alice, VmState.STOPPED, devices=("/dev/xvdb",)).vm_id,
        "dead_vm": make_vm(region, alice, VmState.TERMINATED, devices=()).vm_id,
        "hidden_vm": make_vm(region, bob).vm_id,
        "someone": bob.account_id,
    }
    region.store.close()


def _refused(scene: Mapping[str, Any], action: str, request: dict[str, Any], expected: Row) -> None:
    refusal = scene["client"].refusal(action, **filled(request, scene))
    assert refusal.row == expected
    assert refusal.details


@refusals(
    [
        ({}, missing(7007)),
        ({"ImageName": "new"}, missing(7007)),
        ({"NoReboot": True}, missing(7007)),
        ({"SourceRegionName": HERE}, missing(7007)),
        ({"ImageName": "new", "RootDeviceName": "/dev/sda1"}, missing(7007)),
        ({"VmId": "<vm>"}, parameter(3002)),
        ({"SourceImageId": "<image>"}, missing(7007)),
        ({"BlockDeviceMappings": [ROOT_MAPPING], "ImageName": "new"}, missing(7007)),
        ({"BlockDeviceMappings": [ROOT_MAPPING], "RootDeviceName": "/dev/sda1"}, missing(7007)),
    ],
)
def test_without_a_whole_mode_nothing_is_made(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    """What is required for the mode that the parameters tell; without one, a VM is expected."""
    _refused(scene, "CreateImage", request_, expected)


@refusals(
    [
        ({**FROM_VM, "SourceImageId": "<image>"}, parameter(3002)),
        ({**FROM_VM, "SourceRegionName": HERE}, parameter(3002)),
        ({**FROM_VM, "BlockDeviceMappings": [ROOT_MAPPING]}, parameter(3002)),
        ({**FROM_VM, "Architecture": "x86_64"}, parameter(3002)),
        ({**FROM_VM, "RootDeviceName": "/dev/sda1"}, parameter(3002)),
        ({**FROM_VM, "FileLocation": "http://example.org/m"}, parameter(3002)),
        ({**COPY, "RootDeviceName": "/dev/sda1"}, parameter(3002)),
        ({**COPY, "NoReboot": True}, parameter(3002)),
        ({**COPY, "BlockDeviceMappings": [ROOT_MAPPING]}, parameter(3002)),
        ({**COPY, "Architecture": "x86_64"}, parameter(3002)),
        ({**COPY, "FileLocation": "http://example.org/m"}, parameter(3002)),
        ({"FileLocation": "http://example.org/m", "NoReboot": True}, parameter(3002)),
        ({"FileLocation": "http://example.org/m", "Architecture": "x86_64"}, parameter(3002)),
        ({"FileLocation": "http://example.org/m", "RootDeviceName": "/dev/sda1"}, parameter(3002)),
        ({"FileLocation": "http://example.org/m", "SourceRegionName": HERE}, parameter(3002)),
        ({"FileLocation": "http://example.org/m", "BlockDeviceMappings": [ROOT_MAPPING]}, parameter(3002)),
        ({**REGISTER, "SourceRegionName": HERE}, parameter(3002)),
    ],
)
def test_the_parameters_of_two_modes_do_not_go_together(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateImage", request_, expected)


@refusals(
    [
        ({**FROM_VM, "Unknown": 1}, parameter(3001)),
        ({**FROM_VM, "NoReboot": "true"}, value(4110)),
        ({**FROM_VM, "ImageName": ["new"]}, value(4110)),
    ],
)
def test_an_unknown_parameter_and_one_of_another_type_are_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateImage", request_, expected)


@refusals(
    [
        ({**FROM_VM, "VmId": "tata"}, value(4104)),
        ({**FROM_VM, "VmId": "vpc-12345678"}, value(4104)),
        ({**FROM_VM, "VmId": "i-123456"}, value(4105)),
        ({**FROM_VM, "VmId": "i-1234567G"}, value(4105)),
        ({**FROM_VM, "VmId": "i-00000000"}, absent(5063)),
        ({**FROM_VM, "VmId": "<hidden_vm>"}, absent(5063)),
        ({**COPY, "SourceImageId": "tata"}, value(4104)),
        ({**COPY, "SourceImageId": "ami-123456"}, value(4105)),
        ({**COPY, "SourceImageId": "ami-00000000"}, absent(5023)),
        ({**COPY, "SourceImageId": "aki-12345678"}, absent(5023)),
        ({**COPY, "SourceImageId": "ari-12345678"}, absent(5023)),
        ({**COPY, "SourceImageId": "<hidden>"}, absent(5023)),
        (registering(root("snap-123456")), value(4105)),
        (registering(root("snap-00000000")), absent(5054)),
        (registering(root("<hidden_snapshot>")), absent(5054)),
    ],
)
def test_a_source_that_is_malformed_unknown_or_hidden_is_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateImage", request_, expected)


@refusals(
    [
        ({**FROM_VM, "VmId": "<pending_vm>"}, state(6003)),
        ({**FROM_VM, "VmId": "<stopping_vm>"}, state(6003)),
        ({**FROM_VM, "VmId": "<dead_vm>"}, state(6003)),
        ({**FROM_VM, "VmId": "<rootless_vm>"}, state(6003)),
        ({**COPY, "SourceImageId": "<pending>"}, state(6001)),
        ({**COPY, "SourceImageId": "<failed>"}, state(6001)),
        (registering(root("<unmade>")), state(6003)),
        (registering(root("<broken>")), state(6003)),
    ],
)
def test_a_source_that_is_not_ready_is_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateImage", request_, expected)


@refusals(
    [
        ({**COPY, "SourceRegionName": "us-east-2"}, unsupported(8019)),
    ],
)
def test_a_copy_from_another_region_is_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateImage", request_, expected)


@refusals(
    [
        ({**FROM_VM, "ImageName": "image"}, conflict(9015)),
        ({**COPY, "ImageName": "image"}, conflict(9015)),
        ({**REGISTER, "ImageName": "image"}, conflict(9015)),
    ],
)
def test_a_name_that_the_account_has_already_is_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateImage", request_, expected)


@refusals(
    [
        ({**FROM_VM, "ImageName": "ab"}, value(4026)),
        ({**FROM_VM, "ImageName": "a" * 129}, value(4026)),
        ({**FROM_VM, "ImageName": "a@b"}, value(4026)),
        ({**FROM_VM, "ImageName": "new\n"}, value(4026)),
        ({**FROM_VM, "ImageName": ""}, value(4026)),
        ({**COPY, "ImageName": ""}, value(4026)),
    ],
)
def test_a_name_of_another_length_or_with_other_characters_is_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateImage", request_, expected)


@refusals(
    [
        ({**FROM_VM, "Description": "d" * 256}, value(4106)),
        ({**COPY, "Description": "d" * 256}, value(4106)),
        ({**REGISTER, "Description": "d" * 256}, value(4106)),
    ],
)
def test_a_description_of_more_than_255_characters_is_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateImage", request_, expected)


@refusals(
    [
        ({**REGISTER, "Architecture": "arm64"}, value(4047)),
        ({**REGISTER, "BootModes": ["floppy"]}, value(4047)),
    ],
)
def test_an_unknown_architecture_or_boot_mode_is_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateImage", request_, expected)


@refusals(
    [
        ({**FROM_VM, "ProductCodes": ["0001", "9999"]}, value(4047)),
        ({**COPY, "ProductCodes": ["9999"]}, value(4047)),
        ({**REGISTER, "ProductCodes": [""]}, value(4047)),
    ],
)
def test_an_unknown_product_code_is_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "CreateImage", request_, expected)


@pytest.mark.parametrize("mode", [FROM_VM, COPY, REGISTER], ids=["from a VM", "a copy", "from snapshots"])
def test_a_dry_run_tells_that_a_name_is_taken(scene: Mapping[str, Any], mode: dict[str, Any]) -> None:
    """Section 12 of the reference: users learnt of it after an import of ten minutes."""
    request = filled({**mode, "ImageName": "image", "DryRun": True}, scene)
    assert scene["client"].refusal("CreateImage", **request).row == conflict(9015)


@refusals(
    [
        ({}, missing(7007)),
        ({"ImageId": "<image>"}, missing(7007)),
        ({"ImageId": "<image>", "PermissionsToLaunch": {}}, missing(7007)),
        ({"ImageId": "<image>", **add()}, missing(7007)),
        ({"ImageId": "<image>", **add(AccountIds=[])}, missing(7007)),
        ({"ImageId": "<image>", **add(GlobalPermission=False)}, missing(7007)),
    ],
)
def test_an_update_that_says_nothing_is_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "UpdateImage", request_, expected)


@refusals(
    [
        (
            {
                "ImageId": "<image>",
                "PermissionsToLaunch": {
                    "Additions": {"GlobalPermission": True},
                    "Removals": {"AccountIds": ["123456789012"]},
                },
            },
            parameter(3002),
        ),
    ],
)
def test_additions_and_removals_do_not_go_together(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "UpdateImage", request_, expected)


@refusals(
    [
        ({"ImageId": "<image>", **add(AccountIds=["12345678901"])}, value(4105)),
        ({"ImageId": "<image>", **add(AccountIds=["1234567890ab"])}, value(4105)),
        ({"ImageId": "<image>", **add(AccountIds=["<someone>", "Outscale"])}, value(4105)),
        ({"ImageId": "<image>", **add(AccountIds=["123456789012"] * 1001)}, value(4047)),
        ({"ImageId": "<image>", "PermissionsToLaunch": {"Removals": {"AccountIds": ["1"]}}}, value(4105)),
    ],
)
def test_an_account_id_that_is_not_12_digits_is_refused(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "UpdateImage", request_, expected)


@refusals(
    [
        ({"ImageId": "<image>", **add(GlobalPermission="true")}, value(4110)),
        ({"ImageId": "<image>", "ImageName": "other"}, parameter(3001)),
        ({"ImageId": "<image>", "BlockDeviceMappings": [ROOT_MAPPING]}, parameter(3001)),
        ({"ImageId": "<image>", "BootModes": ["uefi"]}, parameter(3001)),
        ({"ImageId": "<image>", "TpmMandatory": True}, parameter(3001)),
    ],
)
def test_an_update_changes_neither_name_mappings_boot_modes_nor_tpm(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "UpdateImage", request_, expected)


@refusals(
    [
        ({"ImageId": "tata", "Description": ""}, value(4104)),
        ({"ImageId": "ami-123456", "Description": ""}, value(4105)),
        ({"ImageId": "ami-00000000", "Description": ""}, absent(5023)),
        ({"ImageId": "aki-12345678", "Description": ""}, absent(5023)),
        ({"ImageId": "<hidden>", "Description": ""}, absent(5023)),
        ({"ImageId": "<shared>", "Description": ""}, absent(5023)),
        ({"ImageId": "<public>", "Description": ""}, absent(5023)),
    ],
)
def test_an_image_that_is_unknown_or_anothers_is_not_updated(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "UpdateImage", request_, expected)


@refusals(
    [
        ({"ImageId": "<image>", "Description": "d" * 256}, value(4106)),
        ({"ImageId": "<image>", "ProductCodes": ["9999"]}, value(4047)),
    ],
)
def test_a_long_description_or_an_unknown_code_is_not_put(
    scene: Mapping[str, Any], request_: dict[str, Any], expected: Row
) -> None:
    _refused(scene, "UpdateImage", request_, expected)


@pytest.mark.parametrize(
    ("image_id", "expected"),
    [
        (None, missing(7007)),
        ("tata", value(4104)),
        ("ami-123456", value(4105)),
        ("ami-00000000", absent(5023)),
        ("aki-12345678", absent(5023)),
        ("ari-12345678", absent(5023)),
        ("<hidden>", absent(5023)),
        ("<shared>", denied(5)),
        ("<public>", denied(5)),
    ],
)
def test_an_image_that_is_unknown_or_anothers_is_not_deleted(
    scene: Mapping[str, Any], image_id: str | None, expected: Row
) -> None:
    """A visible image of another account is refused with AccessDenied 5; UpdateImage refuses it with 5023."""
    _refused(scene, "DeleteImage", {"ImageId": image_id}, expected)


@pytest.mark.parametrize("image_id", ["ami-00000000", "tata", "", "<hidden>"])
def test_ids_that_are_unknown_hidden_or_malformed_give_an_empty_list(
    scene: Mapping[str, Any], image_id: str
) -> None:
    wanted = {"ImageIds": [filled(image_id, scene)]}
    assert scene["client"]("ReadImages", Filters=wanted) == {"Images": []}


@pytest.mark.parametrize("action", ["ReadImages", "ReadSnapshots", "ReadVolumes", "ReadVms", "ReadVmsState"])
@pytest.mark.parametrize(("size", "expected"), [(0, value(4047)), (1001, value(4047)), ("1", value(4110))])
def test_results_per_page_are_1_to_1000(
    scene: Mapping[str, Any], action: str, size: object, expected: Row
) -> None:
    assert scene["client"].refusal(action, ResultsPerPage=size).row == expected
