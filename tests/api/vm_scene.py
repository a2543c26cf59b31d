"""VMs, images and volumes for the refusals of requests about VMs."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import pytest

from souche.model.images import ImageMapping
from souche.states import ImageState, VmState
from tests.support.client import Client
from tests.support.region import make_account, make_region
from tests.support.requests import filled
from tests.support.resources import make_image, make_keypair, make_snapshot, make_vm, make_volume


@pytest.fixture(scope="module")
def scene(on_both: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    """The resources that the refused requests name. Refusals change nothing, so all tests share them."""
    region = make_region(tmp_path_factory.mktemp("scene"))
    alice, bob = make_account(region, "alice"), make_account(region, "bob")
    snapshot = make_snapshot(region, alice)
    io1 = ImageMapping("/dev/sda1", snapshot.snapshot_id, 10, "io1", 500)
    vm = make_vm(region, alice, devices=("/dev/sda1", "/dev/xvdb"))
    yield {
        "client": Client(region, alice),
        "keypair": make_keypair(region, alice).name,
        "hidden_keypair": make_keypair(region, bob, "bobs").name,
        "image": make_image(region, alice).image_id,
        "io1_image": make_image(region, alice, "io1", mappings=(io1,)).image_id,
        "windows": make_image(region, alice, "windows", product_codes=("0002",)).image_id,
        "tpm": make_image(region, alice, "tpm", tpm_mandatory=True).image_id,
        "pending": make_image(region, alice, "pending", state=ImageState.PENDING).image_id,
        "failed": make_image(region, alice, "failed", state=ImageState.FAILED, mappings=()).image_id,
        "hidden": make_image(region, bob).image_id,
        "snapshot": snapshot.snapshot_id,
        "hidden_snapshot": make_snapshot(region, bob).snapshot_id,
        "volume": make_volume(region, alice).volume_id,
        "hidden_volume": make_volume(region, bob).volume_id,
        "linked": vm.volumes[1].volume_id,
        "vm": vm.vm_id,
        "stopped_windows": make_vm(region, alice, VmState.STOPPED, product_codes=("0002",)).vm_id,
        "stopped": make_vm(region, alice, VmState.STOPPED).vm_id,
        "rootless": make_vm(region, alice, VmState.STOPPED, devices=()).vm_id,
        "protected": make_vm(region, alice, deletion_protection=True).vm_id,
        **{f"vm_{each.value}": make_vm(region, alice, each, devices=()).vm_id for each in VmState},
        "hidden_vm": make_vm(region, bob).vm_id,
    }
    region.store.close()


def with_mapping(device_name: str, **mapping: object) -> dict[str, object]:
    return {"BlockDeviceMappings": [{"DeviceName": device_name, **mapping}]}


Row: TypeAlias = tuple[int, str, str]


def refused(scene: Mapping[str, Any], action: str, request: dict[str, Any], expected: Row) -> None:
    refusal = scene["client"].refusal(action, **filled(request, scene))
    assert refusal.row == expected
    assert refusal.details
