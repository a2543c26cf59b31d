"""CreateVms, ReadVms, ReadVmsState, UpdateVm, the transitions, ReadConsoleOutput, ReadAdminPassword."""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from souche.api import block_devices, tags
from souche.api.protocol import cached_pages, dates, filters, pages
from souche.api.protocol.dispatch import Call
from souche.api.protocol.request_errors import NoSuchNic, NoSuchSubnet
from souche.api.protocol.words import WORDS
from souche.app import launches, user_data, vm_transitions, vms
from souche.app import tags as app_tags
from souche.app.launches import Launch
from souche.app.vm_transitions import Transition
from souche.app.vm_types import DEFAULT_VM_TYPE
from souche.app.vms import Change, DeletionFlag
from souche.model.query import Condition, Position
from souche.model.security_groups import GroupName
from souche.model.tags import Tag
from souche.model.vms import SHUTDOWN_BEHAVIORS, Vm, VmStanding
from souche.model.volumes import Volume
from souche.states import VmState
from souche.value_refusals import BadUserData, BadValue
from souche.workflows.guests import hostname

Request: TypeAlias = Mapping[str, Any]

USER_DATA_MAX_BYTES: Final = 500 * 1024
TENANCIES: Final = ("default", "")


def create_vms(call: Call) -> Mapping[str, object]:
    """Launch VMs from an image."""
    request = cast("Request", call.request)
    _refuse_nets(request)
    launched = launches.launch(call.region, call.who, _launch(request))
    tagged = app_tags.of_resources(call.region, [vm.vm_id for vm in launched])
    return {"Vms": [view(vm, tagged.get(vm.vm_id, ()), call.region.name) for vm in launched]}


def _refuse_nets(request: Request) -> None:
    """There are no Nets here, so anything that names one names something that does not exist."""
    if request.get("SubnetId"):
        raise NoSuchSubnet(subnet_id=request["SubnetId"])
    for nic in request.get("Nics", ()):
        if nic.get("NicId"):
            raise NoSuchNic(nic_id=nic["NicId"])
        raise NoSuchSubnet(subnet_id=nic.get("SubnetId", ""))
    if request.get("PrivateIps"):
        raise BadValue(parameter="PrivateIps", reason="the region chooses the address of a VM outside a Net")


def _launch(request: Request) -> Launch:
    placement = request.get("Placement", {})
    if placement.get("Tenancy", "") not in TENANCIES:
        raise BadValue(parameter="Placement.Tenancy", reason="only 'default' is supported")
    maximum = request.get("MaxVmsCount", request.get("MinVmsCount", 1))
    return Launch(
        image_id=request["ImageId"],
        vm_type=request.get("VmType", DEFAULT_VM_TYPE),
        min_count=request.get("MinVmsCount", 1),
        max_count=maximum,
        mappings=block_devices.requests(request.get("BlockDeviceMappings", ())),
        keypair_name=request.get("KeypairName") or None,
        user_data=_user_data(request.get("UserData", "")),
        subregion_name=placement.get("SubregionName") or None,
        boot_on_creation=request.get("BootOnCreation", True),
        boot_mode=request.get("BootMode"),
        performance=request.get("Performance"),
        deletion_protection=request.get("DeletionProtection"),
        shutdown_behavior=_shutdown_behavior(request),
        host_action=request.get("ShutdownBehaviorConfiguration", {}).get("HostAction"),
        nested_virtualization=request.get("NestedVirtualization", False),
        tpm_enabled=request.get("TpmEnabled"),
        next_secure_boot=request.get("ActionsOnNextBoot", {}).get("SecureBoot", "none"),
        client_token=request.get("ClientToken"),
        security_group_ids=tuple(request.get("SecurityGroupIds", ())),
        security_group_names=tuple(request.get("SecurityGroups", ())),
    )


def _shutdown_behavior(request: Request) -> str | None:
    """ShutdownBehaviorConfiguration.GuestAction, or the deprecated VmInitiatedShutdownBehavior. `restart` is shown as
    the GuestAction `stop`, so both together are `restart`."""
    old = request.get("VmInitiatedShutdownBehavior")
    if old is not None and old not in SHUTDOWN_BEHAVIORS:
        raise BadValue(
            parameter="VmInitiatedShutdownBehavior",
            reason=f"supported values: {', '.join(SHUTDOWN_BEHAVIORS)}",
        )
    new = request.get("ShutdownBehaviorConfiguration", {}).get("GuestAction")
    return cast("str | None", old if new is None or (old, new) == ("restart", "stop") else new)


def _user_data(text: str) -> bytes:
    """Base64, in one line or folded as MIME does."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadUserData(reason="it is not Base64") from error
    if len(data) > USER_DATA_MAX_BYTES:
        raise BadUserData(reason=f"it has {len(data)} bytes, and may have {USER_DATA_MAX_BYTES}")
    return data


def read_vms(call: Call) -> Mapping[str, object]:
    """The caller's VMs, those terminated within the last hour among them."""
    request = cast("Request", call.request)
    query = pages.query(request, filters.conditions("ReadVms", request))
    with vms.open_page(call.region, call.who, query, call.time_limit) as page:
        return {
            "Vms": cached_pages.shown(call, page, lambda vm, tagged: view(vm, tagged, call.region.name)),
            **pages.after(page.end),
        }


def read_vms_state(call: Call) -> Mapping[str, object]:
    """The states of the caller's running VMs, or with AllVms of all."""
    request = cast("Request", call.request)
    conditions = filters.conditions("ReadVmsState", request)
    if not request.get("AllVms", False):
        conditions += (Condition("state", (VmState.RUNNING,)),)
    found, more = vms.find_states(call.region, call.who, pages.query(request, conditions))
    return {
        "VmStates": [_state_view(vm) for vm in found],
        **pages.following(found, _position, more=more),
    }


def _state_view(vm: VmStanding) -> dict[str, object]:
    return {
        "MaintenanceEvents": [],
        "SubregionName": vm.subregion_name,
        "VmId": vm.vm_id,
        "VmState": vm.state.value,
    }


def _position(vm: VmStanding) -> Position:
    return Position(vm.creation_date, vm.vm_id)


def update_vm(call: Call) -> Mapping[str, object]:
    """Change a VM's attributes."""
    request = cast("Request", call.request)
    change = Change(
        vm_id=request["VmId"],
        vm_type=request.get("VmType"),
        performance=request.get("Performance"),
        user_data=_user_data(request["UserData"]) if "UserData" in request else None,
        nested_virtualization=request.get("NestedVirtualization"),
        bsu_optimized=request.get("BsuOptimized"),
        keypair_name=request.get("KeypairName"),
        deletion_protection=request.get("DeletionProtection"),
        shutdown_behavior=_shutdown_behavior(request),
        host_action=request.get("ShutdownBehaviorConfiguration", {}).get("HostAction"),
        deletion_flags=_deletion_flags(request.get("BlockDeviceMappings", ())),
        security_group_ids=tuple(request.get("SecurityGroupIds", ())),
        next_secure_boot=request.get("ActionsOnNextBoot", {}).get("SecureBoot"),
    )
    vm = vms.update(call.region, call.who, change)
    tagged = app_tags.of_resource(call.region, vm.vm_id)
    return {"Vm": view(vm, tagged, call.region.name)}


def _deletion_flags(mappings: Iterable[Mapping[str, Any]]) -> tuple[DeletionFlag, ...]:
    return tuple(
        DeletionFlag(
            delete=mapping["Bsu"].get("DeleteOnVmDeletion"),
            device_name=mapping.get("DeviceName"),
            volume_id=mapping["Bsu"].get("VolumeId") or None,
        )
        for mapping in mappings
        if mapping.get("Bsu")
    )


def start_vms(call: Call) -> Mapping[str, object]:
    """Start stopped VMs."""
    return _states(vm_transitions.start(call.region, call.who, _vm_ids(call)))


def stop_vms(call: Call) -> Mapping[str, object]:
    """Stop running VMs."""
    force = bool(call.request.get("ForceStop", False))
    return _states(vm_transitions.stop(call.region, call.who, _vm_ids(call), force=force))


def reboot_vms(call: Call) -> Mapping[str, object]:
    """Reboot running VMs."""
    vm_transitions.reboot(call.region, call.who, _vm_ids(call))
    return {}


def delete_vms(call: Call) -> Mapping[str, object]:
    """Terminate VMs."""
    return _states(vm_transitions.delete(call.region, call.who, _vm_ids(call)))


def _vm_ids(call: Call) -> Sequence[str]:
    return cast("Sequence[str]", call.request["VmIds"])


def _states(transitions: Iterable[Transition]) -> Mapping[str, object]:
    return {
        "Vms": [
            {"VmId": each.vm_id, "PreviousState": each.previous.value, "CurrentState": each.current.value}
            for each in transitions
        ]
    }


def read_console_output(call: Call) -> Mapping[str, object]:
    """The last 64 KiB of the serial console, in Base64."""
    vm_id = str(call.request["VmId"])
    output = vms.console_output(call.region, call.who, vm_id)
    return {"VmId": vm_id, "ConsoleOutput": base64.b64encode(output).decode()}


def read_admin_password(call: Call) -> Mapping[str, object]:
    """The administrator's password of a Windows VM."""
    vm_id = str(call.request["VmId"])
    return {"VmId": vm_id, "AdminPassword": vms.admin_password(call.region, call.who, vm_id)}


def view(vm: Vm, tagged: Sequence[Tag], region_name: str) -> dict[str, object]:
    """A VM as the API shows it. Fields that the real service omits when unset are omitted here too."""
    shown: dict[str, object] = {
        "ActionsOnNextBoot": {"SecureBoot": vm.next_secure_boot},
        "Architecture": vm.architecture,
        "BlockDeviceMappings": [_mapping_view(volume) for volume in vm.volumes],
        "BootMode": vm.boot_mode,
        "BsuOptimized": False,
        "CreationDate": dates.shown(vm.creation_date),
        "DeletionProtection": vm.deletion_protection,
        "Hypervisor": "xen",
        "ImageId": vm.image_id,
        "IsSourceDestChecked": False,  # of a VM outside a Net (reference section 12)
        "LaunchNumber": vm.launch_number,
        "NestedVirtualization": vm.nested_virtualization,
        "Performance": vm.performance,
        "Placement": {"SubregionName": vm.subregion_name, "Tenancy": "default"},
        "ProductCodes": list(vm.product_codes),
        "ReservationId": vm.reservation_id,
        "RootDeviceName": vm.root_device_name,
        "RootDeviceType": "ebs",
        "SecurityGroups": [_group_view(group) for group in vm.security_groups],
        "ShutdownBehaviorConfiguration": {
            "GuestAction": "terminate" if vm.shutdown_behavior == "terminate" else "stop",
            "HostAction": vm.host_action,
        },
        "State": vm.state.value,
        "StateReason": WORDS.fill(vm.state_reason),
        "Tags": tags.resource_tags(tagged),
        "TpmEnabled": vm.tpm_enabled,
        "UserData": base64.b64encode(vm.user_data).decode(),
        "VmId": vm.vm_id,
        "VmInitiatedShutdownBehavior": vm.shutdown_behavior,
        "VmType": vm.vm_type,
    }
    return shown | _address_view(vm, region_name) | _optional_view(vm)


def _group_view(group: GroupName) -> dict[str, object]:
    return {"SecurityGroupId": group.security_group_id, "SecurityGroupName": group.name}


def _address_view(vm: Vm, region_name: str) -> dict[str, object]:
    """The addresses of a VM; a terminated one has none. Without a linked public IP the private address is the public
    one too, since the region's users reach the VM by it; user data may disable that. The public name is the address, as
    nothing resolves names: Packer connects to that name."""
    if vm.state == VmState.TERMINATED:
        return {}
    private = {
        "PrivateIp": vm.private_ip,
        "PrivateDnsName": f"{hostname(vm.private_ip)}.{region_name}.compute.internal",
    }
    if vm.public_ip is None and user_data.of_vm(vm.user_data).private_only:
        return dict(private)
    public_ip = vm.public_ip or vm.private_ip
    return {**private, "PublicIp": public_ip, "PublicDnsName": public_ip}


def _optional_view(vm: Vm) -> dict[str, object]:
    optional = {"ClientToken": vm.client_token, "KeypairName": vm.keypair_name}
    return {name: value for name, value in optional.items() if value is not None}


def _mapping_view(volume: Volume) -> dict[str, object]:
    link = volume.link
    if link is None:
        return {}
    return {
        "DeviceName": link.device_name,
        "Bsu": {
            "DeleteOnVmDeletion": link.delete_on_vm_deletion,
            "LinkDate": dates.shown(link.link_date),
            "State": link.state.value,
            "VolumeId": volume.volume_id,
        },
    }
