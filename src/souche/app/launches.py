"""Launching VMs from an image (CreateVms, reference section 6)."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from souche import ids
from souche.app import (
    block_devices,
    images,
    keypairs,
    product_codes,
    public_ips,
    quotas,
    secure_boot,
    security_groups,
    user_data,
    vm_types,
)
from souche.app import tags as app_tags
from souche.app.block_devices import MappingRequest
from souche.app.context import client_tokens, lookup, texts
from souche.app.context.region import Region, Work
from souche.app.vm_types import DEFAULT_VM_TYPE, VmType
from souche.db import snapshots, vm_attributes, vms, volumes
from souche.db.transactions import Transaction
from souche.model.accounts import Principal
from souche.model.images import BootMode, Image, ImageMapping, VmAttributes
from souche.model.security_groups import GroupName
from souche.model.vms import HOST_ACTION_BY_BEHAVIOR, SHUTDOWN_BEHAVIOR, SecureBootAction, Vm
from souche.model.volumes import Volume, VolumeLink
from souche.operations.vms import create_vm
from souche.quota_refusals import NoCapacity
from souche.refusals import NoSuchSubregion
from souche.states import LinkState, VmState, VolumeState
from souche.value_refusals import BadCount, BadValue, RootSnapshotMissing
from souche.words import Phrase, Term
from souche.workflows import withdrawals

RESERVED_ADDRESSES = 16
GOING = (VmState.SHUTTING_DOWN, VmState.TERMINATED)
MAX_VMS_OF_LAUNCH = 1000  # ours: it bounds one transaction


@dataclass(frozen=True)
class Launch:
    """A launch; None for omitted fields, which the image or a default decides."""

    image_id: str
    vm_type: str = DEFAULT_VM_TYPE
    min_count: int = 1
    max_count: int = 1
    mappings: tuple[MappingRequest, ...] = ()
    keypair_name: str | None = None
    user_data: bytes = b""
    subregion_name: str | None = None
    boot_on_creation: bool = True
    boot_mode: BootMode | None = None
    performance: str | None = None
    deletion_protection: bool | None = None
    shutdown_behavior: str | None = None
    host_action: str | None = None
    nested_virtualization: bool = False
    tpm_enabled: bool | None = None
    next_secure_boot: SecureBootAction = "none"
    client_token: str | None = None
    security_group_ids: tuple[str, ...] = ()
    security_group_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Plan:
    """The data shared by all VMs of one launch, computed once."""

    launch: Launch
    image: Image
    vm_type: VmType
    mappings: tuple[ImageMapping, ...]
    public_key: str | None
    reservation_id: str
    security_groups: tuple[GroupName, ...]
    tags: Mapping[str, str]
    volume_codes: Mapping[str, tuple[str, ...]]
    request_digest: str


def launch(region: Region, who: Principal, command: Launch) -> list[Vm]:
    """Launch VMs: `max_count`, or as many above `min_count` as there is room for and quotas allow. Their volumes
    are named in the answer already. With the token of an earlier launch, the VMs of that launch are the answer.

    Raises:
        NoSuchImage, WrongImageState, NotSubscribed, NoSuchKeypair, NoSuchSecurityGroup, NoSuchVmType,
        NoSuchSubregion, BadCount, BadUserData, BadTag, BadValue, NoCapacity, QuotaExceeded, VmSpecsMismatch,
        ClientTokenReused, OutOfSpace, and those of block_devices.py.
    """
    texts.check_client_token(command.client_token)
    _check_counts(command)
    if command.subregion_name not in (None, *region.subregion_names):
        raise NoSuchSubregion(subregion_name=command.subregion_name)
    with region.begin() as work:
        earlier = _of_token(work, who, command)
        if earlier:
            return earlier
        plan = _plan(region, work, who, command)
        region.room.ask()
        count = _affordable(work, who, plan)
        addresses = _addresses(region, work.connection, command.min_count, count)
        return _record(region, work, who, plan, addresses)


def _check_counts(command: Launch) -> None:
    if not 1 <= command.min_count <= command.max_count:
        raise BadCount(reason=Phrase("{word[least_vms]} must be from 1 to {word[most_vms]}"))
    if command.max_count > MAX_VMS_OF_LAUNCH:
        raise BadCount(reason=Phrase("{word[most_vms]} must be at most {most}", most=MAX_VMS_OF_LAUNCH))


def _of_token(work: Work, who: Principal, command: Launch) -> list[Vm]:
    """The VMs of the launch that came with the token. If all of them are being deleted, the token is free."""
    token = command.client_token
    earlier = vms.of_client_token(work.connection, who.account_id, token) if token is not None else []
    if token is None or not earlier:
        return []
    if all(vm.state in GOING for vm in earlier):
        vms.release_client_token(work.connection, [vm.vm_id for vm in earlier])
        return []
    client_tokens.check(token, earlier[0].request_digest, client_tokens.digest(command))
    return earlier


def _plan(region: Region, work: Work, who: Principal, command: Launch) -> _Plan:
    connection = work.connection
    image = lookup.usable_image(connection, who, command.image_id)
    images.check_available(image)
    product_codes.check_subscribed(connection, who, image)
    _check_tpm(command, image)
    mappings = block_devices.for_launch(connection, who, image, command.mappings)
    if image.root_device_name not in [mapping.device_name for mapping in mappings]:
        raise RootSnapshotMissing(device_name=image.root_device_name)
    vm_type = vm_types.parse(command.vm_type)
    product_codes.check_vm_type(image.product_codes, vm_type)
    return _Plan(
        launch=command,
        image=image,
        vm_type=vm_type,
        mappings=mappings,
        public_key=keypairs.public_key(connection, who, command.keypair_name),
        reservation_id=region.ids.new(ids.RESERVATION),
        security_groups=security_groups.chosen(
            region, work, who, command.security_group_ids, command.security_group_names
        ),
        tags=user_data.section(command.user_data).tags,
        volume_codes=_volume_codes(connection, image, mappings),
        request_digest=client_tokens.digest(command),
    )


def _check_tpm(command: Launch, image: Image) -> None:
    if command.tpm_enabled is False and image.tpm_mandatory:
        raise BadValue(parameter=Term.TPM, reason=f"the image {image.image_id} needs a TPM")


def _affordable(work: Work, who: Principal, plan: _Plan) -> int:
    """How many VMs of the launch the account's quotas allow."""
    disks = (quotas.of_volume(mapping.volume_size_gib, mapping.iops) for mapping in plan.mappings)
    vm = quotas.of_vm(plan.vm_type.vcpus, plan.vm_type.memory_mib)
    return quotas.fitting(
        work, who, sum(disks, start=vm), least=plan.launch.min_count, most=plan.launch.max_count
    )


def _addresses(region: Region, connection: Transaction, least: int, most: int) -> list[str]:
    """One address for each VM of the launch.

    Raises:
        NoCapacity: fewer than `least` are free.
    """
    found = list(islice(_free_addresses(region, connection), most))
    if len(found) < least:
        raise NoCapacity(reason=f"{len(found)} addresses of {region.network.cidr} are free")
    return found


def _free_addresses(region: Region, connection: Transaction) -> Iterator[str]:
    """The addresses of the region's network that no VM has. The first few are the region's own."""
    network = ipaddress.IPv4Network(region.network.cidr)
    first, last = int(network.network_address), int(network.broadcast_address)
    taken = {int(ipaddress.IPv4Address(address)) for address in vms.addresses(connection)}
    for number in range(first + RESERVED_ADDRESSES, last):
        if number not in taken:
            yield str(ipaddress.IPv4Address(number))


def _record(region: Region, work: Work, who: Principal, plan: _Plan, addresses: Sequence[str]) -> list[Vm]:
    """Write the VMs of a launch, one for each address. The number of statements does not depend on the number of
    VMs."""
    made = [_new_vm(region, who, plan, number, address) for number, address in enumerate(addresses)]
    launched = [
        replace(vm, volumes=tuple(_new_volume(region, plan, vm, mapping) for mapping in plan.mappings))
        for vm in made
    ]
    vms.insert(work.connection, launched)
    withdrawals.record_use(work.connection, plan.image, who.account_id, region.clock.now())
    taken = _taken(plan)
    if taken:
        vm_attributes.record(work.connection, [vm.vm_id for vm in launched], taken)
    volumes.insert(work.connection, [volume for vm in launched for volume in vm.volumes])
    vm_ids = [vm.vm_id for vm in launched]
    app_tags.put_new(work.connection, who.account_id, vm_ids, plan.tags, region.clock.now())
    # The tags name one public IP, which can be linked to one VM only.
    launched[0] = public_ips.attach_tagged(region, work, launched[0], plan.tags)
    work.operations += [create_vm(vm, boot=plan.launch.boot_on_creation) for vm in launched]
    return launched


def _new_vm(region: Region, who: Principal, plan: _Plan, number: int, private_ip: str) -> Vm:
    command, carried = plan.launch, plan.image.vm_attributes or VmAttributes()
    protection = command.deletion_protection
    behavior = command.shutdown_behavior or carried.shutdown_behavior or SHUTDOWN_BEHAVIOR
    boot_mode = _boot_mode(plan)
    return Vm(
        vm_id=region.ids.new(ids.VM),
        account_id=who.account_id,
        image_id=plan.image.image_id,
        reservation_id=plan.reservation_id,
        launch_number=number,
        vm_type=plan.vm_type.name,
        vcpus=plan.vm_type.vcpus,
        memory_mib=plan.vm_type.memory_mib,
        performance=_performance(plan),
        architecture=plan.image.architecture,
        boot_mode=boot_mode,
        root_device_name=plan.image.root_device_name,
        subregion_name=command.subregion_name or region.subregion_name,
        state=VmState.PENDING,
        creation_date=region.clock.now(),
        mac_address=region.ids.mac_address(),
        private_ip=private_ip,
        product_codes=plan.image.product_codes,
        keypair_name=command.keypair_name,
        public_key=plan.public_key,
        user_data=command.user_data,
        deletion_protection=bool(carried.deletion_protection if protection is None else protection),
        shutdown_behavior=behavior,
        host_action=command.host_action or HOST_ACTION_BY_BEHAVIOR[behavior],
        client_token=command.client_token,
        request_digest=plan.request_digest,
        nested_virtualization=command.nested_virtualization,
        tpm_enabled=command.tpm_enabled or plan.image.tpm_mandatory,
        next_secure_boot=secure_boot.for_boot_mode(command.next_secure_boot, boot_mode),
        security_groups=plan.security_groups,
    )


def _taken(plan: _Plan) -> VmAttributes | None:
    """The attributes that the VMs took from their image; None: nothing."""
    command, carried = plan.launch, plan.image.vm_attributes or VmAttributes()
    taken = VmAttributes(
        deletion_protection=carried.deletion_protection if command.deletion_protection is None else None,
        shutdown_behavior=None if command.shutdown_behavior else carried.shutdown_behavior,
        performance=None if plan.vm_type.names_performance or command.performance else carried.performance,
        boot_mode=carried.boot_mode
        if command.boot_mode is None and carried.boot_mode in plan.image.boot_modes
        else None,
    )
    return None if taken == VmAttributes() else taken


def _performance(plan: _Plan) -> str:
    """A flag in the VM type wins, then the request, then the image (reference section 6)."""
    vm_type, carried = plan.vm_type, plan.image.vm_attributes
    if vm_type.names_performance:
        return vm_type.performance
    return plan.launch.performance or (carried and carried.performance) or vm_type.performance


def _boot_mode(plan: _Plan) -> BootMode:
    """The request's boot mode, otherwise that of the VM that the image was made from, otherwise uefi if the image has
    it."""
    modes, carried = plan.image.boot_modes, plan.image.vm_attributes
    wanted = plan.launch.boot_mode
    if wanted is not None and wanted not in modes:
        raise BadValue(
            parameter=Term.BOOT_MODE, reason=f"the image {plan.image.image_id} boots by {', '.join(modes)}"
        )
    if wanted is None and carried and carried.boot_mode in modes:
        wanted = carried.boot_mode
    return wanted or ("uefi" if "uefi" in modes else "legacy")


def _new_volume(region: Region, plan: _Plan, vm: Vm, mapping: ImageMapping) -> Volume:
    volume_id = region.ids.new(ids.VOLUME)
    link = VolumeLink(
        volume_id=volume_id,
        vm_id=vm.vm_id,
        device_name=mapping.device_name,
        delete_on_vm_deletion=mapping.delete_on_vm_deletion,
        state=LinkState.ATTACHING,
        link_date=vm.creation_date,
    )
    return Volume(
        volume_id=volume_id,
        account_id=vm.account_id,
        snapshot_id=mapping.snapshot_id,
        size_gib=mapping.volume_size_gib,
        volume_type=mapping.volume_type,
        iops=mapping.iops,
        state=VolumeState.CREATING,
        subregion_name=vm.subregion_name,
        creation_date=vm.creation_date,
        product_codes=plan.volume_codes[mapping.device_name],
        link=link,
    )


def _volume_codes(
    connection: Transaction, image: Image, mappings: Iterable[ImageMapping]
) -> dict[str, tuple[str, ...]]:
    """The product codes of volumes by device: the root has the VM's, the others those of their snapshots."""
    codes = {}
    for mapping in mappings:
        snapshot = snapshots.get(connection, mapping.snapshot_id) if mapping.snapshot_id else None
        codes[mapping.device_name] = snapshot.product_codes if snapshot else ()
    return codes | {image.root_device_name: image.product_codes}
