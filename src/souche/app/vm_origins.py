"""What VMs took from their images."""

from dataclasses import dataclass

from souche.app.context.page import Page
from souche.app.context.region import Region
from souche.db import vm_attributes, vms
from souche.model.accounts import Principal
from souche.model.images import VmAttributes
from souche.model.query import Query
from souche.model.vms import Vm


@dataclass(frozen=True)
class VmOrigin:
    """A VM, and the attributes that it took from its image; None: none."""

    vm: Vm
    taken: VmAttributes | None


def find(region: Region, who: Principal, query: Query) -> Page[VmOrigin]:
    """The caller's VMs, oldest first."""
    with region.store.read() as connection:
        page, more = vms.find(connection, who.account_id, query)
        taken = vm_attributes.of_vms(connection, [vm.vm_id for vm in page])
    return Page([VmOrigin(vm, taken.get(vm.vm_id)) for vm in page], {}, more)
