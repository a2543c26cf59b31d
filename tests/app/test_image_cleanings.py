"""Who may have a clean image made, of what, and what it keeps (docs/trust.md)."""

from dataclasses import replace

import pytest

from souche.app import accounts, image_cleanings, image_copies, quotas
from souche.app.context.region import Region
from souche.app.image_cleanings import Clean
from souche.app.image_copies import Copy
from souche.app.images import ImageSettings
from souche.errors import OutOfSpace
from souche.model.accounts import Principal
from souche.model.images import ImageMapping, VmAttributes
from souche.model.permissions import Permissions
from souche.quota_refusals import TooManyImages
from souche.refusals import CannotClean, ImageNameTaken, NoSuchImage, WrongImageState
from souche.room import Room, Usage
from souche.states import ImageState
from souche.trust.codes import finding
from souche.value_refusals import BadImageName
from tests.support.resources import make_image, make_reported_image, make_snapshot, read_snapshot

CLEAN = ImageSettings("clean")


def test_a_clean_image_is_the_callers_own_and_keeps_what_a_copy_keeps(
    region: Region, alice: Principal, bob: Principal
) -> None:
    data = make_snapshot(region, alice)
    root = make_snapshot(region, alice, product_codes=("0001", "0007"))
    source = make_image(
        region,
        alice,
        description="described",
        boot_modes=("legacy", "uefi"),
        product_codes=("0001", "0007"),
        architecture="i386",
        permissions=Permissions(account_ids=(bob.account_id,)),
        vm_attributes=VmAttributes(shutdown_behavior="terminate"),
        mappings=(
            ImageMapping("/dev/sda1", root.snapshot_id, 10, "gp2", None, delete_on_vm_deletion=False),
            ImageMapping("/dev/xvdb", data.snapshot_id, 20),
            ImageMapping("/dev/xvdc", None, 5),
        ),
    )
    made = image_cleanings.create(region, bob, Clean(source.image_id, CLEAN))
    copied = image_copies.copy(region, bob, Copy(ImageSettings("copy"), source.image_id, region.name))
    assert (made.account_id, made.state, made.source_image_id) == (
        bob.account_id,
        ImageState.PENDING,
        source.image_id,
    )
    assert (
        replace(
            copied,
            image_id=made.image_id,
            name=made.name,
            file_location=made.file_location,
            mappings=made.mappings,
        )
        == made
    )
    assert [replace(each, snapshot_id=None) for each in made.mappings] == [
        replace(each, snapshot_id=None) for each in source.mappings
    ]
    assert not set(made.snapshot_ids) & set(source.snapshot_ids)
    assert read_snapshot(region, made.snapshot_ids[0]).product_codes == ("0001", "0007")
    assert made.permissions == Permissions()


def test_what_the_caller_may_not_use_is_answered_as_unknown(
    region: Region, alice: Principal, bob: Principal
) -> None:
    hidden = make_image(region, alice)
    for image_id in (hidden.image_id, "ami-00000000"):
        with pytest.raises(NoSuchImage):
            image_cleanings.create(region, bob, Clean(image_id, CLEAN))


def test_only_an_available_image_is_cleaned(region: Region, alice: Principal) -> None:
    source = make_image(region, alice, state=ImageState.PENDING)
    with pytest.raises(WrongImageState):
        image_cleanings.create(region, alice, Clean(source.image_id, CLEAN))


def test_its_name_has_to_be_free_and_good(region: Region, alice: Principal) -> None:
    source = make_image(region, alice, "taken")
    with pytest.raises(ImageNameTaken):
        image_cleanings.create(region, alice, Clean(source.image_id, ImageSettings("taken")))
    with pytest.raises(BadImageName):
        image_cleanings.create(region, alice, Clean(source.image_id, ImageSettings("a@b")))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"os": "Windows Server 2022"}, "its system is Windows"),
        (
            {"os": "", "findings": [finding("windows-not-generalised", "/Windows", "Not.")]},
            "its system is Windows",
        ),
        ({"os": "", "findings": [finding("unreadable", "disk 0", "LUKS.")]}, "no readable Linux system"),
    ],
)
def test_what_the_report_shows_to_be_no_linux_is_refused_at_once(
    region: Region, alice: Principal, changes: dict[str, object], reason: str
) -> None:
    source = make_reported_image(region, alice, **changes)  # type: ignore[arg-type]
    with pytest.raises(CannotClean, match=reason):
        image_cleanings.create(region, alice, Clean(source.image_id, CLEAN))


def test_an_image_of_empty_volumes_is_refused(region: Region, alice: Principal) -> None:
    source = make_image(region, alice, mappings=(ImageMapping("/dev/sda1", None, 10),))
    with pytest.raises(CannotClean, match="no disk"):
        image_cleanings.create(region, alice, Clean(source.image_id, CLEAN))


def test_a_clean_image_counts_in_the_quotas_and_needs_room(region: Region, alice: Principal) -> None:
    source = make_reported_image(region, alice)
    full = replace(region, room=Room(lambda: Usage(0, 0), 1))
    with pytest.raises(OutOfSpace):
        image_cleanings.create(full, alice, Clean(source.image_id, CLEAN))
    account = accounts.get(region, alice)
    assert account is not None
    quotas.set_limit(region, account, "image_limit", 1)
    with pytest.raises(TooManyImages):
        image_cleanings.create(region, alice, Clean(source.image_id, CLEAN))
