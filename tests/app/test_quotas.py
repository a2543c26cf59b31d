"""Quotas hold in every use-case that adds to what they count, and no two requests pass together."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from souche.app import (
    accounts,
    image_copies,
    image_imports,
    images,
    keypairs,
    launches,
    quotas,
    security_groups,
    snapshot_imports,
    snapshots,
    vms,
    volume_updates,
    volumes,
)
from souche.app.block_devices import BsuRequest, MappingRequest
from souche.app.context.region import Region
from souche.app.image_copies import Copy
from souche.app.images import FromSnapshots, FromVm, ImageSettings
from souche.app.launches import Launch
from souche.db import vms as vm_records
from souche.db import volume_updates as task_records
from souche.errors import QuotaExceeded
from souche.model.accounts import Account, Principal
from souche.model.quotas import QUOTAS
from souche.quota_refusals import (
    TooManyCores,
    TooManyImages,
    TooManyIops,
    TooManyKeypairs,
    TooManySecurityGroups,
    TooManySnapshots,
    TooManyVms,
    TooManyVolumes,
    TooMuchMemory,
    TooMuchSnapshotSize,
    TooMuchVolumeSize,
)
from souche.refusals import NoSuchQuota
from souche.states import VmState, VolumeUpdateState
from souche.value_refusals import BadValue
from tests.support.exported import MIB, SYSTEM, put_disk, put_manifest
from tests.support.resources import make_image, make_keypair, make_snapshot, make_vm, make_volume

KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmi0rZDIhDlSz+l1Zd3vCqAG/YyeZVX3tHCqKwRNdIR me"


@pytest.fixture
def account(region: Region, alice: Principal) -> Account:
    found = accounts.get(region, alice)
    assert found is not None
    return found


def launch_small(region: Region, who: Principal) -> None:
    image = make_image(region, who)
    launches.launch(region, who, Launch(image.image_id, vm_type="tinav5.c2r4"))


def copy_image(region: Region, who: Principal) -> None:
    image = make_image(region, who)
    image_copies.copy(region, who, Copy(ImageSettings("copy"), image.image_id, region.name))


def image_of_vm(region: Region, who: Principal) -> None:
    vm = make_vm(region, who)
    images.create_from_vm(region, who, FromVm(ImageSettings("of vm"), vm.vm_id, no_reboot=True))


def register(region: Region, who: Principal) -> None:
    root = MappingRequest("/dev/sda1", BsuRequest(make_snapshot(region, who).snapshot_id))
    wanted = FromSnapshots(ImageSettings("registered"), (root,), "/dev/sda1", "x86_64")
    images.create_from_snapshots(region, who, wanted)


def snapshot_of_volume(region: Region, who: Principal) -> None:
    volume = make_volume(region, who)
    snapshots.create_from_volume(region, who, snapshots.FromVolume(volume.volume_id))


def copy_snapshot(region: Region, who: Principal) -> None:
    source = make_snapshot(region, who)
    snapshots.copy(region, who, snapshots.Copy(source.snapshot_id, region.name))


def create_volume(region: Region, who: Principal) -> None:
    wanted = volumes.Create(region.subregion_name, size_gib=10, volume_type="io1", iops=200)
    volumes.create(region, who, wanted)


def import_keypair(region: Region, who: Principal) -> None:
    make_keypair(region, who)
    keypairs.import_public_key(region, who, "imported", KEY)


def import_snapshot(region: Region, who: Principal) -> None:
    snapshot_imports.create(region, who, snapshot_imports.FromUrl(put_disk(SYSTEM), 4 * MIB))


def import_image(region: Region, who: Principal) -> None:
    image_imports.create(region, who, image_imports.FromManifest(ImageSettings(None), put_manifest()))


def grow_volume(region: Region, who: Principal) -> None:
    volume = make_volume(region, who)
    volume_updates.update(region, who, volume_updates.Change(volume.volume_id, size_gib=15))


def speed_volume_up(region: Region, who: Principal) -> None:
    volume = make_volume(region, who, volume_type="io1", iops=200)
    volume_updates.update(region, who, volume_updates.Change(volume.volume_id, iops=300))


def grow_vm(region: Region, who: Principal) -> None:
    vm = make_vm(region, who, VmState.STOPPED, vcpus=2, memory_mib=4096)
    vms.update(region, who, vms.Change(vm.vm_id, vm_type="tinav5.c4r8"))


def create_security_group(region: Region, who: Principal) -> None:
    security_groups.create(region, who, "web", "Web")


MAKERS: Mapping[str, Callable[[Region, Principal], object]] = {
    "image_limit": make_image,
    "snapshot_limit": make_snapshot,
    "snapshot_size_limit": make_snapshot,
    "volume_limit": make_volume,
    "vm_limit": make_vm,
}

# What is enough for each use-case, with what it finds there; one less is not.
ENOUGH = [
    (copy_image, "image_limit", 2, TooManyImages),
    (copy_image, "snapshot_limit", 2, TooManySnapshots),
    (image_of_vm, "image_limit", 1, TooManyImages),
    (image_of_vm, "snapshot_limit", 1, TooManySnapshots),
    (register, "image_limit", 1, TooManyImages),
    (snapshot_of_volume, "snapshot_limit", 1, TooManySnapshots),
    (copy_snapshot, "snapshot_limit", 2, TooManySnapshots),
    (copy_image, "snapshot_size_limit", 20, TooMuchSnapshotSize),
    (image_of_vm, "snapshot_size_limit", 10, TooMuchSnapshotSize),
    (snapshot_of_volume, "snapshot_size_limit", 10, TooMuchSnapshotSize),
    (copy_snapshot, "snapshot_size_limit", 20, TooMuchSnapshotSize),
    (import_snapshot, "snapshot_size_limit", 1, TooMuchSnapshotSize),
    (import_image, "snapshot_size_limit", 1, TooMuchSnapshotSize),
    (create_volume, "volume_limit", 1, TooManyVolumes),
    (create_volume, "volume_size_limit", 10, TooMuchVolumeSize),
    (create_volume, "iops_limit", 200, TooManyIops),
    (launch_small, "vm_limit", 1, TooManyVms),
    (launch_small, "core_limit", 2, TooManyCores),
    (launch_small, "memory_limit", 4, TooMuchMemory),
    (launch_small, "volume_limit", 1, TooManyVolumes),
    (launch_small, "volume_size_limit", 10, TooMuchVolumeSize),
    (import_snapshot, "snapshot_limit", 1, TooManySnapshots),
    (import_image, "image_limit", 1, TooManyImages),
    (import_image, "snapshot_limit", 1, TooManySnapshots),
    (grow_volume, "volume_size_limit", 15, TooMuchVolumeSize),
    (speed_volume_up, "iops_limit", 300, TooManyIops),
    (grow_vm, "core_limit", 4, TooManyCores),
    (grow_vm, "memory_limit", 8, TooMuchMemory),
    (import_keypair, "keypair_limit", 2, TooManyKeypairs),
    (create_security_group, "security_group_limit", 2, TooManySecurityGroups),  # beside `default`
]


@pytest.mark.parametrize(("use", "name", "enough", "refusal"), ENOUGH)
def test_a_quota_is_used_up_to_its_limit_and_not_beyond(
    region: Region,
    alice: Principal,
    account: Account,
    use: Callable[[Region, Principal], None],
    name: str,
    enough: int,
    refusal: type[QuotaExceeded],
) -> None:
    quotas.set_limit(region, account, name, enough)
    use(region, alice)
    used = {usage.quota.name: usage.used for usage in quotas.usage(region, alice.account_id)}
    assert used[name] == enough


@pytest.mark.parametrize(("use", "name", "enough", "refusal"), ENOUGH)
def test_beyond_a_quota_nothing_is_made(
    region: Region,
    alice: Principal,
    account: Account,
    use: Callable[[Region, Principal], None],
    name: str,
    enough: int,
    refusal: type[QuotaExceeded],
) -> None:
    if enough > 1:
        quotas.set_limit(region, account, name, enough - 1)
    else:  # 0 is no limit: another one is there already
        quotas.set_limit(region, account, name, 1)
        MAKERS[name](region, alice)
    with pytest.raises(refusal):
        use(region, alice)
    assert region.workflows.started == []  # type: ignore[attr-defined]  # recorded


def test_what_an_update_under_way_will_add_counts_already(
    region: Region, alice: Principal, account: Account
) -> None:
    quotas.set_limit(region, account, "volume_size_limit", 25)
    first, second = make_volume(region, alice), make_volume(region, alice)
    volume_updates.update(region, alice, volume_updates.Change(first.volume_id, size_gib=15))
    with pytest.raises(TooMuchVolumeSize):
        volume_updates.update(region, alice, volume_updates.Change(second.volume_id, size_gib=11))


def test_an_update_that_has_ended_counts_as_what_the_volume_has(
    region: Region, alice: Principal, account: Account
) -> None:
    quotas.set_limit(region, account, "volume_size_limit", 25)
    first, second = make_volume(region, alice), make_volume(region, alice)
    task = volume_updates.update(region, alice, volume_updates.Change(first.volume_id, size_gib=15)).update
    assert task is not None
    with region.store.begin() as connection:
        task_records.set_state(connection, task.task_id, VolumeUpdateState.FAILED)
    volume_updates.update(region, alice, volume_updates.Change(second.volume_id, size_gib=15))


def test_a_quota_is_an_accounts_own(
    region: Region, alice: Principal, bob: Principal, account: Account
) -> None:
    quotas.set_limit(region, account, "volume_limit", 1)
    make_volume(region, bob)
    for _ in range(2):
        create_volume(region, bob)
    create_volume(region, alice)


def test_a_copy_of_a_snapshot_counts_with_the_size_of_its_disk(
    region: Region, alice: Principal, account: Account
) -> None:
    """It counts although it shares all blocks: after the deletion of the other it has them alone."""
    copy_snapshot(region, alice)
    used = {usage.quota.name: usage.used for usage in quotas.usage(region, alice.account_id)}
    assert (used["snapshot_limit"], used["snapshot_size_limit"]) == (2, 20)


def test_0_is_no_limit(region: Region, alice: Principal, account: Account) -> None:
    quotas.set_limit(region, account, "volume_limit", 1)
    quotas.set_limit(region, account, "volume_limit", 0)
    for _ in range(3):
        create_volume(region, alice)


def test_as_many_vms_as_the_quotas_allow_above_the_minimum_are_launched(
    region: Region, alice: Principal, account: Account
) -> None:
    image = make_image(region, alice)
    quotas.set_limit(region, account, "core_limit", 7)
    wanted = Launch(image.image_id, vm_type="tinav5.c2r4", min_count=2, max_count=5)
    assert len(launches.launch(region, alice, wanted)) == 3
    with pytest.raises(TooManyCores):
        launches.launch(region, alice, replace(wanted, min_count=1))


def test_a_terminated_vm_does_not_count(region: Region, alice: Principal, account: Account) -> None:
    quotas.set_limit(region, account, "vm_limit", 1)
    vm = make_vm(region, alice, devices=())
    with region.store.begin() as connection:
        vm_records.set_terminated(connection, vm.vm_id, "", region.clock.now())
    launch_small(region, alice)


def test_a_vm_above_its_quota_may_shrink(region: Region, alice: Principal, account: Account) -> None:
    vm = make_vm(region, alice, VmState.STOPPED, vcpus=4, memory_mib=8192)
    quotas.set_limit(region, account, "core_limit", 1)
    quotas.set_limit(region, account, "memory_limit", 1)
    assert vms.update(region, alice, vms.Change(vm.vm_id, vm_type="tinav5.c2r4")).vcpus == 2


def test_requests_at_the_same_time_do_not_pass_together(
    region: Region, alice: Principal, account: Account
) -> None:
    quotas.set_limit(region, account, "volume_limit", 5)
    made, refused = [], []

    def ask() -> None:
        try:
            create_volume(region, alice)
            made.append(1)
        except TooManyVolumes:
            refused.append(1)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused)) == (5, 7)


def test_a_token_gives_the_same_answer_when_the_quota_is_used_up(
    region: Region, alice: Principal, account: Account
) -> None:
    quotas.set_limit(region, account, "volume_limit", 1)
    wanted = volumes.Create(region.subregion_name, size_gib=1, client_token="t")
    assert volumes.create(region, alice, wanted) == volumes.create(region, alice, wanted)


def test_what_the_operator_gets_wrong_is_refused(region: Region, account: Account) -> None:
    with pytest.raises(NoSuchQuota, match="vm_limit"):
        quotas.set_limit(region, account, "vms", 1)
    for limit in (-1, 2**53 + 1):
        with pytest.raises(BadValue):
            quotas.set_limit(region, account, "vm_limit", limit)


def test_every_quota_has_a_refusal_and_a_name_of_its_own() -> None:
    assert set(quotas.REFUSALS) == set(QUOTAS)
    assert len({quota.name for quota in QUOTAS}) == len(QUOTAS)
