"""Product codes: the licences of images, VMs, volumes and snapshots (reference section 2).

Any account may set the codes that every region has. The code of an account's own product type may only be set by that
account; otherwise it is inherited from the source of an image.
"""

from collections.abc import Collection
from typing import Final

from souche import ids
from souche.app.vm_types import VmType
from souche.db import marketplace, product_types
from souche.db.transactions import Transaction
from souche.model.accounts import Principal
from souche.model.images import LINUX_PRODUCT_CODE, Image
from souche.model.product_types import BUILT_IN, WINDOWS_PRODUCT_CODE
from souche.model.snapshots import Snapshot
from souche.model.vms import Vm
from souche.model.volumes import Volume
from souche.refusals import NotSubscribed, VmSpecsMismatch
from souche.value_refusals import BadProductCodes

DEFAULT: Final = (LINUX_PRODUCT_CODE,)
"""for resources without their own code, such as an imported snapshot (reference section 2)"""

# Reference section 6: what Windows needs to function properly.
WINDOWS_GENERATION: Final = 3
WINDOWS_VCPUS: Final = 2
WINDOWS_MEMORY_MIB: Final = 4096


def check(
    connection: Transaction, who: Principal, codes: Collection[str], carried: Collection[str] = ()
) -> None:
    """Refuse codes that the region does not know, and codes of other accounts that are not `carried` over.

    Raises:
        BadProductCodes.
    """
    allowed = {*carried, *(each.product_type_id for each in BUILT_IN)}
    allowed |= {
        each.product_type_id
        for each in product_types.of_ids(connection, _made(codes))
        if each.account_id == who.account_id
    }
    refused = [code for code in codes if code not in allowed]
    if refused:
        raise BadProductCodes(product_codes=", ".join(refused))


def _made(codes: Collection[str]) -> list[str]:
    """Those of the codes that belong to product types of accounts."""
    return [code for code in codes if ids.is_well_formed(code, ids.PRODUCT_TYPE)]


def chosen(
    connection: Transaction,
    who: Principal,
    given: Collection[str] | None,
    inherited: Collection[str] = (),
) -> tuple[str, ...]:
    """The codes of a new image, in order: those of its source, or the given ones together with the source's licences,
    which cannot be removed; 0001 if there are none.

    Raises:
        BadProductCodes: one of those given is unknown, or another account's.
    """
    check(connection, who, given or (), inherited)
    codes = inherited if given is None else [*given, *licences(inherited)]
    return tuple(sorted(set(codes))) or (LINUX_PRODUCT_CODE,)


def licences(codes: Collection[str]) -> list[str]:
    """The codes without that of Linux, which licenses nothing."""
    return [code for code in codes if code != LINUX_PRODUCT_CODE]


def changed(
    connection: Transaction, who: Principal, given: Collection[str], present: Collection[str]
) -> tuple[str, ...]:
    """The codes of an image after UpdateImage: those given take the place of those present, but for the codes of
    other accounts, which cannot be shed.

    Raises:
        BadProductCodes: one of those given is unknown, or another account's and not present.
    """
    check(connection, who, given, present)
    own = {
        each.product_type_id
        for each in product_types.of_ids(connection, _made(present))
        if each.account_id == who.account_id
    }
    kept = [code for code in _made(present) if code not in own]
    return tuple(sorted({*given, *kept})) or (LINUX_PRODUCT_CODE,)


def check_subscribed(connection: Transaction, who: Principal, image: Image) -> None:
    """Refuse to launch or copy an image that carries the code of a product on the marketplace, but for the
    product's owner and its subscribers.

    Raises:
        NotSubscribed.
    """
    _check_sold(connection, who, image.product_codes, image.image_id)


def check_snapshot(connection: Transaction, who: Principal, snapshot: Snapshot) -> None:
    """The same for a snapshot that leaves the region, where its codes do not follow.

    Raises:
        NotSubscribed.
    """
    _check_sold(connection, who, snapshot.product_codes, snapshot.snapshot_id)


def check_root(connection: Transaction, who: Principal, volume: Volume, vm: Vm) -> None:
    """Refuse a root volume with a product's code, unless the account subscribes to the product or the VM was launched
    with the code. Unsubscribing does not affect such a VM.

    Raises:
        NotSubscribed.
    """
    new = [code for code in volume.product_codes if code not in vm.product_codes]
    _check_sold(connection, who, new, volume.volume_id)


def _check_sold(connection: Transaction, who: Principal, codes: Collection[str], resource_id: str) -> None:
    sold = [
        each.product_type_id
        for each in product_types.of_ids(connection, _made(codes))
        if each.sold and each.account_id != who.account_id
    ]
    subscribed = marketplace.subscribed(connection, who.account_id, sold) if sold else set()
    for product_type_id in sold:
        if product_type_id not in subscribed:
            raise NotSubscribed(product_type_id=product_type_id, resource_id=resource_id)


def check_vm_type(codes: Collection[str], vm_type: VmType) -> None:
    """Refuse a VM type that is too small or too old for the licences in the codes.

    Raises:
        VmSpecsMismatch.
    """
    enough = (
        vm_type.generation >= WINDOWS_GENERATION
        and vm_type.vcpus >= WINDOWS_VCPUS
        and vm_type.memory_mib >= WINDOWS_MEMORY_MIB
    )
    if WINDOWS_PRODUCT_CODE in codes and not enough:
        raise VmSpecsMismatch(
            reason=f"Windows needs generation v{WINDOWS_GENERATION}, {WINDOWS_VCPUS} vCores and "
            f"{WINDOWS_MEMORY_MIB // 1024} GiB or more; {vm_type.name} has less."
        )


def of_vm(vm: Vm, attached: Collection[Volume]) -> tuple[str, ...]:
    """Those frozen at the launch, and the licences of the root volume, which need not be the one launched with.
    `attached` are the VM's volumes."""
    root = [each for each in attached if each.link and each.link.device_name == vm.root_device_name]
    return (*vm.product_codes, *licences([code for each in root for code in each.product_codes]))
