"""Every filter of the tables selects the resource that has its value, and rejects the others; pages stay right."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from souche.api.protocol.filter_tables import FILTERS, NEVER
from souche.app.context.region import Region
from souche.model.accounts import Principal
from souche.model.images import ImageMapping
from souche.model.permissions import Permissions
from souche.model.security_groups import GroupName
from souche.model.vms import Vm
from souche.states import ImageState, SnapshotState, VmState
from tests.support.client import Client
from tests.support.region import ManualClock, make_account, make_region
from tests.support.resources import (
    attach,
    make_image,
    make_security_group,
    make_snapshot,
    make_vm,
    make_volume,
    read_vm,
)

OTHER_DAY = "2026-11-25"
LATER = "2026-11-25T10:00:00.000Z"


class Scene:
    """For each noun one resource with values of its own, and one plain one, which no filter below selects."""

    def __init__(self, region: Region, clock: ManualClock) -> None:
        plain_owner = make_account(region, "plain")
        owner = make_account(region, "owner", alias="Vendor")
        everybody = Permissions((plain_owner.account_id,), public=True)
        self.client = Client(region, owner)
        self.owner, self.grantee = owner.account_id, plain_owner.account_id
        shared = Permissions((owner.account_id,))
        self.plain_ids = {
            make_image(region, plain_owner, "plain", permissions=shared).image_id,
            make_snapshot(region, plain_owner, permissions=shared).snapshot_id,
            make_volume(region, owner).volume_id,
            make_vm(region, owner, VmState.STOPPED, devices=()).vm_id,
        }
        clock.advance(days=1)
        self.snapshot = make_snapshot(
            region,
            owner,
            client_token="token",
            description="special",
            permissions=everybody,
            progress_percent=7,
            state=SnapshotState.PENDING,
            volume_id="vol-12345678",
            volume_size_gib=77,
        )
        self.image = self._image(region, owner, everybody)
        made = make_security_group(region, owner, "special")
        self.group = GroupName(made.security_group_id, made.name, made.account_id)
        self.vm = self._vm(region, owner)
        self.volume = attach(
            region,
            self.vm,
            "/dev/sda1",
            client_token="token",
            delete_on_vm_deletion=False,
            size_gib=77,
            snapshot_id="snap-12345678",
            subregion_name="eu-test-1b",
            volume_type="gp2",
        )
        self.vm = read_vm(region, self.vm.vm_id)
        ids = [self.snapshot.snapshot_id, self.image.image_id, self.volume.volume_id, self.vm.vm_id]
        self.client("CreateTags", ResourceIds=ids, Tags=[{"Key": "k", "Value": "v"}])
        self.special_ids = set(ids)

    def _vm(self, region: Region, owner: Principal) -> Vm:
        return make_vm(
            region,
            owner,
            VmState.RUNNING,
            architecture="i386",
            boot_mode="uefi",
            client_token="token",
            devices=(),
            keypair_name="laptop",
            launch_number=3,
            product_codes=("0002", "0007"),
            root_device_name="/dev/xvdz",
            security_groups=(self.group,),
            state_reason="special",
            subregion_name="eu-test-1b",
            tpm_enabled=True,
            vm_type="tinav7.c1r1p1",
        )

    def _image(self, region: Region, owner: Principal, permissions: Permissions) -> Any:
        snapshot_id = self.snapshot.snapshot_id
        mapping = ImageMapping("/dev/xvdz", snapshot_id, 77, "gp2", delete_on_vm_deletion=False)
        return make_image(
            region,
            owner,
            "Special (1)",
            architecture="i386",
            boot_modes=("uefi",),
            description="special",
            mappings=(mapping,),
            permissions=permissions,
            product_codes=("0002", "0007"),
            root_device_name="/dev/xvdz",
            secure_boot=True,
            state=ImageState.FAILED,
            tpm_mandatory=True,
        )


@pytest.fixture(scope="module")
def scene(on_both: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    clock = ManualClock()
    region = make_region(tmp_path_factory.mktemp("scene"), clock=clock)
    yield Scene(region, clock)
    region.store.close()


Value = Callable[[Scene], Any]


def always(value: Any) -> Value:
    return lambda _: value


TAGS: Mapping[str, Value] = {
    "TagKeys": always(["k"]),
    "TagValues": always(["v"]),
    "Tags": always(["k=v"]),
}

SELECTING: Mapping[str, Mapping[str, Value]] = {
    "ReadImages": {
        **TAGS,
        "AccountAliases": always(["Vendor"]),
        "AccountIds": lambda scene: [scene.owner],
        "Architectures": always(["i386"]),
        "BlockDeviceMappingDeleteOnVmDeletion": always(False),  # noqa: FBT003
        "BlockDeviceMappingDeviceNames": always(["/dev/xvdz"]),
        "BlockDeviceMappingSnapshotIds": lambda scene: [scene.snapshot.snapshot_id],
        "BlockDeviceMappingVolumeSizes": always([77]),
        "BlockDeviceMappingVolumeTypes": always(["gp2"]),
        "BootModes": always(["uefi"]),
        "Descriptions": always(["special"]),
        "FileLocations": lambda scene: [f"{scene.owner}/Special (1)"],
        "ImageIds": lambda scene: [scene.image.image_id],
        "ImageNames": always(["Special (1)"]),
        "PermissionsToLaunchAccountIds": lambda scene: [scene.grantee],
        "PermissionsToLaunchGlobalPermission": always(True),  # noqa: FBT003
        "ProductCodeNames": always(["0007"]),
        "ProductCodes": always(["0002"]),
        "RootDeviceNames": always(["/dev/xvdz"]),
        "SecureBoot": always(True),  # noqa: FBT003
        "States": always(["failed"]),
        "TpmMandatory": always(True),  # noqa: FBT003
    },
    "ReadSnapshots": {
        **TAGS,
        "AccountAliases": always(["Vendor"]),
        "AccountIds": lambda scene: [scene.owner],
        "ClientTokens": always(["token"]),
        "Descriptions": always(["special"]),
        "FromCreationDate": always(LATER),
        "PermissionsToCreateVolumeAccountIds": lambda scene: [scene.grantee],
        "PermissionsToCreateVolumeGlobalPermission": always(True),  # noqa: FBT003
        "Progresses": always([7]),
        "SnapshotIds": lambda scene: [scene.snapshot.snapshot_id],
        "States": always(["pending"]),
        "VolumeIds": always(["vol-12345678"]),
        "VolumeSizes": always([77]),
    },
    "ReadVolumes": {
        **TAGS,
        "ClientTokens": always(["token"]),
        "CreationDates": always([LATER]),
        "LinkVolumeDeleteOnVmDeletion": always(False),  # noqa: FBT003
        "LinkVolumeDeviceNames": always(["/dev/sda1"]),
        "LinkVolumeLinkDates": always([OTHER_DAY]),
        "LinkVolumeLinkStates": always(["attached"]),
        "LinkVolumeVmIds": lambda scene: [scene.vm.vm_id],
        "SnapshotIds": always(["snap-12345678"]),
        "SubregionNames": always(["eu-test-1b"]),
        "VolumeIds": lambda scene: [scene.volume.volume_id],
        "VolumeSizes": always([77]),
        "VolumeStates": always(["in-use"]),
        "VolumeTypes": always(["gp2"]),
    },
    "ReadVms": {
        **TAGS,
        "Architectures": always(["i386"]),
        "BlockDeviceMappingDeleteOnVmDeletion": always(False),  # noqa: FBT003
        "BlockDeviceMappingDeviceNames": always(["/dev/sda1"]),
        "BlockDeviceMappingLinkDates": always([LATER]),
        "BlockDeviceMappingStates": always(["attached"]),
        "BlockDeviceMappingVolumeIds": lambda scene: [scene.volume.volume_id],
        "BootModes": always(["uefi"]),
        "ClientTokens": always(["token"]),
        "CreationDates": always([OTHER_DAY]),
        "ImageIds": lambda scene: [scene.vm.image_id],
        "KeypairNames": always(["laptop"]),
        "LaunchNumbers": always([3]),
        "PrivateIps": lambda scene: [scene.vm.private_ip],
        "PublicIps": lambda scene: [scene.vm.private_ip],
        "ProductCodes": always(["0007"]),
        "ReservationIds": lambda scene: [scene.vm.reservation_id],
        "RootDeviceNames": always(["/dev/xvdz"]),
        "SecurityGroupIds": lambda scene: [scene.group.security_group_id],
        "SecurityGroupNames": always(["special"]),
        "StateReasonMessages": always(["special"]),
        "StateReasons": always(["special"]),
        "SubregionNames": always(["eu-test-1b"]),
        "TpmEnabled": always(True),  # noqa: FBT003
        "VmIds": lambda scene: [scene.vm.vm_id],
        "VmSecurityGroupIds": lambda scene: [scene.group.security_group_id],
        "VmSecurityGroupNames": always(["special"]),
        "VmStateCodes": always([16]),
        "VmStateNames": always(["running"]),
        "VmTypes": always(["tinav7.c1r1p1"]),
    },
    "ReadVmsState": {
        "SubregionNames": always(["eu-test-1b"]),
        "VmIds": lambda scene: [scene.vm.vm_id],
        "VmStates": always(["running"]),
    },
}

# What is the same for all: this value selects everything, another one nothing.
CONSTANT: Mapping[str, Mapping[str, Any]] = {
    "ReadImages": {"Hypervisors": ["xen"], "RootDeviceTypes": ["bsu"], "VirtualizationTypes": ["hvm"]},
    "ReadSnapshots": {},
    "ReadVolumes": {},
    "ReadVms": {"IsSourceDestChecked": False, "RootDeviceTypes": ["ebs"], "Tenancies": ["default"]},
    "ReadVmsState": {},
}
BY_OTHER_TESTS = {("ReadSnapshots", "ToCreationDate")}

ID_FIELDS = {
    "ReadImages": "ImageId",
    "ReadSnapshots": "SnapshotId",
    "ReadVolumes": "VolumeId",
    "ReadVms": "VmId",
    "ReadVmsState": "VmId",
}

CASES = [(action, name) for action, table in SELECTING.items() for name in table]


def found(scene: Scene, action: str, **filters: object) -> set[str]:
    request: dict[str, object] = {"AllVms": True} if action == "ReadVmsState" else {}
    (listed,) = scene.client(action, Filters=filters, **request).values()
    return {each[ID_FIELDS[action]] for each in listed}


def other_than(value: Any) -> Any:
    """A value of the same type that no resource has."""
    if isinstance(value, list):
        return [other_than(each) for each in value]
    if isinstance(value, str):
        return "2099-01-01T00:00:00.000Z" if value.startswith("2026-") else f"{value}x"
    return value + 12345


@pytest.mark.parametrize(("action", "name"), CASES)
def test_a_filter_selects_the_one_that_has_the_value(scene: Scene, action: str, name: str) -> None:
    (selected,) = found(scene, action, **{name: SELECTING[action][name](scene)})
    assert selected in scene.special_ids


@pytest.mark.parametrize(("action", "name"), CASES)
def test_a_filter_rejects_what_has_another_value(scene: Scene, action: str, name: str) -> None:
    value = SELECTING[action][name](scene)
    if isinstance(value, bool):
        assert not found(scene, action, **{name: not value}) & scene.special_ids
    else:
        assert found(scene, action, **{name: other_than(value)}) == set()


@pytest.mark.parametrize("action", SELECTING)
def test_all_filters_together_select_it_too(scene: Scene, action: str) -> None:
    selecting = {name: value(scene) for name, value in SELECTING[action].items()}
    every = {**selecting, **CONSTANT[action]}
    assert len(found(scene, action, **every)) == 1


@pytest.mark.parametrize(
    ("action", "name"), [(action, name) for action, table in CONSTANT.items() for name in table]
)
def test_a_constant_selects_all_or_nothing(scene: Scene, action: str, name: str) -> None:
    value = CONSTANT[action][name]
    wrong = (not value) if isinstance(value, bool) else other_than(value)
    assert found(scene, action, **{name: value}) == found(scene, action)
    assert found(scene, action, **{name: wrong}) == set()


@pytest.mark.parametrize("action", SELECTING)
def test_every_filter_of_the_table_is_tested(action: str) -> None:
    never = {name for name, known in FILTERS[action].items() if known == NEVER}
    elsewhere = {name for other, name in BY_OTHER_TESTS if other == action}
    assert {*SELECTING[action], *CONSTANT[action]} | never | elsewhere == set(FILTERS[action])


def test_the_bounds_of_a_creation_date_are_part_of_the_range(scene: Scene) -> None:
    special = {scene.snapshot.snapshot_id}
    assert found(scene, "ReadSnapshots", FromCreationDate=LATER, ToCreationDate=LATER) == special
    assert special & found(scene, "ReadSnapshots", ToCreationDate="2026-11-25T09:59:59.999Z") == set()
    assert special & found(scene, "ReadSnapshots", FromCreationDate="2026-11-25T10:00:00.001Z") == set()


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"ImageNames": ["Special*"]}, True),
        ({"ImageNames": ["*(1)"]}, True),
        ({"ImageNames": ["S*l*1*"]}, True),
        ({"ImageNames": ["special*"]}, False),
        ({"ImageNames": ["Special"]}, False),
        ({"ImageNames": ["Special (?)"]}, False),
        ({"ImageNames": ["Special [(]1)*"]}, False),
        ({"FileLocations": ["*/Special*"]}, True),
        ({"Descriptions": ["spec*"]}, False),
        ({"ImageNames": ["nothing", "Special*"]}, True),
    ],
)
def test_wildcards(scene: Scene, filters: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    assert (scene.image.image_id in found(scene, "ReadImages", **filters)) is expected


def test_lists_are_or_inside_and_and_across(scene: Scene) -> None:
    everything = found(scene, "ReadImages")
    assert found(scene, "ReadImages", Architectures=["i386", "x86_64"]) == everything
    assert found(scene, "ReadImages", Architectures=["i386"], ImageNames=["plain"]) == set()
    assert found(scene, "ReadImages", Architectures=[]) == everything


# Pages.


def pages_of(client: Client, between: Callable[[int], None]) -> list[str]:
    """The names of all images, by pages of two; `between` is called with the number of pages read."""
    names: list[str] = []
    answer = client("ReadImages", ResultsPerPage=2)
    for number in range(1, 100):
        names += [image["ImageName"] for image in answer["Images"]]
        if "NextPageToken" not in answer:
            return names
        between(number)
        answer = client("ReadImages", ResultsPerPage=2, NextPageToken=answer["NextPageToken"])
    raise AssertionError(names)


@pytest.mark.parametrize("same_time", [True, False])
def test_pages_are_by_date_and_id_and_neither_repeat_nor_skip(
    region: Region,
    clock: ManualClock,
    alice: Principal,
    same_time: bool,  # noqa: FBT001
) -> None:
    made = []
    for number in range(5):
        made.append(make_image(region, alice, f"image {number}"))
        clock.advance(seconds=0 if same_time else 1)
    names = pages_of(Client(region, alice), lambda _: None)
    in_order = sorted(made, key=lambda image: (image.creation_date, image.image_id))
    assert names == [image.name for image in in_order]


def test_pages_stay_right_while_images_come_and_go(
    region: Region, clock: ManualClock, alice: Principal
) -> None:
    client = Client(region, alice)
    ids = []
    for number in range(6):
        ids.append(make_image(region, alice, f"image {number}").image_id)
        clock.advance(seconds=1)

    def between(page: int) -> None:
        if page == 1:  # the very row that the token names, one still to come, and a new one at the end
            client("DeleteImage", ImageId=ids[1])
            client("DeleteImage", ImageId=ids[3])
            make_image(region, alice, "new")

    assert pages_of(client, between) == ["image 0", "image 1", "image 2", "image 4", "image 5", "new"]


def test_there_is_no_token_after_a_page_that_is_exactly_full(region: Region, alice: Principal) -> None:
    make_image(region, alice, "one")
    make_image(region, alice, "two")
    assert "NextPageToken" not in Client(region, alice)("ReadImages", ResultsPerPage=2)
