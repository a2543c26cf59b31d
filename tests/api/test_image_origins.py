"""ReadImageOrigins, ReadVmOrigins, UpdateImageAttributes: what a caller learns of where an image comes from, and what
it carries for VMs."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from souche.api import actions
from souche.api.protocol.dispatch import dispatch
from souche.app import official_images
from souche.app.context.region import Region
from souche.db import images as records
from souche.db import marketplace
from souche.errors import UserError
from souche.model.accounts import Principal
from souche.model.images import Consistency, Image, ImageMapping, VmAttributes
from souche.model.permissions import Permissions
from souche.refusals import NoSuchImage, PublishedVersion
from souche.signing import SigningKey
from souche.value_refusals import BadValue, IncompatibleParameters, MissingParameter
from tests.support.client import Client
from tests.support.exported import LINEAGE, put_manifest, put_with_companion
from tests.support.region import make_account
from tests.support.resources import make_image, make_product_type, make_snapshot, make_vm, read_image
from tests.support.signed import export

KEY: Final = SigningKey.generate()
PUBLIC: Final = Permissions(public=True)


def ask(region: Region, who: Principal, name: str, **request: object) -> dict[str, Any]:
    """What an action of Souche's own answers."""
    return dispatch(actions.souche_action(name), region, who, json.dumps(request).encode(), "1")


def origin(region: Region, who: Principal, image: Image | str) -> dict[str, Any]:
    image_id = image if isinstance(image, str) else image.image_id
    (found,) = ask(region, who, "ReadImageOrigins", ImageIds=[image_id])["ImageOrigins"]
    told: dict[str, Any] = found
    return told


def test_the_source_is_as_the_caller_sees_it(region: Region, alice: Principal, bob: Principal) -> None:
    provider = Principal(official_images.provider(region).account_id)
    vendor = make_account(region, "vendor", "Vendor")
    product = make_product_type(region, vendor, sold=True)
    version = make_image(region, vendor, "version", permissions=PUBLIC)
    with region.store.begin() as connection:
        marketplace.publish(connection, version.image_id, product.product_type_id)
    imported = Client(region, alice)("CreateImage", FileLocation=put_manifest())["Image"]["ImageId"]
    expected: dict[str, Image | str] = {
        "official": make_image(region, provider, "official", permissions=PUBLIC),
        "Marketplace": version,
        "own": make_image(region, alice, "own"),
        "shared": make_image(region, bob, "shared", permissions=Permissions((alice.account_id,))),
        "public": make_image(region, bob, "public", permissions=PUBLIC),
        "imported": imported,
    }
    assert {name: origin(region, alice, image)["Source"] for name, image in expected.items()} == {
        name: name for name in expected
    }
    assert origin(region, alice, version)["Publisher"] == {
        "AccountId": vendor.account_id,
        "AccountAlias": "Vendor",
        "Vendor": product.vendor or None,
    }


def test_ancestors_are_told_as_far_as_the_caller_may_see(
    region: Region, alice: Principal, bob: Principal
) -> None:
    oldest = make_image(region, bob, "oldest", permissions=PUBLIC)
    hidden = make_image(region, bob, "hidden", source_image_id=oldest.image_id)
    nearest = make_image(region, bob, "nearest", permissions=PUBLIC, source_image_id=hidden.image_id)
    mine = make_image(region, alice, "mine", source_image_id=nearest.image_id)
    assert origin(region, alice, mine)["Ancestors"] == [nearest.image_id, None, oldest.image_id]
    assert origin(region, bob, nearest)["Ancestors"] == [hidden.image_id, oldest.image_id]
    assert origin(region, alice, oldest)["Ancestors"] == []


def test_an_ancestor_that_is_gone_ends_the_chain(region: Region, alice: Principal, bob: Principal) -> None:
    """Who made the image named it; others never learn its id."""
    mine = make_image(region, alice, "mine", source_image_id="ami-99999999", permissions=PUBLIC)
    assert origin(region, alice, mine)["Ancestors"] == ["ami-99999999"]
    assert origin(region, bob, mine)["Ancestors"] == [None]


def test_images_that_name_each_other_end_too(region: Region, alice: Principal) -> None:
    """No use-case makes such ones."""
    first = make_image(region, alice, "first", source_image_id="ami-00000002")
    with region.store.begin() as connection:
        records.insert(
            connection,
            replace(
                first, image_id="ami-00000002", name="second", source_image_id=first.image_id, mappings=()
            ),
        )
    assert len(origin(region, alice, first)["Ancestors"]) == 100


def test_of_an_import_the_export_and_its_region_are_told(
    region: Region, alice: Principal, bob: Principal
) -> None:
    lineage = replace(LINEAGE, export_task_id="image-export-0000abcd")
    location = export(KEY).put() + "?X-Amz-Signature=hush"
    image_id = Client(region, alice)("CreateImage", FileLocation=location)["Image"]["ImageId"]
    with region.store.begin() as connection:
        image = read_image(region, image_id)
        records.erase(connection, image_id)
        records.insert(connection, replace(image, lineage=lineage, permissions=PUBLIC))
    told = {"Location": location.partition("?")[0], "RegionName": LINEAGE.region}
    assert origin(region, alice, image_id)["Export"] == told | {"TaskId": "image-export-0000abcd"}
    assert origin(region, bob, image_id)["Export"] == told | {"TaskId": None}
    assert origin(region, alice, image_id)["Lineage"]["ImageId"] == LINEAGE.image_id


def test_origins_go_by_pages(region: Region, alice: Principal) -> None:
    made = sorted(make_image(region, alice, f"image {number}").image_id for number in range(3))
    first = ask(region, alice, "ReadImageOrigins", ResultsPerPage=2)
    rest = ask(region, alice, "ReadImageOrigins", ResultsPerPage=2, NextPageToken=first["NextPageToken"])
    assert [each["ImageId"] for page in (first, rest) for each in page["ImageOrigins"]] == made
    assert "NextPageToken" not in rest


def test_how_the_disks_were_captured_is_told_to_all_who_may_use_the_image(
    region: Region, alice: Principal, bob: Principal
) -> None:
    image = make_image(
        region,
        alice,
        permissions=PUBLIC,
        consistency=Consistency("quiesced", one_instant=True),
        guest_pause_seconds=0.0024,
    )
    for who in (alice, bob):
        assert origin(region, who, image)["Consistency"] == {
            "State": "quiesced",
            "OneInstant": True,
            "GuestPauseMilliseconds": 2.4,
        }


def test_an_image_of_several_snapshots_is_of_one_instant_only_if_they_are(
    region: Region, alice: Principal
) -> None:
    client, source = (
        Client(region, alice),
        make_image(region, alice, consistency=Consistency(one_instant=True)),
    )
    alone = [make_snapshot(region, alice).snapshot_id for _ in range(2)]
    together = [make_snapshot(region, alice, image_id=source.image_id).snapshot_id for _ in range(2)]
    for number, (snapshot_ids, expected) in enumerate(((alone[:1], True), (alone, False), (together, True))):
        mappings = [
            {"DeviceName": device, "Bsu": {"SnapshotId": snapshot_id}}
            for device, snapshot_id in zip(("/dev/sda1", "/dev/xvdb"), snapshot_ids, strict=False)
        ]
        image = client(
            "CreateImage",
            ImageName=f"of {number}",
            RootDeviceName="/dev/sda1",
            BlockDeviceMappings=mappings,
        )["Image"]
        assert origin(region, alice, image["ImageId"])["Consistency"]["OneInstant"] is expected


NOTHING: Final[dict[str, object]] = {
    "DeletionProtection": None,
    "ShutdownBehavior": None,
    "Performance": None,
    "BootMode": None,
}
ALL: Final[dict[str, object]] = {
    "DeletionProtection": True,
    "ShutdownBehavior": "terminate",
    "Performance": "highest",
    "BootMode": "uefi",
}


def test_attributes_are_set_on_an_image_that_was_not_made_from_a_vm_and_unset(
    region: Region, alice: Principal
) -> None:
    image = make_image(region, alice, boot_modes=("legacy", "uefi"))
    assert origin(region, alice, image)["VmAttributes"] == NOTHING
    told = ask(region, alice, "UpdateImageAttributes", ImageId=image.image_id, **ALL)
    assert told["ImageAttributes"] == {"ImageId": image.image_id, "VmAttributes": ALL}
    assert origin(region, alice, image)["VmAttributes"] == ALL
    ask(
        region,
        alice,
        "UpdateImageAttributes",
        ImageId=image.image_id,
        DeletionProtection=False,
        Unset=["Performance", "BootMode"],
    )
    expected = ALL | {"DeletionProtection": False, "Performance": None, "BootMode": None}
    assert origin(region, alice, image)["VmAttributes"] == expected
    ask(region, alice, "UpdateImageAttributes", ImageId=image.image_id, Unset=list(NOTHING))
    assert read_image(region, image.image_id).vm_attributes is None


def test_what_an_image_carries_changes_no_answer_of_the_outscale_api(
    region: Region, alice: Principal
) -> None:
    client, image = Client(region, alice), make_image(region, alice)
    before = client("ReadImages")
    ask(region, alice, "UpdateImageAttributes", ImageId=image.image_id, DeletionProtection=True)
    assert client("ReadImages") == before


def test_a_launch_takes_what_was_set_and_it_can_be_seen_what_a_vm_took(
    region: Region, alice: Principal, bob: Principal
) -> None:
    """Also of another account's image. What an attribute that is not set would be is the launch's own default."""
    image = make_image(region, bob, permissions=PUBLIC)
    ask(
        region,
        bob,
        "UpdateImageAttributes",
        ImageId=image.image_id,
        DeletionProtection=True,
        Performance="medium",
    )
    client = Client(region, alice)
    assert origin(region, alice, image)["VmAttributes"] == NOTHING | {
        "DeletionProtection": True,
        "Performance": "medium",
    }
    (taking,) = client("CreateVms", ImageId=image.image_id, VmType="tinav5.c1r1")["Vms"]
    (saying,) = client("CreateVms", ImageId=image.image_id, DeletionProtection=False, VmType="tinav5.c1r1p2")[
        "Vms"
    ]
    assert (taking["DeletionProtection"], taking["Performance"]) == (True, "medium")
    assert (taking["VmInitiatedShutdownBehavior"], saying["DeletionProtection"]) == ("stop", False)
    told = {each["VmId"]: each for each in ask(region, alice, "ReadVmOrigins")["VmOrigins"]}
    assert told[taking["VmId"]] == {
        "VmId": taking["VmId"],
        "ImageId": image.image_id,
        "TakenFromImage": NOTHING | {"DeletionProtection": True, "Performance": "medium"},
    }
    assert told[saying["VmId"]]["TakenFromImage"] == NOTHING


def test_origins_of_vms_are_their_accounts_only(region: Region, alice: Principal, bob: Principal) -> None:
    vm = make_vm(region, alice)
    assert ask(region, bob, "ReadVmOrigins", VmIds=[vm.vm_id])["VmOrigins"] == []
    (told,) = ask(region, alice, "ReadVmOrigins", VmIds=[vm.vm_id])["VmOrigins"]
    assert told["TakenFromImage"] == NOTHING


def test_only_the_owner_sets_attributes(region: Region, alice: Principal, bob: Principal) -> None:
    hidden, public = (
        make_image(region, alice, "hidden"),
        make_image(region, alice, "public", permissions=PUBLIC),
    )
    for image in (hidden, public):
        with pytest.raises(NoSuchImage):
            ask(region, bob, "UpdateImageAttributes", ImageId=image.image_id, Performance="high")
    assert read_image(region, public.image_id).vm_attributes is None


REFUSED: Final[Mapping[str, tuple[Mapping[str, object], type[UserError]]]] = {
    "nothing to change": ({}, MissingParameter),
    "set and unset": ({"Performance": "high", "Unset": ["Performance"]}, IncompatibleParameters),
    "another boot mode": ({"BootMode": "uefi"}, BadValue),
    "another performance": ({"Performance": "low"}, UserError),
    "another behaviour": ({"ShutdownBehavior": "burn"}, UserError),
    "another attribute": ({"Colour": "blue"}, UserError),
    "another to unset": ({"Unset": ["Colour"]}, UserError),
    "no yes or no": ({"DeletionProtection": "on"}, UserError),
}


@pytest.mark.parametrize("what", REFUSED)
def test_attributes_that_no_vm_can_have_are_refused(region: Region, alice: Principal, what: str) -> None:
    request, refusal = REFUSED[what]
    image = make_image(region, alice)
    with pytest.raises(refusal):
        ask(region, alice, "UpdateImageAttributes", ImageId=image.image_id, **request)
    assert read_image(region, image.image_id).vm_attributes is None


def test_the_attributes_of_a_version_on_the_marketplace_are_frozen(region: Region, alice: Principal) -> None:
    image = make_image(region, alice)
    product = make_product_type(region, alice, sold=True)
    with region.store.begin() as connection:
        marketplace.publish(connection, image.image_id, product.product_type_id)
    with pytest.raises(PublishedVersion):
        ask(region, alice, "UpdateImageAttributes", ImageId=image.image_id, Performance="high")


def test_a_dry_run_sets_nothing(region: Region, alice: Principal) -> None:
    image = make_image(region, alice)
    ask(region, alice, "UpdateImageAttributes", ImageId=image.image_id, Performance="high", DryRun=True)
    assert read_image(region, image.image_id).vm_attributes is None


def test_a_copy_carries_what_its_source_does(region: Region, alice: Principal) -> None:
    source = make_image(
        region,
        alice,
        mappings=(ImageMapping("/dev/sda1", make_snapshot(region, alice).snapshot_id, 10),),
        consistency=Consistency("quiesced", one_instant=True),
        vm_attributes=VmAttributes(performance="highest"),
    )
    copied = Client(region, alice)(
        "CreateImage", SourceImageId=source.image_id, SourceRegionName=region.name
    )["Image"]["ImageId"]
    told = origin(region, alice, copied)
    assert (told["Ancestors"], told["Consistency"]["State"]) == ([source.image_id], "quiesced")
    assert told["VmAttributes"]["Performance"] == "highest"


def test_a_boot_mode_that_is_none_of_the_images_is_not_carried(region: Region, alice: Principal) -> None:
    """Neither by an import, nor by a copy, nor by an image of a VM that boots otherwise."""
    by_uefi = VmAttributes(True, "terminate", "high", "uefi")  # noqa: FBT003
    location = put_with_companion(b"x", {"boot_modes": ("legacy",), "vm_attributes": by_uefi})
    carried = VmAttributes(boot_mode="uefi")
    mapping = ImageMapping("/dev/sda1", make_snapshot(region, alice).snapshot_id, 10)
    source = make_image(
        region, alice, boot_modes=("legacy", "uefi"), vm_attributes=carried, mappings=(mapping,)
    )
    vm = make_vm(region, alice, image_id=source.image_id, boot_mode="uefi")
    client = Client(region, alice)
    with capture_logs() as logged:
        imported = client("CreateImage", FileLocation=location)["Image"]["ImageId"]
    assert [(each["image_id"], each["boot_mode"]) for each in logged if "left out" in each["event"]] == [
        (imported, "uefi")
    ]
    copied = client(
        "CreateImage", SourceImageId=source.image_id, SourceRegionName=region.name, BootModes=["legacy"]
    )["Image"]["ImageId"]
    of_vm = client("CreateImage", VmId=vm.vm_id, ImageName="of-vm", BootModes=["legacy"], NoReboot=True)[
        "Image"
    ]
    assert read_image(region, imported).vm_attributes == replace(by_uefi, boot_mode=None)
    assert read_image(region, copied).vm_attributes is None
    of_vm_carried = read_image(region, of_vm["ImageId"]).vm_attributes
    assert of_vm_carried
    assert (of_vm_carried.boot_mode, of_vm_carried.performance) == (None, vm.performance)
