"""Virtual machines."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from souche.model.images import Architecture, BootMode
from souche.model.security_groups import GroupName
from souche.model.volumes import Volume
from souche.states import VmState

HOST_ACTION_BY_BEHAVIOR: Final = {"stop": "stop", "restart": "restart", "terminate": "restart"}
"""For each shutdown behaviour, the default action after a failure of the VM's host (reference section 12)."""
SHUTDOWN_BEHAVIOR: Final = "stop"
"""the default, if neither the launch nor the image sets one"""
PERFORMANCES: Final = ("medium", "high", "highest")
SHUTDOWN_BEHAVIORS: Final = tuple(HOST_ACTION_BY_BEHAVIOR)
SecureBootAction = Literal["none", "enable", "disable", "setup-mode", "restore-factory-keys"]


@dataclass(frozen=True)
class Vm:
    """A VM. `volumes` are the attached ones, including the root volume, in device order. `security_groups` are in the
    order of their ids. `public_ip` is the linked one.

    `generation` counts the requested state transitions. It names the workflow of each, so that a second start of the
    same workflow is harmless. `next_secure_boot` is the next start's action on the firmware's keys, `secure_boot` that
    of the last start. `request_digest` is that of the request with `client_token` (`app/context/client_tokens.py`).
    """

    vm_id: str
    account_id: str
    image_id: str
    reservation_id: str
    launch_number: int
    vm_type: str
    vcpus: int
    memory_mib: int
    performance: str
    architecture: Architecture
    boot_mode: BootMode
    root_device_name: str
    subregion_name: str
    state: VmState
    creation_date: datetime
    mac_address: str
    private_ip: str
    product_codes: tuple[str, ...]
    keypair_name: str | None = None
    public_key: str | None = None
    user_data: bytes = b""
    state_reason: str = ""
    deletion_protection: bool = False
    shutdown_behavior: str = "stop"
    host_action: str = "stop"
    client_token: str | None = None
    request_digest: str | None = None
    nested_virtualization: bool = False
    tpm_enabled: bool = False
    next_secure_boot: SecureBootAction = "none"
    secure_boot: SecureBootAction = "none"
    termination_date: datetime | None = None
    generation: int = 0
    volumes: tuple[Volume, ...] = ()
    security_groups: tuple[GroupName, ...] = ()
    public_ip: str | None = None


@dataclass(frozen=True)
class VmStanding:
    """The state of a VM: enough for those who wait for it."""

    vm_id: str
    subregion_name: str
    state: VmState
    creation_date: datetime
