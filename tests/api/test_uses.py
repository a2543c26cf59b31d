"""What depends on images and snapshots: the caller's own by their ids, of other accounts only how many."""

from collections.abc import Mapping
from typing import Any

from souche.api import image_aliases
from souche.api import uses as api
from souche.app.context.region import Region
from souche.model.accounts import Principal
from souche.model.images import ImageMapping
from souche.model.permissions import Permissions
from souche.states import ExportState, VmState
from tests.support.region import call, make_account
from tests.support.resources import ROOT, make_export_task, make_image, make_snapshot, make_vm, make_volume


def of_image(region: Region, who: Principal, image_id: str) -> list[Mapping[str, Any]]:
    return api.read_image_uses(call(region, who, ImageIds=[image_id]))["ImageUses"]  # type: ignore[return-value]


def of_snapshot(region: Region, who: Principal, snapshot_id: str) -> list[Mapping[str, Any]]:
    found = api.read_snapshot_uses(call(region, who, SnapshotIds=[snapshot_id]))
    return found["SnapshotUses"]  # type: ignore[return-value]


def users(*own: str, of_others: int | None = 0) -> dict[str, object]:
    return {"Own": list(own), "OfOthers": of_others}


def test_what_depends_on_an_image(region: Region, alice: Principal, bob: Principal) -> None:
    image = make_image(region, alice, permissions=Permissions(account_ids=(bob.account_id,)))
    vm = make_vm(region, alice, image_id=image.image_id, devices=())
    make_vm(region, alice, VmState.TERMINATED, image_id=image.image_id, devices=())
    for _ in range(2):
        make_vm(region, bob, image_id=image.image_id, devices=())
    copy = make_image(region, alice, "copy", source_image_id=image.image_id)
    make_image(region, bob, "copy", source_image_id=image.image_id)
    of_vm = make_image(region, alice, "of vm", source_image_id=image.image_id, source_vm_id=vm.vm_id)
    same = make_image(region, alice, "same", mappings=image.mappings)
    export = make_export_task(region, alice, image)
    make_export_task(region, alice, image, state=ExportState.COMPLETED)
    for who in (alice, bob):
        image_aliases.create_image_alias(call(region, who, AliasName="web@stable", ImageId=image.image_id))
    (shown,) = of_image(region, alice, image.image_id)
    assert shown == {
        "ImageId": image.image_id,
        "Vms": users(vm.vm_id, of_others=2),
        "Copies": users(copy.image_id, of_others=1),
        "ImagesOfVms": users(of_vm.image_id),
        "ImagesOfSameSnapshots": users(same.image_id),
        "Aliases": users("web@stable", of_others=1),
        "Exports": users(export.task_id),
        "Shares": {"Public": False, "Accounts": 1},
    }


def test_who_does_not_own_an_image_learns_of_its_own_uses_only(
    region: Region, alice: Principal, bob: Principal
) -> None:
    image = make_image(region, alice, permissions=Permissions(public=True))
    make_vm(region, alice, image_id=image.image_id, devices=())
    vm = make_vm(region, bob, image_id=image.image_id, devices=())
    (shown,) = of_image(region, bob, image.image_id)
    assert shown["Vms"] == users(vm.vm_id, of_others=None)
    assert shown["Shares"] == {"Public": None, "Accounts": None}
    assert alice.account_id not in repr(shown)


def test_the_alias_of_a_family_is_among_the_uses(region: Region, alice: Principal) -> None:
    image = make_image(region, alice, "Web-1", family="Web")
    assert of_image(region, alice, image.image_id)[0]["Aliases"] == users("Web@latest")


def test_what_depends_on_a_snapshot(region: Region, alice: Principal, bob: Principal) -> None:
    snapshot = make_snapshot(region, alice, permissions=Permissions(public=True))
    volume = make_volume(region, alice, snapshot_id=snapshot.snapshot_id)
    make_volume(region, bob, snapshot_id=snapshot.snapshot_id)
    copy = make_snapshot(region, alice, source_snapshot_id=snapshot.snapshot_id)
    image = make_image(region, alice, mappings=(ImageMapping(ROOT, snapshot.snapshot_id, 10),))
    export = make_export_task(region, alice, image)
    (shown,) = of_snapshot(region, alice, snapshot.snapshot_id)
    assert shown == {
        "SnapshotId": snapshot.snapshot_id,
        "Volumes": users(volume.volume_id, of_others=1),
        "Copies": users(copy.snapshot_id),
        "Images": users(image.image_id),
        "Exports": users(export.task_id),
        "Shares": {"Public": True, "Accounts": 0},
    }


def test_what_the_caller_may_not_use_is_left_out(region: Region, alice: Principal) -> None:
    eve = make_account(region, "eve")
    image, snapshot = make_image(region, alice), make_snapshot(region, alice)
    assert of_image(region, eve, image.image_id) == of_image(region, eve, "ami-00000000") == []
    assert of_snapshot(region, eve, snapshot.snapshot_id) == []
