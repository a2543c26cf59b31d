"""The rules of block device mappings, and how those of a launch merge with the image's (reference section 5)."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from souche.app import block_devices
from souche.app.block_devices import BsuRequest, MappingRequest
from souche.app.context.region import Region
from souche.errors import UserError
from souche.model.accounts import Principal
from souche.model.images import Image, ImageMapping
from souche.value_refusals import (
    BadDeviceName,
    BadIops,
    BadVolumeSize,
    BadVolumeType,
    IopsNotTaken,
    IopsRatio,
    MissingParameter,
)
from tests.support.resources import make_image, make_snapshot


@pytest.mark.parametrize(
    "name", ["/dev/sda1", "/dev/sdb", "/dev/sdzz", "/dev/sdba", "/dev/xvdb", "/dev/xvdzz"]
)
def test_device_names_that_are_taken(name: str) -> None:
    assert block_devices.check_device_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "sdb", "/dev/sda", "/dev/sda2", "/dev/xvda", "/dev/xvda1", "/dev/sdab", "/dev/sdB", "/dev/sdb\n"],
)
def test_device_names_that_are_refused(name: str) -> None:
    with pytest.raises(BadDeviceName):
        block_devices.check_device_name(name)


@pytest.mark.parametrize(
    ("size_gib", "volume_type", "iops"),
    [
        (1, "standard", None),
        (14_901, "standard", None),
        (1, "gp2", None),
        (4, "io1", 100),
        (4, "io1", 1200),
        (44, "io1", 13_000),
    ],
)
def test_a_volume_within_the_bounds_of_size_and_iops_is_taken(
    size_gib: int, volume_type: str, iops: int | None
) -> None:
    block_devices.check_volume(size_gib, volume_type, iops, device_name="/dev/sdb")


@pytest.mark.parametrize(
    ("size_gib", "volume_type", "iops", "error"),
    [
        (0, "standard", None, BadVolumeSize),
        (14_902, "gp2", None, BadVolumeSize),
        (3, "io1", 100, BadVolumeSize),
        (10, "ssd", None, BadVolumeType),
        (10, "standard", 100, IopsNotTaken),
        (10, "gp2", 100, IopsNotTaken),
        (10, "io1", None, MissingParameter),
        (10, "io1", 99, BadIops),
        (100, "io1", 13_001, BadIops),
        (4, "io1", 1201, IopsRatio),
    ],
)
def test_a_volume_beyond_the_bounds_of_size_type_or_iops_is_refused(
    size_gib: int, volume_type: str, iops: int | None, error: type[UserError]
) -> None:
    with pytest.raises(error):
        block_devices.check_volume(size_gib, volume_type, iops, device_name="/dev/sdb")


def test_sd_and_xvd_names_are_one_place() -> None:
    assert block_devices.place("/dev/sdb") == block_devices.place("/dev/xvdb")
    assert len({block_devices.place(name) for name in ("/dev/sda1", "/dev/sdb", "/dev/sdba")}) == 3


ROOT = "/dev/sda1"
DATA = "/dev/xvdb"


@pytest.fixture
def image(region: Region, alice: Principal) -> Image:
    """An io1 root of 10 GiB, and a data volume of 20 GiB that has no snapshot."""
    snapshot = make_snapshot(region, alice)
    root = ImageMapping(ROOT, snapshot.snapshot_id, 10, "io1", 500, delete_on_vm_deletion=True)
    data = ImageMapping(DATA, None, 20, "gp2", None, delete_on_vm_deletion=False)
    return make_image(region, alice, mappings=(root, data))


def merged(
    region: Region, who: Principal, image: Image, requests: Sequence[MappingRequest]
) -> dict[str, ImageMapping]:
    with region.store.read() as connection:
        found = block_devices.for_launch(connection, who, image, requests)
    return {mapping.device_name: mapping for mapping in found}


def asking(device_name: str, **bsu: object) -> list[MappingRequest]:
    return [MappingRequest(device_name, BsuRequest(**bsu))]  # type: ignore[arg-type]  # by keyword


def test_without_mappings_a_launch_takes_the_images(region: Region, alice: Principal, image: Image) -> None:
    assert tuple(merged(region, alice, image, ()).values()) == image.mappings


@pytest.mark.parametrize(
    ("bsu", "changed"),
    [
        ({"volume_size_gib": 30}, {"volume_size_gib": 30}),
        ({"iops": 600}, {"iops": 600}),
        ({"delete_on_vm_deletion": False}, {"delete_on_vm_deletion": False}),
        ({"volume_type": "io1"}, {}),
        ({"volume_type": "io1", "iops": 100}, {"iops": 100}),
        ({"volume_type": "gp2"}, {"volume_type": "gp2", "iops": None}),
        ({}, {}),
    ],
)
def test_the_same_name_overrides_what_is_given_and_keeps_the_rest(
    region: Region, alice: Principal, image: Image, bsu: dict[str, object], changed: dict[str, object]
) -> None:
    root = merged(region, alice, image, asking(ROOT, **bsu))[ROOT]
    assert root == replace(image.mappings[0], **changed)  # type: ignore[arg-type]  # by keyword


def test_the_roots_own_snapshot_may_be_named(region: Region, alice: Principal, image: Image) -> None:
    bsu = {"snapshot_id": image.mappings[0].snapshot_id}
    assert merged(region, alice, image, asking(ROOT, **bsu))[ROOT] == image.mappings[0]


def test_a_data_device_may_take_another_snapshot_and_then_its_size(
    region: Region, alice: Principal, image: Image
) -> None:
    snapshot = make_snapshot(region, alice, volume_size_gib=33)
    data = merged(region, alice, image, asking(DATA, snapshot_id=snapshot.snapshot_id))[DATA]
    assert (data.snapshot_id, data.volume_size_gib, data.volume_type) == (snapshot.snapshot_id, 33, "gp2")


def test_a_new_name_adds_a_standard_volume_that_goes_with_the_vm(
    region: Region, alice: Principal, image: Image
) -> None:
    added = merged(region, alice, image, asking("/dev/sdc", volume_size_gib=5))["/dev/sdc"]
    assert added == ImageMapping("/dev/sdc", None, 5, "standard", None, delete_on_vm_deletion=True)


def test_no_device_drops_the_images_and_may_name_what_is_not_there(
    region: Region, alice: Principal, image: Image
) -> None:
    drop = [MappingRequest(DATA, no_device=True), MappingRequest("/dev/sdz", no_device=True)]
    assert list(merged(region, alice, image, drop)) == [ROOT]


def test_ephemeral_disks_are_accepted_and_dropped(region: Region, alice: Principal, image: Image) -> None:
    ephemeral = [MappingRequest("/dev/sdc", virtual_device_name="ephemeral0")]
    assert list(merged(region, alice, image, ephemeral)) == [ROOT, DATA]


def test_a_request_changes_the_volume_where_the_image_has_one(
    region: Region, alice: Principal, image: Image
) -> None:
    other = "/dev/sdb"
    size_gib = merged(region, alice, image, [])[DATA].volume_size_gib + 5
    found = merged(region, alice, image, asking(other, volume_size_gib=size_gib))
    assert {name: mapping.volume_size_gib for name, mapping in found.items() if name != ROOT} == {
        other: size_gib
    }
