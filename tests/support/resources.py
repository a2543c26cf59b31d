"""Inserts resources into a region's database directly, in any state that a test needs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from souche import ids
from souche.app import api_access_rules
from souche.app.context.region import Region
from souche.db import (
    export_tasks,
    image_reports,
    images,
    keypairs,
    operations,
    product_types,
    public_ips,
    schema,
    security_groups,
    snapshots,
    vms,
    volume_updates,
    volumes,
)
from souche.model.accounts import Principal
from souche.model.api_access_rules import ApiAccessRule
from souche.model.export_tasks import ExportTask
from souche.model.image_reports import Examination, Finding
from souche.model.images import Image, ImageMapping
from souche.model.keypairs import Keypair
from souche.model.product_types import ProductType
from souche.model.public_ips import PublicIp
from souche.model.security_groups import Rule, SecurityGroup
from souche.model.snapshots import Snapshot
from souche.model.vms import Vm
from souche.model.volume_updates import VolumeShape, VolumeUpdate
from souche.model.volumes import Volume, VolumeLink
from souche.states import (
    ExportState,
    ImageState,
    LinkState,
    SnapshotState,
    VmState,
    VolumeState,
    VolumeUpdateState,
)

ROOT = "/dev/sda1"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmi0rZDIhDlSz+l1Zd3vCqAG/YyeZVX3tHCqKwRNdIR"


def make_snapshot(region: Region, who: Principal, **changes: Any) -> Snapshot:
    """A completed snapshot of 10 GiB."""
    snapshot = Snapshot(
        snapshot_id=region.ids.new(ids.SNAPSHOT),
        account_id=who.account_id,
        volume_id=None,
        volume_size_gib=10,
        state=SnapshotState.COMPLETED,
        progress_percent=100,
        description="",
        creation_date=region.clock.now(),
        product_codes=("0001",),
    )
    snapshot = replace(snapshot, **changes)
    with region.store.begin() as connection:
        snapshots.insert(connection, snapshot)
    return snapshot


def make_image(region: Region, who: Principal, name: str = "image", **changes: Any) -> Image:
    """An available, private image with a root mapping of 10 GiB. `mappings` in changes replaces it."""
    mappings = changes.pop("mappings", None)
    if mappings is None:
        mappings = (ImageMapping(ROOT, make_snapshot(region, who).snapshot_id, 10),)
    image = Image(
        image_id=region.ids.new(ids.IMAGE),
        account_id=who.account_id,
        name=name,
        description="",
        creation_date=region.clock.now(),
        state=ImageState.AVAILABLE,
        file_location=f"{who.account_id}/{name}",
        mappings=mappings,
    )
    image = replace(image, **changes)
    with region.store.begin() as connection:
        images.insert(connection, image)
    return image


def make_reported_image(
    region: Region,
    who: Principal,
    name: str = "image",
    findings: Sequence[Finding] = (),
    *,
    os: str = "Debian",
    **changes: Any,
) -> Image:
    """Like `make_image`, with a completed report: without findings, or with the given ones."""
    image = make_image(region, who, name, **changes)
    with region.store.begin() as connection:
        image_reports.request(connection, image.image_id)
        image_reports.set_active(connection, image.image_id)
        made = Examination("none", os, tuple(findings), ())
        image_reports.store(connection, image.image_id, made, region.clock.now(), other=False)
    return image


def make_volume(region: Region, who: Principal, **changes: Any) -> Volume:
    """An available volume of 10 GiB."""
    volume = Volume(
        volume_id=region.ids.new(ids.VOLUME),
        account_id=who.account_id,
        snapshot_id=None,
        size_gib=10,
        volume_type="standard",
        iops=None,
        state=VolumeState.AVAILABLE,
        subregion_name=region.subregion_name,
        creation_date=region.clock.now(),
    )
    volume = replace(volume, **changes)
    with region.store.begin() as connection:
        volumes.insert(connection, [volume])
    return volume


def attach(region: Region, vm: Vm, device_name: str, **changes: Any) -> Volume:
    """A volume attached to a VM."""
    link_changes = {name: changes.pop(name) for name in ("delete_on_vm_deletion",) if name in changes}
    link = VolumeLink("", vm.vm_id, device_name, True, LinkState.ATTACHED, region.clock.now())  # noqa: FBT003
    link = replace(link, volume_id=region.ids.new(ids.VOLUME), **link_changes)
    who = Principal(vm.account_id)
    return make_volume(
        region, who, **{"volume_id": link.volume_id, "state": VolumeState.IN_USE, "link": link} | changes
    )


def make_vm(
    region: Region,
    who: Principal,
    state: VmState = VmState.RUNNING,
    devices: tuple[str, ...] = (ROOT,),
    **changes: Any,
) -> Vm:
    """A VM from a deleted image, with volumes at the devices."""
    number = region.ids.serial() % 65_000
    vm = Vm(
        vm_id=region.ids.new(ids.VM),
        account_id=who.account_id,
        image_id=region.ids.new(ids.IMAGE),
        reservation_id=region.ids.new(ids.RESERVATION),
        launch_number=0,
        vm_type="tinav5.c2r4p2",
        vcpus=2,
        memory_mib=4096,
        performance="high",
        architecture="x86_64",
        boot_mode="legacy",
        root_device_name=ROOT,
        subregion_name=region.subregion_name,
        state=state,
        creation_date=region.clock.now(),
        mac_address=region.ids.mac_address(),
        private_ip=f"10.78.{number // 256}.{number % 256}",
        product_codes=("0001",),
    )
    vm = replace(vm, **changes)
    with region.store.begin() as connection:
        vms.insert(connection, [vm])
    for device_name in devices:
        attach(region, vm, device_name)
    return read_vm(region, vm.vm_id)


def make_api_access_rule(
    region: Region, who: Principal, *ip_ranges: str, description: str = ""
) -> ApiAccessRule:
    """A rule in addition to a new account's rule."""
    ranges = ip_ranges or ("192.0.2.0/24",)
    return api_access_rules.create(region, who, ranges, description)


def make_keypair(region: Region, who: Principal, name: str = "laptop") -> Keypair:
    keypair = Keypair(
        keypair_id=region.ids.new(ids.KEYPAIR),
        account_id=who.account_id,
        name=name,
        key_type="ssh-ed25519",
        fingerprint="b3:ad",
        public_key=f"{PUBLIC_KEY} {name}",
        creation_date=region.clock.now(),
    )
    with region.store.begin() as connection:
        keypairs.insert(connection, keypair)
    return keypair


def make_public_ip(region: Region, who: Principal, public_ip: str, vm: Vm | None = None) -> PublicIp:
    """A public IP, linked to the VM if there is one."""
    made = PublicIp(region.ids.new(ids.PUBLIC_IP), who.account_id, public_ip, region.clock.now())
    with region.store.begin() as connection:
        public_ips.insert(connection, made)
        if vm is not None:
            public_ips.link(connection, made.public_ip_id, vm.vm_id, region.ids.new(ids.PUBLIC_IP_LINK))
        found = public_ips.with_id(connection, who.account_id, made.public_ip_id)
    assert found is not None
    return found


def make_product_type(region: Region, who: Principal, **changes: Any) -> ProductType:
    """An account's product type that is not on the marketplace."""
    product_type = ProductType(region.ids.new(ids.PRODUCT_TYPE), "A product", account_id=who.account_id)
    product_type = replace(product_type, **changes)
    with region.store.begin() as connection:
        product_types.insert(connection, product_type, region.clock.now())
    return product_type


def make_security_group(
    region: Region, who: Principal, name: str = "web", inbound: tuple[Rule, ...] = ()
) -> SecurityGroup:
    """A group with these rules."""
    group = SecurityGroup(
        security_group_id=region.ids.new(ids.SECURITY_GROUP),
        account_id=who.account_id,
        name=name,
        description=name,
        creation_date=region.clock.now(),
        inbound=inbound,
    )
    with region.store.begin() as connection:
        security_groups.insert(connection, group)
    return group


def make_export_task(region: Region, who: Principal, source: Image | Snapshot, **changes: Any) -> ExportTask:
    """The export of an image or a snapshot, under way, into the account's bucket `exports`."""
    image = source if isinstance(source, Image) else None
    task = ExportTask(
        task_id=region.ids.new(ids.IMAGE_EXPORT if image else ids.SNAPSHOT_EXPORT),
        account_id=who.account_id,
        image_id=source.image_id if isinstance(source, Image) else None,
        snapshot_id=source.snapshot_id if isinstance(source, Snapshot) else None,
        state=ExportState.ACTIVE,
        comment="",
        disk_format="qcow2",
        bucket="exports",
        prefix="",
        creation_date=region.clock.now(),
        bucket_account_id=who.account_id,
        image=image,
    )
    task = replace(task, **changes)
    with region.store.begin() as connection:
        export_tasks.insert(connection, task)
    return task


def make_volume_update(region: Region, who: Principal, volume: Volume) -> VolumeUpdate:
    """A completed change of the volume: 1 GiB larger."""
    task = VolumeUpdate(
        task_id=region.ids.new(ids.VOLUME_UPDATE),
        account_id=who.account_id,
        volume_id=volume.volume_id,
        state=VolumeUpdateState.COMPLETED,
        comment="",
        origin=VolumeShape(volume.size_gib, volume.volume_type, volume.iops),
        target=VolumeShape(volume.size_gib + 1, volume.volume_type, volume.iops),
        creation_date=region.clock.now(),
        completion_date=region.clock.now(),
    )
    with region.store.begin() as connection:
        volume_updates.insert(connection, task)
    return task


def read_vm(region: Region, vm_id: str) -> Vm:
    with region.store.read() as connection:
        vm = vms.get(connection, vm_id)
    assert vm is not None
    return vm


def read_volume(region: Region, volume_id: str) -> Volume:
    with region.store.read() as connection:
        volume = volumes.get(connection, volume_id)
    assert volume is not None
    return volume


def read_snapshot(region: Region, snapshot_id: str) -> Snapshot:
    with region.store.read() as connection:
        snapshot = snapshots.get(connection, snapshot_id)
    assert snapshot is not None
    return snapshot


def read_image(region: Region, image_id: str) -> Image:
    with region.store.read() as connection:
        image = images.get(connection, image_id)
    assert image is not None
    return image


def set_volume_state(region: Region, volume: Volume, state: VolumeState) -> None:
    with region.store.begin() as connection:
        volumes.set_state(connection, volume.volume_id, state)


def requested(region: Region) -> list[str]:
    """The names of the started workflows and of the outstanding ones, which must be equal."""
    started: Any = region.workflows
    with region.store.read() as connection:
        rows = operations.outstanding(connection)
    assert sorted(row.operation_id for row in rows) == sorted(each.operation_id for each in started.started)
    return [operation.workflow for operation in started.started]


def dump(region: Region) -> list[str]:
    """Every row of the database as text."""
    with region.store.read() as connection:
        return [
            f"{table.name} {row}"
            for table in schema.metadata.sorted_tables
            for row in connection.execute(table.select().order_by(*table.primary_key))
        ]
