"""Operations that update the firewalls of guests and their public IPs from the records.

Earlier releases stored a list of ids as text with commas.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from souche.model.operations import Operation, Params, make


@dataclass(frozen=True)
class ApplySecurityGroups(Params):
    """For the guests in the groups `security_group_ids`, whose rules have changed; or for the guest `vm_id`, whose
    groups have changed."""

    workflow: ClassVar[str] = "apply_security_groups"

    security_group_ids: tuple[str, ...] = ()
    vm_id: str | None = None

    @classmethod
    def current(cls, arguments: Mapping[str, object]) -> Mapping[str, object]:
        return _split(arguments, "security_group_ids")


def apply_security_groups(
    params: ApplySecurityGroups, account_id: str, run: int
) -> Operation[ApplySecurityGroups]:
    """Update the firewalls of guests. `run` is unique to this operation."""
    subject_id = params.vm_id or params.security_group_ids[-1]
    return make(params, subject_id, account_id, f"{run:x}")


@dataclass(frozen=True)
class ApplyPublicIps(Params):
    """Those of the VMs `vm_ids`."""

    workflow: ClassVar[str] = "apply_public_ips"

    vm_ids: tuple[str, ...]

    @classmethod
    def current(cls, arguments: Mapping[str, object]) -> Mapping[str, object]:
        return _split(arguments, "vm_ids")


def apply_public_ips(vm_ids: Sequence[str], account_id: str, run: int) -> Operation[ApplyPublicIps]:
    """Update the public IPs of the guests of at least one VM."""
    return make(ApplyPublicIps(tuple(vm_ids)), vm_ids[-1], account_id, f"{run:x}")


def _split(arguments: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = arguments.get(name)
    return {**arguments, name: value.split(",")} if isinstance(value, str) else arguments
